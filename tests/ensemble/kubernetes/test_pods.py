"""What deploy/k8s has its pods run works: the commands, settings, secrets and probes, without a cluster."""

import asyncio
import json
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import jwt
import pytest

from services.settings import SERVICES, load
from tests.ensemble.kubernetes.conftest import OVERLAY, Stage
from tests.support.clients.back_ends import back_end
from tests.support.clients.pusher import subscribe
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.fleet import said
from tests.support.kubernetes.kustomize import combined
from tests.support.kubernetes.pods import lay_out, listening, outcome, started, until_passes
from tests.support.servers import Certificates
from tests.support.servers.process import eventually

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
CHANNEL = "private-company.1"


class TestProbes:
    """The kubelet asks where the processes answer."""

    @pytest.mark.parametrize("name", SERVICES)
    async def test_pass(self, stage: Stage, name: str) -> None:
        """Each probe of each Deployment passes at its port and path."""
        assert [await stage.pods[name].passes(probe) for probe in PROBES] == [True] * 3

    @pytest.mark.parametrize("name", SERVICES)
    async def test_alone(self, stage: Stage, name: str) -> None:
        """A pod runs the service that it is named for, and no other."""
        (line,) = said(stage.programs[name], "process.started")

        assert line["services"] == [name]

    @pytest.mark.parametrize("probe", PROBES)
    async def test_wrong(self, stage: Stage, probe: str) -> None:
        """A path that the code has not, and a port that is not the operators', never pass."""
        pod = stage.pods["gateway"]
        get = pod.container[probe]["httpGet"]
        for changed in ({"path": f"{get['path']}z"}, {"port": "http"}):
            container = pod.container | {probe: {"httpGet": get | changed}}

            assert not await replace(pod, container=container).passes(probe)


class TestJob:
    """What migrates."""

    async def test_again(self, stage: Stage) -> None:
        """It may be run again: Kubernetes does so where a node goes, and an upgrade may do so at any time."""
        status, written = await outcome(
            lay_out(stage.cluster, "Job", "migrate", host=f"{stage.host}.9")
        )

        assert (status, written.count("up to date")) == (0, 1)


class TestDeployment:
    """The pods make one Fanfare."""

    async def test_journey(self, stage: Stage) -> None:
        """Auth believes the issuer of the Secret; what dispatcher takes, of back ends and of Kafka, the gateway tells."""
        async with back_end(stage.app) as back, visitors(stage.app) as visitor:
            ann = visitor()
            await ann.connect(stage.programs["gateway"].url)
            await ann.say(subscribe(CHANNEL, auth=await allowed(stage, ann)))
            await ann.until_in(CHANNEL)
            dispatcher = stage.programs["dispatcher"].url
            published = await back.publish(dispatcher, CHANNEL, {"n": 1})
            assert published.status == 200, published
            await ann.until_heard(CHANNEL, {"n": 1})
            emitted = await back.emit(dispatcher, {"company_id": "1"}, type="company.renamed")
            assert emitted.status == 202, emitted
            await ann.until_heard(CHANNEL, {"n": 1}, {"company_id": "1"})
            asked = await back.get(stage.programs["presence"].url, "/presence/apps/1/users/7")

            assert asked.status == 200, asked

    async def test_channel_tokens(self, stage: Stage) -> None:
        """What auth signs with the one key of the Secret the gateway verifies with the other."""
        async with back_end(stage.app) as back, visitors(stage.app) as visitor:
            fields = {"user": "7", "channels": ["private-anything.*"]}
            answer = await back.send("POST", stage.programs["auth"].url, "/auth/tokens", **fields)
            assert answer.status == 200, answer
            ann = visitor()
            await ann.connect(stage.programs["gateway"].url)
            await ann.say(subscribe("private-anything.x", auth=answer.body["token"]))

            await ann.until_in("private-anything.x")

    async def test_signing_keys(self, stage: Stage) -> None:
        """Auth alone is shown a key that signs."""
        shown = {
            name: load(path=None, environ=pod.environ).tokens.keys
            for name, pod in stage.pods.items()
        }

        assert {name for name, keys in shown.items() if any(key.signs for key in keys)} == {"auth"}
        assert {name for name, keys in shown.items() if keys} == {"auth", "gateway", "presence"}


