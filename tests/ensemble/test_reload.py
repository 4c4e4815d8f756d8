"""Rules are read again on SIGHUP, all or nothing, while the program serves."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from libs.common.apps import App
from libs.common.secret import Secret
from tests.support import tokens
from tests.support.backends import back_end
from tests.support.program import Program, program
from tests.support.visitors import visitors

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
ALLOWED = "private-user.7"
RULES = """
[[apps]]
id = "1"
key = "app-key"
secrets = ["app-secret"]

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "fanfare-development-secret-0123456789"

[[channels]]
pattern = "private-user.{user_id}"
allow = "user.id == user_id"

[[routes]]
name = "told"
topic = "told"
channels = ["news"]
event = "{type}"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "fanfare.toml"
    file.write_text(RULES)
    return file


@pytest.fixture
async def running(config: Path, tmp_path: Path) -> AsyncIterator[Program]:
    async with program(config=config, log=tmp_path / "log") as started:
        yield started


async def reload(running: Program, config: Path, rules: str, *, until: str) -> None:
    """Write other rules, ask for them, and wait until the log says once more what became of that."""
    before = running.log.read_text().count(until)
    config.write_text(rules)
    running.send(signal.SIGHUP)
    async with asyncio.timeout(10):
        while running.log.read_text().count(until) == before:
            await asyncio.sleep(0.02)


async def join(running: Program) -> int:
    """Ask for a channel, and return the status."""
    form = {"socket_id": "1.1", "channel_name": ALLOWED}
    headers = {"Authorization": f"Bearer {tokens.token(sub='7')}"}
    url = f"{running.url}/broadcasting/auth?app_key=app-key"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=form, headers=headers) as response,
    ):
        return response.status


async def test_other_policies(running: Program, config: Path) -> None:
    """
    A policy that was taken back is in force at once.
    """
    assert await join(running) == 200

    await reload(running, config, RULES.replace("user.id ==", "'x' =="), until="rules.reloaded")

    assert await join(running) == 403


async def test_other_apps(running: Program, config: Path) -> None:
    """
    An app that was switched off is refused.
    """
    disabled = RULES.replace('key = "app-key"', 'key = "app-key"\nenabled = false')

    await reload(running, config, disabled, until="rules.reloaded")

    assert await join(running) == 403


async def test_other_routes(running: Program, config: Path) -> None:
    """
    Routes may read other topics.
    """
    await reload(running, config, RULES.replace('"told"\nch', '"new"\nch'), until='["new"]')


async def test_switched_off_and_on(running: Program, config: Path) -> None:
    """
    A route that is switched off tells nothing until it is switched on again; the others do meanwhile.
    """
    own = RULES.replace('topic = "told"\n', "")
    on = own + own[own.index("[[routes]]") :].replace('"told"', '"all"').replace('"news"', '"all"')
    off = on.replace('name = "told"', 'name = "told"\nenabled = false')
    async with visitors(APP) as visitor, back_end(APP) as back:
        ann = visitor()
        await ann.connect(running.url)
        await ann.join("news")
        await ann.join("all")

        for number, rules in enumerate((on, off, on)):
            await reload(running, config, rules, until="pipeline.started")
            assert (await back.emit(running.url, number)).status == 202
            await ann.until_heard("all", number)

        await ann.until_heard("news", 2)
        assert ann.heard("news") == [0, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        RULES.replace("{user_id}", "{user_id"),
        RULES.replace('event = "{type}"', 'event = "{type"'),
        RULES.replace("[[apps]]", "nonsense = 1\n[[apps]]"),
    ],
)
async def test_all_or_nothing(running: Program, config: Path, wrong: str) -> None:
    """
    Where one rule cannot work nothing changes, and the log says why.
    """
    broken = wrong.replace("user.id ==", "'x' ==")

    await reload(running, config, broken, until="rules.refused")

    assert await join(running) == 200
