"""`fanfare test` on a deployment of one process: whichever channel it is given, the journey arrives, or says why."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.deployment import Deployment, in_one_process

CONFIG = "memory.toml"


async def closed(deployment: Deployment, count: int) -> bool:
    """Tell whether so many clients have closed their connections in order (RFC 6455, 7.4.1: 1000)."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as http,
        http.get(f"{deployment.gateways[0].internal_url}/metrics") as response,
    ):
        text = await response.text()
    return f'fanfare_connections_closed_total{{code="1000"}} {count}.0' in text


@pytest.fixture
async def deployment(tmp_path: Path, prefix: str) -> AsyncIterator[Deployment]:
    async with in_one_process(tmp_path, prefix) as running:
        yield running


async def test_kinds_of_channels(deployment: Deployment, tmp_path: Path) -> None:
    """
    Public channels take a sign-in where a user is named, others an authorisation; who may not join is told so.
    """
    url = deployment.gateways[0].url

    async def tried(channel: str, *words: str) -> Outcome:
        named = ["--url", url, "--channel", channel, *words]
        return await command("test", *named, config=tmp_path / CONFIG, environ={})

    def steps(outcome: Outcome) -> list[str]:
        assert outcome.status == 0, outcome
        return [line[:10].strip() for line in outcome.output.splitlines()]

    ann = ("--user", "7", "--claim", 'companies=["5"]')
    rest = ["subscribe", "publish", "receive"]

    assert steps(await tried("news")) == ["connect", *rest]
    assert steps(await tried("news", *ann)) == ["connect", "sign in", *rest]
    assert steps(await tried("offers.5", *ann)) == ["connect", "sign in", *rest]
    assert steps(await tried("private-company.5", *ann)) == ["connect", "authorise", *rest]

    await deployment.gateways[0].wait_until("closed", partial(closed, deployment, 4))

    refused = await tried("offers.6", *ann)
    assert refused.status == 1
    assert refused.complaint.startswith("fanfare: subscribe: ")
    assert "403" in refused.complaint
