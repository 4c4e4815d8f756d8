"""Rules are read again on SIGHUP, all or nothing, while the program serves."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients import pusher
from tests.support.clients.back_ends import back_end
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import Program, program
from tests.support.tokens import user_tokens

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
    async with asyncio.timeout(DEADLINE):
        while running.log.read_text().count(until) == before:
            await asyncio.sleep(0.02)


async def join(running: Program) -> int:
    """Ask for a channel, and return the status."""
    form = {"socket_id": "1.1", "channel_name": ALLOWED}
    headers = {"Authorization": f"Bearer {user_tokens.token(sub='7')}"}
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


async def test_guarded_since(running: Program, config: Path) -> None:
    """
    A public channel that has a policy now is for those whom it allows: gateways ask it, and auth tells them what of.
    """
    guard = '[[channels]]\npattern = "news"\nallow = "claims.role == \'staff\'"\n'
    async with visitors(APP) as visitor, aiohttp.ClientSession() as http:
        before, staff, guest = visitor(), visitor(), visitor()
        for each in (before, staff, guest):
            await each.connect(running.url)
        await before.join("news")

        await reload(running, config, RULES + guard, until="rules.reloaded")

        for each, role in ((staff, "staff"), (guest, "guest")):
            await each.say(pusher.subscribe("news"))
            await each.say(await signed_in(http, running, each, role=role))
        await staff.until_in("news")
        await guest.until(lambda: any(map(is_refusal, guest.frames)))
        assert before.is_in("news")


def is_refusal(frame: dict[str, Any]) -> bool:
    return bool(frame["event"] == "pusher:subscription_error" and frame["data"]["status"] == 403)


async def signed_in(
    http: aiohttp.ClientSession, running: Program, guest: Visitor, **claims: str
) -> bytes:
    """Compose a sign-in that auth allows."""
    headers = {"Authorization": f"Bearer {user_tokens.token(sub='7', **claims)}"}
    url = f"{running.url}/broadcasting/user-auth"
    async with http.post(url, data={"socket_id": guest.socket_id}, headers=headers) as response:
        assert response.status == 200, await response.text()
        return json.dumps({"event": "pusher:signin", "data": await response.json()}).encode()


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


async def test_what_no_start_allows(tmp_path: Path, redis_url: str) -> None:
    """
    Where a process could not start with the new settings it does not take them either.
    """
    config, url = tmp_path / "fanfare.toml", f'[backends]\ncontrol = "{redis_url}"\n'
    config.write_text(RULES + url)
    member = '[[channels]]\npattern = "private-team.{team}"\nmember_of = "team:{team}"\n'
    async with program("auth", config=config, log=tmp_path / "log") as alone:
        await reload(alone, config, RULES + member + url, until="rules.refused")

        assert "memberships" in alone.log.read_text()
