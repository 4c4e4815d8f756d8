"""A wrong value, or a secret that is missing: the pod refuses to start and says which, or never becomes ready."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from services.settings import DEVELOPMENT_SECRETS
from tests.ensemble.kubernetes.conftest import cluster_of, own_network
from tests.support.kubernetes.kustomize import Object
from tests.support.kubernetes.manifests import by_name, reworded, spec_of
from tests.support.kubernetes.pods import (
    CannotMount,
    Cluster,
    Pod,
    lay_out,
    listening,
    outcome,
    started,
    until_passes,
)
from tests.support.servers.ports import free_port

MISTYPED = "FANFARE_BACKENDS_BUSS_FILE"
DEVELOPMENT = "fanfare-development-secret-0123456789"


def nowhere(directory: Path) -> Cluster:
    """Describe a deployment whose backends are not there; who refuses to start never asks for them."""
    redis, postgres = f"redis://127.0.0.1:{free_port()}", f"postgresql://127.0.0.1:{free_port()}/x"
    kafka = f"kafka://127.0.0.1:{free_port()}"
    return cluster_of(directory, "nowhere", redis=redis, kafka=kafka, postgres=postgres)


def gateway(cluster: Cluster, change: Callable[[Object], object] = lambda _: None) -> Pod:
    """Lay out a gateway whose manifest was changed: its template's spec."""
    changed = replace(cluster, objects=copy.deepcopy(cluster.objects))
    change(spec_of(by_name(changed.objects, "Deployment")["gateway"]))
    return lay_out(changed, "Deployment", "gateway", host=f"{own_network()}.1")


def environment(template: Object, name: str) -> Object:
    """Return a variable of a template."""
    (found,) = [each for each in template["containers"][0]["env"] if each["name"] == name]
    variable: Object = found
    return variable


def items(template: Object) -> list[Object]:
    """Return which keys of the Secret a template shows."""
    (volume,) = [each for each in template["volumes"] if each["name"] == "secrets"]
    shown: list[Object] = volume["projected"]["sources"][0]["secret"]["items"]
    return shown


def change_variable(which: str, **fields: str) -> Callable[[Object], object]:
    return lambda template: environment(template, which).update(fields)


WRONG: dict[str, tuple[Callable[[Object], object], str]] = {
    "variable": (
        change_variable("FANFARE_BACKENDS_BUS_FILE", name=MISTYPED),
        f"{MISTYPED} is unknown; did you mean FANFARE_BACKENDS_BUS?",
    ),
    "path": (
        change_variable("FANFARE_BACKENDS_BUS_FILE", value="/run/secrets/fanfare/bus"),
        "FANFARE_BACKENDS_BUS_FILE: cannot read",
    ),
    "not shown": (
        lambda template: items(template).pop(0),
        "FANFARE_BACKENDS_BUS_FILE: cannot read",
    ),
    "service": (
        lambda template: template["containers"][0].update(args=["run", "gatway"]),
        "gatway",
    ),
    "configuration": (
        change_variable("FANFARE_CONFIG", value="/etc/fanfare/fanfare.tml"),
        "fanfare.tml",
    ),
}


class TestRefused:
    """The process ends with a sentence, so that the pod crashes, and a roll-out stops at the first."""

    @pytest.mark.parametrize("name", WRONG)
    async def test_manifest(self, tmp_path: Path, name: str) -> None:
        """What is wrong in the manifest is named as it stands there."""
        change, words = WRONG[name]

        status, written = await outcome(gateway(nowhere(tmp_path), change))

        assert status == 2
        assert words in written

    @pytest.mark.parametrize(
        "before, after, words",
        [
            ("drain_timeout = 30", "drain_timeout = 'soon'", "server.drain_timeout"),
            ("max_connections", "max_conections", "did you mean max_connections?"),
        ],
    )
    async def test_settings(self, tmp_path: Path, before: str, after: str, words: str) -> None:
        """What is wrong in the ConfigMap is named."""
        cluster = nowhere(tmp_path)
        objects = reworded(cluster.objects, before, after, kind="ConfigMap")

        status, written = await outcome(gateway(replace(cluster, objects=objects)))

        assert (status, words in written) == (2, True)

    async def test_development_secret(self, tmp_path: Path) -> None:
        """With a secret that everybody knows auth listens to nobody."""
        assert DEVELOPMENT in {secret.reveal() for secret in DEVELOPMENT_SECRETS}
        issuer = {"issuer": "fanfare", "audience": "fanfare", "secret": DEVELOPMENT}
        cluster = nowhere(tmp_path)
        known = {**cluster.secrets["fanfare"], "issuers.json": json.dumps([issuer])}
        pod = lay_out(
            replace(cluster, secrets={"fanfare": known}),
            "Deployment",
            "auth",
            host=f"{own_network()}.1",
        )

        status, written = await outcome(pod)

        assert status == 2
        assert 'the secret of issuer "fanfare" is the development secret' in written
        assert DEVELOPMENT not in written

    def test_missing_key(self, tmp_path: Path) -> None:
        """A Secret without a key that a pod is shown keeps the container from being made; Kubernetes names the key."""
        cluster = nowhere(tmp_path)
        known = {key: text for key, text in cluster.secrets["fanfare"].items() if key != "bus-url"}

        with pytest.raises(CannotMount, match="bus-url"):
            gateway(replace(cluster, secrets={"fanfare": known}))


class TestNeverReady:
    """The process lives, and is sent nobody."""

    async def test_backend_away(self, tmp_path: Path) -> None:
        """Where a URL leads to nobody the start is not done, and operators are told which and why."""
        pod = gateway(nowhere(tmp_path))
        async with started(pod, listening(pod)) as program:
            await until_passes(pod, program, "livenessProbe")
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{program.internal_url}/health/deps") as response,
            ):
                checks = (await response.json())["checks"]["gateway"]

            assert [await pod.passes(each) for each in ("startupProbe", "readinessProbe")] == [
                False,
                False,
            ]
            assert {name for name, state in checks.items() if state != "ok"} == {
                "apps",
                "bus",
                "control",
                "roster",
            }
