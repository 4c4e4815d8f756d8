"""What `make up` starts: one port before everything, with the commands, settings and secrets of docker-compose.yml."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.pusher import subscribe
from tests.support.clients.pusherjs import Driver, driver, options
from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.composed import CONFIG, Composed, composed
from tests.support.deployments.program import ROOT
from tests.support.servers import fresh_database
from tests.support.servers.ports import free_port
from tests.support.servers.redis.server import visit


@pytest.fixture(scope="module")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, kafka_url: str, postgres_url: str
) -> AsyncIterator[Composed]:
    """Yield a composition.  Its first gateway is there for one test to end it; the others do without."""
    prefix = f"t{secrets.token_hex(6)}"
    directory = tmp_path_factory.mktemp("composed")
    async with (
        fresh_database(postgres_url, prefix) as database,
        composed(directory, prefix, kafka=kafka_url, postgres=database) as running,
    ):
        yield running


@pytest.fixture
async def node() -> AsyncIterator[Driver]:
    async with driver() as running:
        yield running


def client(stack: Composed, user: str, **claims: Any) -> dict[str, Any]:
    """Return pusher-js's options for a user: it knows one address, that of HAProxy."""
    known = {"iss": "fanfare", "aud": "fanfare", "sub": user, "exp": int(time.time()) + 60}
    token = jwt.encode(known | claims, stack.environ["JWT_SECRET"], algorithm="HS256")
    return options(stack.balancer.host, stack.balancer.port, bearer=token)


async def post_company(back: BackEnd, stack: Composed, number: int) -> None:
    """Publish an event to company 1, signed, through HAProxy."""
    answer = await back.publish(stack.balancer.url, "private-company.1", {"n": number})
    assert answer.status == 200, answer


class TestOnePort:
    """All that clients and back ends do goes through HAProxy's one port."""

    async def test_journeys(self, stack: Composed, node: Driver) -> None:
        """
        Stock pusher-js hears what is published and what Kafka brings; when its gateway ends it goes on at the other.
        """
        for name in ("ann", "bob"):
            await node.connect(name, stack.app.key, **client(stack, name, companies=["1"]))
            await node.subscribe(name, "private-company.1")

        async with back_end(stack.app) as back:
            await post_company(back, stack, 1)
            renamed = {"company_id": "1", "n": 2}
            answer = await back.emit(stack.balancer.url, renamed, type="company.renamed")
            assert answer.status == 202, answer
            for name in ("ann", "bob"):
                assert await node.wait_for_events(name, "private-company.1", 2) == [
                    ("step", {"n": 1}),
                    ("company.renamed", renamed),
                ]

            stack.gateways[0].send(signal.SIGTERM)
            (moved,) = await node.wait_until(lambda: reconnected(node))
            joined = "pusher:subscription_succeeded"
            await node.wait(2, client=moved["client"], event=joined)
            async with asyncio.timeout(DEADLINE):
                assert await stack.gateways[0].process.wait() == 0
            await post_company(back, stack, 3)
            for name in ("ann", "bob"):
                events = await node.wait_for_events(name, "private-company.1", 3)
                assert events[2:] == [("step", {"n": 3})]

    async def test_channel_tokens(self, stack: Composed) -> None:
        """A channel token that auth issues opens what it names at the gateways, which have no key to make one."""
        async with back_end(stack.app) as back, visitors(stack.app) as visitor:
            fields = {"user": "7", "channels": ["private-anything.*"]}
            answer = await back.send("POST", stack.balancer.url, "/auth/tokens", **fields)
            assert answer.status == 200, answer
            ann = visitor()
            await ann.connect(stack.balancer.url)
            await ann.say(subscribe("private-anything.at.all", auth=answer.body["token"]))
            await ann.until_in("private-anything.at.all")

            (key,) = (await back.get(stack.balancer.url, "/.well-known/jwks.json")).body["keys"]
            assert key["kid"] in stack.environ["TOKEN_PUBLIC_KEYS"]
            assert "d" not in key

    async def test_cli(self, stack: Composed) -> None:
        """The service for commands tests the deployment, as a user of its own making."""
        here = {"FANFARE_SERVER_LISTEN": f"127.0.0.1:{stack.balancer.port}"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", *stack.cli["command"], "--config", str(CONFIG),
            cwd=ROOT, env={**os.environ, **stack.cli["environment"], **here}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()

        assert process.returncode == 0
        steps = [line.split()[0] for line in output.decode().splitlines()]
        assert steps == ["connect", "authorise", "subscribe", "publish", "receive"]


def reconnected(node: Driver) -> list[dict[str, Any]]:
    """Return the state of each client that connected for a second time."""
    return [
        connections[1]
        for name in ("ann", "bob")
        if len(connections := node.seen(client=name, state="connected")) > 1
    ]


class TestContainers:
    """What the file and the image say of a container works."""

    async def test_redis(self, stack: Composed) -> None:
        """Redis asks for the password, which is not among its arguments, and forgets nothing when it is full."""
        arguments = Path(f"/proc/{stack.redis.pid}/cmdline").read_bytes()
        assert stack.environ["REDIS_PASSWORD"].encode() not in arguments

        async with visit(stack.redis.url) as redis:
            assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
            assert (await redis.config_get("requirepass"))["requirepass"]
            assert (await redis.config_get("appendonly"))["appendonly"] == "yes"

    async def test_health(self, stack: Composed) -> None:
        """The image's health check tells a service that serves from one that is gone."""
        gateway = stack.gateways[1]

        assert await health(f"{gateway.host}:{gateway.internal_port}") == 0
        assert await health(f"{gateway.host}:{free_port()}") != 0


async def health(address: str) -> int:
    """Ask for health as the image does, at another address, and return the exit status."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("HEALTHCHECK")]
    program, *arguments = json.loads(line[line.index("[") :])
    words = [word.replace("127.0.0.1:9601", address) for word in arguments]
    assert program == "python"
    assert words != arguments
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()
