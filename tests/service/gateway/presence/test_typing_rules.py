"""Whose word counts that it types, where, and how often."""

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.typists.port import TypingBounds
from services.gateway.presence.typing_reports import TypingReports
from services.reload import Rules
from tests.service.gateway.presence.signed import sign_in
from tests.service.gateway.presence.typed import (
    CHAT,
    MUTE,
    ROOM,
    TYPING,
    heard,
    listed,
    member,
    read_until,
    rules,
    two,
    types,
)
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.typists import faulty_typists
from tests.support.services.gateway import APP, place, until


async def test_private_channel() -> None:
    """
    In a private channel it is the user whose the connection is, whatever the data say.
    """
    async with two() as (here, there):
        ann, eve = await here.join(CHAT), await there.join(CHAT)
        await sign_in(ann, "ann")

        await types(ann, CHAT, user_id="bob")

        await listed(eve, "ann", channel=CHAT)


async def test_no_user() -> None:
    """
    Who is nobody is told so once; the whisper passes.
    """
    async with two() as (here, there):
        ann, eve = await here.join(CHAT), await there.join(CHAT)

        await types(ann, CHAT)
        await types(ann, CHAT)

        assert "client-typing" in await ann.expect_error(4303)
        await ann.expect_nothing_else()
        for _ in range(2):
            await eve.expect("client-typing", CHAT)
        assert here.typists.reports == []


async def test_faster_than_allowed() -> None:
    """
    Words beyond the rate count, and are passed on to nobody.
    """
    app = msgspec.structs.replace(APP, limits=Limits(client_events=1))
    async with two(apps=MemoryApps([app])) as (here, there):
        ann, bob = await member(here, "ann"), await member(there, "bob")
        await types(ann)
        await listed(ann, "ann")
        await types(ann)
        await types(ann, typing=False)

        await listed(ann)
        await ann.expect_nothing_else()
        events = [each["event"] for each in await read_until(bob, TYPING, {"user_ids": []})]
        assert events.count("client-typing") == 1


async def test_no_client_events() -> None:
    """
    Where the app has none a selected channel takes the word, and tells the list alone.
    """
    async with place(apps=MUTE, rules=rules(typing=[CHAT])) as here:
        ann, bob = await here.join(CHAT), await here.join(CHAT)
        await sign_in(ann, "ann")
        await types(ann, CHAT)

        assert await bob.expect(TYPING, CHAT) == {"user_ids": ["ann"]}
        await listed(ann, "ann", channel=CHAT)
        await types(ann, "private-other")
        assert "switched off" in await ann.expect_error(4301)


async def test_replaced() -> None:
    """
    Selections of a file that was read again count from then on.
    """
    async with place(apps=MUTE, rules=rules()) as here:
        ann = await here.join(CHAT)
        await sign_in(ann, "ann")
        await types(ann, CHAT)
        await ann.expect_error(4301)
        new = rules(typing=["private-{any}"])

        here.gateway.adopt(
            Rules(Policies([]), Guards([]), (), typing=new.typing, receipts=new.receipts)
        )

        await types(ann, CHAT)
        assert await ann.expect(TYPING, CHAT) == {"user_ids": ["ann"]}


async def test_switched_off() -> None:
    """
    Where nobody ever types whispers pass, and no list is read or told.
    """
    async with place(rules=rules(ttl=0.0)) as here:
        here.typists.is_away = True
        ann, bob = await member(here, "ann"), await member(here, "bob")

        await types(ann)
        await ann.whisper(ROOM, "client-message", {})

        await bob.expect("client-typing", ROOM)
        await bob.expect("client-message", ROOM)
        assert (here.typists.refusals, here.gateway.state().typing) == (0, 0)


async def test_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where as many type as may, who begins is in no list, and may end all the same.
    """
    monkeypatch.setattr(TypingReports, "LIMIT", 1)
    async with two() as (here, there):
        ann, bob = await member(here, "ann"), await member(here, "bob")
        eve = await member(there, "eve")
        await types(ann)
        await listed(eve, "ann")

        for typing in (True, True, False):
            await types(bob, typing=typing)
        await bob.whisper(ROOM, "client-message", {})
        await heard(bob)

        assert here.gateway.counters.typing_dropped == 3
        await types(eve)
        await listed(eve, "ann", "eve")


async def test_full_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The log tells each time that too many begin to be, and once.
    """
    monkeypatch.setattr(TypingReports, "LIMIT", 1)
    with capture_logs() as logs:
        async with place(rules=rules(0.6)) as here:
            ann, bob = await member(here, "ann"), await member(here, "bob")
            for _ in range(2):
                await types(ann)
                await heard(ann)
                for _ in range(2):
                    await types(bob)
                    await heard(bob)
                await types(ann, typing=False)
                await until(lambda: here.gateway.state().typing == 0)

    assert [each["event"] for each in logs].count("typing.exceeded") == 2


async def test_channel_is_full() -> None:
    """
    Who found a channel full is in the list with the next word that there is room for.
    """
    bus = FaultyBus()
    roster = FaultyRoster(bus)
    typists = faulty_typists(bus, roster, TypingBounds(typists=1, pause=0.02))
    async with place(bus=bus, roster=roster, typists=typists, rules=rules(10 * DEADLINE)) as here:
        ann, bob = await member(here, "ann"), await member(here, "bob")
        await types(bob)
        await listed(bob, "bob")
        typists.is_away = True
        await ann.whisper(ROOM, "client-message", {})
        await types(ann)
        await heard(ann)
        typists.is_away = False
        await until(lambda: any(one.everywhere for one in typists.reports))
        await types(bob, typing=False)
        await listed(ann)

        await types(ann)

        await listed(bob, "ann")
