"""Keys of channel tokens are rotated while processes run and clients stay: each step is a SIGHUP."""

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import pusher
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import Visitor
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import Fleet, complaints, said
from tests.support.deployments.program import Program
from tests.support.tokens.keys import pair

Key = dict[str, str]


def key(kid: str, number: int, *, signs: bool = False) -> Key:
    """Make a key as it stands in the files that are mounted."""
    public, private = pair("EdDSA", number)
    return {"kid": kid, "public_key": public} | ({"private_key": private} if signs else {})


def without_private(keys: tuple[Key, ...]) -> list[Key]:
    return [{name: text for name, text in each.items() if name != "private_key"} for each in keys]


OLD, NEW = key("old", 1, signs=True), key("new", 2, signs=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """
    Two gateways and auth, each with its keys in a file of its own.

    Attributes:
        gateways: Both.
        auth: It.
        directory: Of the files.
        config: The settings of all.
    """

    gateways: tuple[Program, Program]
    auth: Program
    directory: Path
    config: Path

    @property
    def processes(self) -> tuple[Program, ...]:
        """All of them."""
        return (*self.gateways, self.auth)

    def write(self, *keys: Key) -> None:
        """Mount other keys: private halves for auth alone."""
        write(self.directory, *keys)

    async def reload(self, *, until: str = "rules.reloaded") -> None:
        """Let each process read its settings again, one after the other, and wait until it says what came of it."""
        for process in self.processes:
            before = len(said(process, until))
            process.send(signal.SIGHUP)
            async with asyncio.timeout(DEADLINE):
                while len(said(process, until)) == before:
                    await asyncio.sleep(0.02)

    async def rotate(self, *keys: Key) -> None:
        """Put other keys in force."""
        self.write(*keys)
        await self.reload()


def write(directory: Path, *keys: Key) -> None:
    (directory / "auth.json").write_text(json.dumps(keys))
    (directory / "gateway.json").write_text(json.dumps(without_private(keys)))


@asynccontextmanager
async def staged(directory: Path, redis: str) -> AsyncIterator[Stage]:
    fleet = Fleet(directory, redis=redis)
    write(directory, OLD)
    known = {"FANFARE_TOKENS_KEYS_FILE": str(directory / "gateway.json")}
    signing = {"FANFARE_TOKENS_KEYS_FILE": str(directory / "auth.json")}
    async with (
        fleet.running("gateway", **known) as one,
        fleet.running("gateway", **known) as two,
        fleet.running("auth", **signing) as auth,
    ):
        yield Stage((one, two), auth, directory, fleet.write_settings())


@pytest.fixture
async def stage(tmp_path: Path, redis_url: str) -> AsyncIterator[Stage]:
    async with staged(tmp_path, redis_url) as running:
        yield running


async def issued(stage: Stage, backend: BackEnd, **fields: Any) -> str:
    """Return a token that auth issues now."""
    asked = {"user": "7", "channels": ["private-*"]} | fields
    answer = await backend.send("POST", stage.auth.url, "/auth/tokens", **asked)
    assert answer.status == 200, answer.body
    return str(answer.body["token"])


async def is_active(stage: Stage, backend: BackEnd, token: str) -> bool:
    answer = await backend.send("POST", stage.auth.url, "/auth/validate", token=token)
    assert answer.status == 200, answer.body
    return bool(answer.body["active"])


async def published(stage: Stage, backend: BackEnd) -> tuple[list[str], str]:
    """Return the names of the keys that others are told, and the tag of the answer."""
    answer = await backend.get(stage.auth.url, "/.well-known/jwks.json")
    return [each["kid"] for each in answer.body["keys"]], answer.headers["ETag"]


async def open_channel(guest: Visitor, token: str) -> str:
    """Open a channel that is new, and return its name."""
    channel = f"private-{secrets.token_hex(4)}"
    await guest.say(pusher.subscribe(channel, auth=token))
    await guest.until_in(channel)
    return channel


async def refused(guest: Visitor, token: str) -> None:
    """Try a token, and wait for the refusal."""
    channel = f"private-{secrets.token_hex(4)}"
    await guest.say(pusher.subscribe(channel, auth=token))
    await guest.until(has_refusal(guest, channel))


def has_refusal(guest: Visitor, channel: str) -> Callable[[], bool]:
    """Make what tells whether a channel was refused, or taken away, for the sake of its token."""
    error = ("pusher:subscription_error", channel, 401)
    return lambda: (
        error
        in {
            (frame["event"], frame.get("channel"), frame["data"].get("status"))
            for frame in guest.frames
            if isinstance(frame.get("data"), dict)
        }
    )


class TestRotation:
    """docs/auth.md, "Rotating keys"."""

    async def test_steps(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd
    ) -> None:
        """
        Published, signed with, and the old one dropped: a token is taken from the first to the last step of its key.

        What it had opened ends with its key, and the connection stays.
        """
        first = await issued(stage, backend)
        opened = [await open_channel(guest, first) for guest in guests]
        _, tag = await published(stage, backend)

        await stage.rotate(OLD, NEW)
        kids, other_tag = await published(stage, backend)
        assert kids == ["old", "new"]
        assert other_tag != tag
        second = await issued(stage, backend)

        await stage.rotate(NEW, key("old", 1))
        third = await issued(stage, backend)
        for guest in guests:
            for token in (first, second, third):
                await open_channel(guest, token)

        await stage.rotate(NEW)
        assert (await published(stage, backend))[0] == ["new"]
        for guest, channel in zip(guests, opened, strict=True):
            await refused(guest, first)
            await refused(guest, second)
            await open_channel(guest, third)
            assert guest.is_open
            await guest.until(has_refusal(guest, channel))
        active = [await is_active(stage, backend, token) for token in (first, second, third)]
        assert active == [False, False, True]
        assert not any(complaints(process) for process in stage.processes)

    async def test_bad_key(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd
    ) -> None:
        """
        With a key that cannot be used nothing changes, and the log says which, not what it holds.
        """
        token = await issued(stage, backend)
        wrong = NEW | {"kid": "wrong", "public_key": NEW["private_key"]}

        stage.write(NEW, wrong)
        await stage.reload(until="rules.refused")

        assert (await published(stage, backend))[0] == ["old"]
        for guest in guests:
            await open_channel(guest, token)
            await open_channel(guest, await issued(stage, backend))
        for process in stage.processes:
            (refusal,) = said(process, "rules.refused")
            assert 'token key "wrong"' in refusal["reason"]
            assert NEW["private_key"].splitlines()[1] not in process.log.read_text()

    async def test_bad_policy(self, stage: Stage, backend: BackEnd) -> None:
        """
        Keys are not replaced either where another rule of the same settings cannot work.
        """
        rules = stage.config.read_text()

        stage.write(NEW)
        stage.config.write_text(f"{rules}\n[[channels]]\npattern = 'private-{{a'\nallow = 'true'\n")
        await stage.reload(until="rules.refused")
        assert (await published(stage, backend))[0] == ["old"]

        stage.config.write_text(rules)
        await stage.reload()
        assert (await published(stage, backend))[0] == ["new"]

    async def test_terms(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd
    ) -> None:
        """
        Other terms count at once: for tokens that are issued, and for those that are shown.
        """
        long = await issued(stage, backend, ttl=600)
        short = await issued(stage, backend, ttl=60)
        rules = stage.config.read_text()

        stage.config.write_text(f"{rules}\n[tokens]\nttl = 50\nmax_ttl = 100\n")
        await stage.reload()
        usual = await issued(stage, backend)
        for guest in guests:
            await refused(guest, long)
            await open_channel(guest, short)
            await open_channel(guest, usual)

        stage.config.write_text(f"{rules}\n[tokens]\nissuer = 'another'\n")
        await stage.reload()
        other = await issued(stage, backend)
        for guest in guests:
            await refused(guest, short)
            await open_channel(guest, other)