class TestCommands:
    """What docs/deploy/kubernetes.md has operators run by `kubectl exec`."""

    @pytest.mark.parametrize("name", SERVICES)
    async def test_check(self, stage: Stage, name: str) -> None:
        """In each pod `fanfare check` finds nothing that must be mended."""
        checked = await self._run(stage, name, "check", name)

        assert checked.status == 0, checked

    async def test_status(self, stage: Stage) -> None:
        """In any pod `fanfare status` shows all of them, once each has told."""

        async def is_whole() -> bool:
            shown = await self._run(stage, "dispatcher", "status")
            told = all(re.search(rf"(?m)^\S+ +{name} ", shown.output) for name in SERVICES)
            return told and shown.status == 0

        await eventually(is_whole, timeout=DEADLINE)

    async def _run(self, stage: Stage, name: str, *words: str) -> Outcome:
        environ = stage.pods[name].environ
        return await command(*words, config=Path(environ["FANFARE_CONFIG"]), environ=environ)


class TestTls:
    """components/tls: Fanfare shows a certificate itself."""

    async def test_gateway(self, stage: Stage, certificates: Certificates) -> None:
        """Clients get it, from files that cert-manager's Secret has; the probes stay plain."""
        shown = {
            "tls.crt": certificates.certificate.read_text(),
            "tls.key": certificates.key.read_text(),
        }
        cluster = replace(
            stage.cluster,
            objects=combined(OVERLAY, "tls"),
            secrets={**stage.cluster.secrets, "fanfare-tls": shown},
        )
        pod = lay_out(cluster, "Deployment", "gateway", host=f"{stage.host}.7")
        async with started(pod, listening(pod)) as program:
            await until_passes(pod, program, "readinessProbe")
            trust = certificates.client_context()
            trust.check_hostname = False  # It is not at an address of the certificate's.
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"https://{program.host}:{program.port}/up", ssl=trust) as response,
            ):
                assert response.status == 200


class TestStop:
    """Kubernetes ends a pod: SIGTERM, and SIGKILL when its grace is over."""

    async def test_gateway(self, stage: Stage) -> None:
        """
        Its readiness is off at once, it still takes who comes, then sends everybody away, and ends within its grace.
        """
        pod = lay_out(stage.cluster, "Deployment", "gateway", host=f"{stage.host}.8")
        async with started(pod, listening(pod)) as program, visitors(stage.app) as visitor:
            await until_passes(pod, program, "readinessProbe")
            ann, bob = visitor(), visitor()
            await ann.connect(program.url)

            program.send(signal.SIGTERM)
            async with asyncio.timeout(pod.grace):
                while await pod.passes("readinessProbe"):
                    pass
                await bob.connect(program.url)
                assert bob.is_open
                assert await pod.passes("livenessProbe")
                assert [await ann.until_closed(), await bob.until_closed()] == [4200, 4200]
                assert await program.process.wait() == 0


async def allowed(stage: Stage, visitor: Visitor) -> str:
    """Ask auth as a client does, with a token of the Secret's issuer."""
    (issuer,) = json.loads(stage.cluster.secrets["fanfare"]["issuers.json"])
    known = {"iss": issuer["issuer"], "aud": issuer["audience"], "sub": "7", "companies": ["1"]}
    bearer = jwt.encode(known | {"exp": int(time.time()) + 60}, issuer["secret"], "HS256")
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {bearer}"}) as http,
        http.post(
            f"{stage.programs['auth'].url}/broadcasting/auth",
            data={"socket_id": visitor.socket_id, "channel_name": CHANNEL},
        ) as response,
    ):
        assert response.status == 200, await response.text()
        return str((await response.json())["auth"])
