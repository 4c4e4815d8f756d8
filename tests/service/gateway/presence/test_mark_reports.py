"""How far clients' users have read, on the way to whoever keeps it."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from libs.common.lifecycle.facts import Stream
from libs.common.policies.selections import ReceiptRule
from services.gateway.presence.mark_reports import MarkReports
from services.gateway.session.rules import SessionRules
from tests.service.gateway.presence.signed import sign_in
from tests.service.gateway.presence.typed import CHAT, MUTE, heard, rules
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.fakes.lifecycles import FaultyLifecycle
from tests.support.services.gateway import APP, QUICK, Place, place, until

STREAM = Stream(APP.id, 0)


class MarkedLifecycle(FaultyLifecycle):
    """Streams, of which a test reads the marks."""

    async def marks(self) -> list[tuple[str, str, str, str]]:
        """Return the marks that were recorded, in order."""
        facts = [each.fact for each in (await self.read(STREAM, "test", limit=100)).records]
        return [(fact.kind, fact.channel, fact.user, fact.data) for fact in facts]

    async def recorded(self, *users: str) -> dict[str, str]:
        """Wait until a mark of each of these users is recorded, and return the last of each."""
        async with asyncio.timeout(DEADLINE):
            while True:
                marks = {user: data for _, _, user, data in await self.marks()}
                if set(marks) == set(users):
                    return marks
                await asyncio.sleep(0)


def selecting() -> SessionRules:
    return rules(receipts=[ReceiptRule(pattern=CHAT, app=APP.id)])


async def reader(here: Place, user: str) -> Client:
    return await sign_in(await here.join(CHAT), user)


async def has_read(client: Client, upto: int) -> None:
    await client.whisper(CHAT, "client-read", {"upto": upto})


async def test_recorded() -> None:
    """A mark becomes a fact, whatever facts are wanted; the whisper passes."""
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, wanted=lambda *_: False, rules=selecting()) as here:
        ann, bob = await reader(here, "ann"), await reader(here, "bob")

        await has_read(ann, 7)

        assert await bob.expect("client-read", CHAT) == {"upto": 7}
        await lifecycle.recorded("ann")
        assert await lifecycle.marks() == [("client_read", CHAT, "ann", "7")]
        await until(lambda: here.gateway.state().marks == 0)


async def test_newest() -> None:
    """Of many marks in a moment the highest is recorded, whichever tab said it."""
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        tabs = [await reader(here, "ann") for _ in range(2)]
        lifecycle.is_away = True
        for upto in (3, 9, 5):
            for tab in tabs:
                await has_read(tab, upto)
                await heard(tab)
        await until(lambda: lifecycle.refusals > 0)
        assert here.gateway.state().marks == 1

        lifecycle.is_away = False

        assert await lifecycle.recorded("ann") == {"ann": "9"}


async def test_part_away() -> None:
    """Where a part of the stream is away the others do not wait, and are not told again."""
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        ann, bob = await reader(here, "ann"), await reader(here, "bob")
        lifecycle.is_away = True
        await has_read(ann, 1)
        await has_read(bob, 2)
        await until(lambda: here.gateway.state().marks == 2)
        lifecycle.is_away, lifecycle.away_for = False, {"ann"}

        await lifecycle.recorded("bob")
        await until(lambda: here.gateway.state().marks == 1)
        lifecycle.away_for = set()

        assert await lifecycle.recorded("ann", "bob") == {"ann": "1", "bob": "2"}
        assert len(await lifecycle.marks()) == 2


async def test_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many wait as may; who is not among them is dropped and counted."""
    monkeypatch.setattr(MarkReports, "LIMIT", 1)
    lifecycle = MarkedLifecycle()
    lifecycle.is_away = True
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        ann, bob = await reader(here, "ann"), await reader(here, "bob")
        await has_read(ann, 1)
        await heard(ann)
        await has_read(bob, 1)
        await has_read(bob, 2)
        await heard(bob)
        await has_read(ann, 2)
        await heard(ann)

        assert here.gateway.counters.marks_dropped == 2
        lifecycle.is_away = False
        assert await lifecycle.recorded("ann") == {"ann": "2"}


async def test_full_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators are told once of each time at which too many wait."""
    monkeypatch.setattr(MarkReports, "LIMIT", 1)
    lifecycle = MarkedLifecycle()
    with capture_logs() as logs:
        async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
            ann, bob = await reader(here, "ann"), await reader(here, "bob")
            for upto in (1, 2):
                lifecycle.is_away = True
                await has_read(ann, upto)
                await heard(ann)
                await has_read(bob, upto)
                await has_read(bob, upto)
                await heard(bob)
                lifecycle.is_away = False
                await until(lambda: here.gateway.state().marks == 0)

    assert [line["event"] for line in logs].count("marks.exceeded") == 2


async def test_again() -> None:
    """What a client says again is no news; what another tab said since is, and so is it after that."""
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        ann = await reader(here, "ann")
        for upto in (7, 7, 5, 7):
            await has_read(ann, upto)
            await heard(ann)
            await until(lambda: here.gateway.state().marks == 0)

        assert [data for *_, data in await lifecycle.marks()] == ["7", "5", "7"]


async def test_repeated() -> None:
    """It is passed on now and then: it may have been forgotten meanwhile."""
    lifecycle, timers = MarkedLifecycle(), replace(QUICK, repeating=0.0)
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting(), timers=timers) as here:
        ann = await reader(here, "ann")
        for _ in range(2):
            await has_read(ann, 7)
            await heard(ann)
            await until(lambda: here.gateway.state().marks == 0)

        assert [data for *_, data in await lifecycle.marks()] == ["7", "7"]


async def test_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so many users it is known what was passed on; who was told of last stays."""
    monkeypatch.setattr(MarkReports, "LIMIT", 2)
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        clients = {user: await reader(here, user) for user in ("ann", "bob", "cid")}
        for user, upto in (("ann", 1), ("bob", 1), ("ann", 2), ("cid", 1), ("ann", 2), ("bob", 1)):
            await has_read(clients[user], upto)
            await heard(clients[user])
            await until(lambda: here.gateway.state().marks == 0)

        told = [(user, data) for *_, user, data in await lifecycle.marks()]
        assert told == [("ann", "1"), ("bob", "1"), ("ann", "2"), ("cid", "1"), ("bob", "1")]


async def test_meanwhile() -> None:
    """What is said while a mark is on its way follows it."""
    lifecycle = MarkedLifecycle()
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting()) as here:
        ann = await reader(here, "ann")
        lifecycle.goes_on.clear()
        await has_read(ann, 7)
        await until(lambda: lifecycle.asked > 0)
        await has_read(ann, 8)
        await heard(ann)
        lifecycle.goes_on.set()
        await until(lambda: here.gateway.state().marks == 0)

        assert [data for *_, data in await lifecycle.marks()] == ["7", "8"]


async def test_drained() -> None:
    """A gateway that goes has passed on what its clients have said, and was not yet."""
    lifecycle, timers = MarkedLifecycle(), replace(QUICK, reading=0.5, closing=0.05)
    async with place(lifecycle=lifecycle, apps=MUTE, rules=selecting(), timers=timers) as here:
        ann = await reader(here, "ann")
        await has_read(ann, 1)
        await heard(ann)

        await here.gateway.drain()

        assert await lifecycle.marks() == [("client_read", CHAT, "ann", "1")]
