"""The contract of `control.Control`, on every adapter."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace

from libs.common.control.commands import Command
from libs.common.control.port import Control, TooManyCommands
from libs.common.control.redis import FORGOTTEN_AFTER
from libs.common.tokens.channel_tokens import ChannelToken
from libs.common.tokens.revocations import Revocations
from tests.support.deadline import DEADLINE
from tests.support.ports.control import MEMORY, Deployment, command, deployment, received

ROUNDING = 0.002  # Seconds: instants are kept in whole milliseconds, rounded up and down.


@pytest.fixture(
    params=[MEMORY, "redis_url", "redis_cluster_url"], ids=["memory", "redis", "cluster"]
)
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    if request.param == MEMORY:
        return MEMORY
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def site(url: str, prefix: str) -> AsyncIterator[Deployment]:
    async with deployment(url, prefix) as site:
        yield site


class TestListen:
    """A command that was sent is received by every listener, until it expires."""

    async def test_every_listener(self, site: Deployment) -> None:
        """Listeners of all processes receive a command."""
        async with site.control.listen() as one, site.other.listen() as other:
            await site.control.send(command("ann"))

            assert await received(one, 1) == ["ann"]
            assert await received(other, 1) == ["ann"]

    async def test_all_fields(self, site: Deployment) -> None:
        """A command arrives as it was sent."""
        sent = Command("revoke", "7", "zoë \n☃", 1.5, time.time() + 60.25, kind="jti")
        await site.control.send(sent)

        async with site.other.listen() as listener:
            assert await listener.receive(DEADLINE) == [sent]

    async def test_who_waits(self, site: Deployment) -> None:
        """A listener that waits is woken."""
        async with site.other.listen() as listener, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(received(listener, 1))
            await asyncio.sleep(0)
            await site.control.send(command("ann"))

        assert waiting.result() == ["ann"]

    async def test_who_comes_later(self, site: Deployment) -> None:
        """A listener that begins later receives the commands in force, and then those to come."""
        for subject in ("a", "b"):
            await site.control.send(command(subject))

        async with site.other.listen() as listener:
            before = await received(listener, 2)
            await site.control.send(command("c"))

            assert before == ["a", "b"]
            assert await received(listener, 1) == ["c"]

    async def test_same_again(self, site: Deployment) -> None:
        """One that is remembered is not announced again, whoever sends it; one that differs is."""
        first = command("ann")
        other = msgspec.structs.replace(first, subject="bob")
        async with site.control.listen() as listener:
            await site.control.send(first)
            assert await received(listener, 1) == ["ann"]

            await site.other.send(first)
            await site.other.send(other)

            assert await received(listener, 1) == ["bob"]
        async with site.other.listen() as late:
            assert await received(late, 2) == ["ann", "bob"]

    async def test_nothing_new(self, site: Deployment) -> None:
        """Without new commands, a wait ends with none, and what was received is not repeated."""
        async with site.control.listen() as listener:
            silence = await listener.receive(0.01)
            await site.other.send(command("ann"))
            await received(listener, 1)

            assert silence == []
            assert await listener.receive(0) == []
            assert await listener.receive(0.01) == []

    async def test_many(self, site: Deployment) -> None:
        """Commands of one sender come in its sequence, however many, and whoever else sends."""

        async def send(control: Control, sender: str) -> None:
            for number in range(600):
                await control.send(command(f"{sender}{number}"))

        await asyncio.gather(send(site.control, "a"), send(site.other, "b"))

        async with site.control.listen() as listener:
            subjects = await received(listener, 1200)
        for sender in "ab":
            assert [subject for subject in subjects if subject[0] == sender] == [
                f"{sender}{number}" for number in range(600)
            ]


class TestExpiry:
    """A command is remembered until it expires."""

    async def test_expired(self, site: Deployment) -> None:
        """An expired command reaches nobody, and does not keep who waits from the next one."""
        await site.control.send(command("late", ttl=-1))

        async with site.other.listen() as listener, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(listener.receive(DEADLINE))
            await asyncio.sleep(0)
            await site.control.send(command("later", ttl=-1))
            await site.control.send(command("ann"))

        assert [one.subject for one in waiting.result()] == ["ann"]

    async def test_expires(self, site: Deployment) -> None:
        """A command is in force, and then it is not any more."""
        await site.control.send(command("short", ttl=0.3))
        await site.control.send(command("long"))

        async def in_force() -> list[str]:
            async with site.other.listen() as listener:
                return [one.subject for one in await listener.receive(0)]

        assert await in_force() == ["short", "long"]
        async with asyncio.timeout(DEADLINE):
            while await in_force() != ["long"]:
                await asyncio.sleep(0)

    async def test_long_outlives_short(self, site: Deployment) -> None:
        """Later commands that expire sooner take none of those in force with them."""
        await site.control.send(command("long"))
        for _ in range(150):
            await site.control.send(command("gone", ttl=-3600))
        await site.control.send(command("new"))

        async with site.other.listen() as listener:
            assert await received(listener, 2) == ["long", "new"]


class TestMost:
    """As many commands of an app and a verb are remembered as may be."""

    async def test_too_many(self, site: Deployment) -> None:
        """The one that is too much is refused, by all processes, and those before stay in force."""
        await site.control.send(command("a", ttl=60), most=2)
        await site.control.send(command("b", ttl=50), most=2)

        with pytest.raises(TooManyCommands) as refused:
            await site.other.send(command("c", ttl=60), most=2)

        assert 0 < refused.value.retry_after <= 50 + FORGOTTEN_AFTER + ROUNDING
        async with site.other.listen() as listener:
            assert [one.subject for one in await listener.receive(0)] == ["a", "b"]

    async def test_each_for_itself(self, site: Deployment) -> None:
        """Other apps and other verbs have room of their own."""
        await site.control.send(command("a"), most=1)
        others = {"app": "2"}, {"verb": "revoke"}

        for fields in others:
            await site.control.send(replace(command("a"), **fields), most=1)

        for fields in ({}, *others):
            with pytest.raises(TooManyCommands):
                await site.control.send(replace(command("b"), **fields), most=1)

    async def test_known(self, site: Deployment) -> None:
        """One that is remembered already takes no more room."""
        sent = command("a")
        await site.control.send(sent, most=1)

        await site.other.send(sent, most=1)

    @pytest.mark.parametrize("most", [0, -1, 2**63, 10**30])
    async def test_any_number(self, site: Deployment, most: int) -> None:
        for number in range(3):
            await site.control.send(command(str(number)), most=most)

        await site.control.check_room("1", "terminate", most=most)

    async def test_room(self, site: Deployment) -> None:
        """What was sent without a bound counts; it is asked beforehand whether there is room."""
        for subject in ("a", "b"):
            await site.control.check_room("1", "terminate", most=2)
            await site.control.send(command(subject))

        with pytest.raises(TooManyCommands) as refused:
            await site.other.check_room("1", "terminate", most=2)
        assert 0 < refused.value.retry_after <= 3600 + FORGOTTEN_AFTER + ROUNDING
        await site.control.check_room("1", "terminate", most=3)
        await site.control.check_room("1", "revoke", most=1)
        await site.control.check_room("2", "terminate", most=1)

    async def test_room_again(self, site: Deployment) -> None:
        """What has been forgotten makes room."""
        await site.control.send(command("gone", ttl=-FORGOTTEN_AFTER - 1), most=1)
        await site.control.check_room("1", "terminate", most=1)

        await site.control.send(command("new"), most=1)

        with pytest.raises(TooManyCommands):
            await site.control.send(command("more"), most=1)


class TestRevocations:
    """Commands of every kind arrive as they were sent."""

    @pytest.mark.parametrize("kind", ["token", "jti", "user"])
    async def test_kinds(self, site: Deployment, kind: str) -> None:
        """Another process refuses what one has revoked in any way, also when it begins later."""
        now = round(time.time(), 3)
        sent = Command("revoke", "1", "subject", now, now + 60, kind=kind)
        await site.control.send(sent)

        async with site.other.listen() as listener:
            (heard,) = await listener.receive(DEADLINE)

        revocations = Revocations()
        revocations.add(heard, now)
        assert heard == sent
        assert revocations.is_revoked(token(user="subject", jti="subject", at=now), now)
        assert not revocations.is_revoked(token(user="other", jti="another", at=now), now)


def token(*, user: str, jti: str, at: float) -> ChannelToken:
    return ChannelToken(
        app="1",
        user=user,
        user_info={},
        claims={},
        channels=(),
        issued_at=at,
        expires_at=at + 60,
        jti=jti,
        issuer="fanfare",
    )
