"""The contract of `typists.port.Typists`, on every adapter."""

import pytest

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.typists.port import NOBODY, Report, Typing, Typists
from tests.support.ports.rosters import LONG, request, seated
from tests.support.ports.typists import (
    BOUNDS,
    CHANNELS,
    CHAT,
    LASTS,
    PAUSE,
    PUBLIC,
    ROOM,
    TOLD_FOR,
    TypingWorld,
    pass_and_sweep,
    says,
    stops,
    told,
    typing_in,
)

STRANGE = ("Zoë M/1", "a b", '"\\', "é", "z", "☃", "A", " ")


class TestReport:
    """A user types for as long as one source says so."""

    async def test_begins(self, world: TypingWorld, typists: Typists) -> None:
        """Who begins is told at once, and read by every process."""
        assert await typists.report([says("ann")]) == [True]

        assert await world.ear.typed() == [told("ann")]
        assert await typing_in(world) == Typing(1, ("ann",), was_told=True)
        assert await typing_in(world, ROOM) == NOBODY

    async def test_goes_on(self, world: TypingWorld, typists: Typists) -> None:
        """Who goes on is not told again, and types for so long from then."""
        await typists.report([says("ann")])
        await world.age(LASTS - 50)
        await world.processes[1].typists.report([says("ann")])
        await pass_and_sweep(world, LASTS - 50)

        assert (await typing_in(world)).user_ids == ("ann",)
        await pass_and_sweep(world, 50)
        assert await world.ear.typed() == [told("ann"), told()]

    async def test_sooner(self, world: TypingWorld, typists: Typists) -> None:
        """What is said last holds, also if it is over sooner."""
        await typists.report([says("ann")])
        await typists.report([says("ann", lasts=PAUSE * 2)])

        await pass_and_sweep(world, PAUSE * 2)

        assert await world.ear.typed() == [told("ann"), told()]

    async def test_over(self, world: TypingWorld, typists: Typists) -> None:
        """What is not said again is over by itself: for readers at once, told by the sweep."""
        await typists.report([says("ann"), says("bob", lasts=LASTS * 2)])
        await pass_and_sweep(world, PAUSE)
        await world.ear.typed()

        await world.age(LASTS - PAUSE)

        assert (await typing_in(world)).user_ids == ("bob",)
        assert await world.ear.typed() == []
        await pass_and_sweep(world, 0)
        assert await world.ear.typed() == [told("bob")]

    async def test_over_and_again(self, world: TypingWorld, typists: Typists) -> None:
        """Who was over, and goes on before a sweep, is told again: who read in between knew better."""
        await typists.report([says("ann")])
        await world.age(LASTS + 1)
        await typists.report([says("ann")])
        await pass_and_sweep(world, 0)

        assert await world.ear.typed() == [told("ann"), told("ann")]
        assert (await typing_in(world)).user_ids == ("ann",)

    async def test_over_and_by_another(self, world: TypingWorld, typists: Typists) -> None:
        """So is who was over and goes on by another source, or has stopped before."""
        await typists.report([says("ann")])
        await world.age(LASTS + 1)
        await typists.report([says("ann", source="g2")])
        await world.age(LASTS + 1)
        await typists.report([stops("ann", source="g2"), says("ann", source="g3")])

        assert await world.ear.typed() == [told("ann")] * 3

    async def test_stops(self, world: TypingWorld, typists: Typists) -> None:
        """Who stops is told to have; to stop twice, or without having typed, is nothing."""
        await typists.report([says("ann")])
        await world.age(PAUSE)
        taken = await typists.report([stops("ann"), stops("ann"), stops("bob")])
        await pass_and_sweep(world, PAUSE)

        assert taken == [True, True, True]
        assert await world.ear.typed() == [told("ann"), told()]
        assert await typing_in(world) == Typing(was_told=True)

    async def test_two_sources(self, world: TypingWorld, typists: Typists) -> None:
        """A user who types by two sources stops when both say so, or time does."""
        await typists.report([says("ann"), says("ann", source="g2"), says("ann", source="")])
        await world.age(PAUSE)
        await typists.report([stops("ann")])
        await pass_and_sweep(world, PAUSE)
        still = (await typing_in(world)).user_ids
        await typists.report([stops("ann", source="g2")])
        await pass_and_sweep(world, LASTS)

        assert still == ("ann",)
        assert await world.ear.typed() == [told("ann"), told()]

    async def test_everywhere(self, world: TypingWorld, typists: Typists) -> None:
        """Who has sent what was typed has stopped for all sources, and nobody else has."""
        await typists.report([says("ann"), says("ann", source="g2"), says("n"), says("ann n")])
        await pass_and_sweep(world, PAUSE)
        await typists.report([stops("ann", source="g3", everywhere=True)])
        await pass_and_sweep(world, PAUSE)

        assert (await typing_in(world)).user_ids == ("ann n", "n")

    async def test_in_their_places(self, world: TypingWorld, typists: Typists) -> None:
        """Reports of several channels are taken in order, and answered in their places."""
        reports = [
            *(says("ann", channel=channel) for channel in CHANNELS),
            stops("ann"),
            *(says(user) for user in ("b", "c", "d", "e", "f")),
            says("bob", channel=ROOM),
            stops("b"),
            says("f"),
        ]

        taken = await typists.report(reports)

        assert taken == [True] * 8 + [False] + [True] * 3
        found = await world.processes[1].typists.typing([PUBLIC, ROOM])
        assert [each.user_ids for each in found] == [("ann",), ("ann", "bob")]
        assert (await typing_in(world)).count == 4

    async def test_none(self, typists: Typists) -> None:
        """Nothing said, nothing asked, nothing answered."""
        assert await typists.report([]) == []
        assert await typists.typing([]) == []

    @pytest.mark.parametrize("user_id", STRANGE)
    async def test_any_name(self, world: TypingWorld, typists: Typists, user_id: str) -> None:
        """Any text that can be printed names a user."""
        await typists.report([says(user_id)])

        assert await world.ear.typed() == [told(user_id)]
        assert (await typing_in(world)).user_ids == (user_id,)

    async def test_alike(self, world: TypingWorld, typists: Typists) -> None:
        """Channels of one name are apart by app."""
        other = Channel("2", CHAT.name)
        await typists.report([says("ann", channel=other)])

        assert await typing_in(world) == NOBODY
        assert (await typing_in(world, other)).user_ids == ("ann",)


class TestPause:
    """A channel's list is announced at most once in a while, and the last one is true."""

    async def test_held_back(self, world: TypingWorld, typists: Typists) -> None:
        """What changes soon after an announcement waits for a sweep after the pause."""
        await typists.report([says("ann")])
        await world.age(PAUSE / 2)
        await typists.report([says("bob")])
        await typists.report([stops("ann")])
        await pass_and_sweep(world, PAUSE / 4)
        early = await world.ear.typed()
        await pass_and_sweep(world, PAUSE / 4)

        assert early == [told("ann")]
        assert await world.ear.typed() == [told("bob")]

    async def test_held_back_alone(self, world: TypingWorld, typists: Typists) -> None:
        """A change after the pause is told at once, with what waited, and the sweep is silent."""
        await typists.report([says("ann")])
        await typists.report([says("bob")])
        await world.age(PAUSE)
        await typists.report([stops("ann")])
        at_once = await world.ear.typed()
        await pass_and_sweep(world, PAUSE)

        assert at_once == [told("ann"), told("bob")]
        assert await world.ear.typed() == []

    async def test_same_list(self, world: TypingWorld, typists: Typists) -> None:
        """A list that is what was told last is not told again."""
        await typists.report([says("ann", lasts=LASTS * 2)])
        await pass_and_sweep(world, PAUSE)
        await typists.report([says("ann", source="g2")])
        await pass_and_sweep(world, LASTS)
        await typists.report([stops("ann", source="g2"), stops("bob"), says("ann")])
        await pass_and_sweep(world, PAUSE)

        assert await world.ear.typed() == [told("ann")]

    async def test_changed_back(self, world: TypingWorld, typists: Typists) -> None:
        """It is where it was another while it had to wait: somebody may have read that one."""
        await typists.report([says("ann")])
        await typists.report([says("bob")])
        read = (await typing_in(world)).user_ids
        await typists.report([stops("bob")])
        await pass_and_sweep(world, PAUSE)

        heard = await world.ear.typed()
        await typists.report([says("ann", lasts=LASTS * 2)])
        await pass_and_sweep(world, LASTS)

        assert read == ("ann", "bob")
        assert heard == [told("ann"), told("ann")]
        assert await world.ear.typed() == []

    async def test_over_while_it_waits(self, world: TypingWorld, typists: Typists) -> None:
        """So it is where it was another because somebody's time was over."""
        await typists.report([says("ann"), says("bob", lasts=PAUSE / 2)])
        await pass_and_sweep(world, PAUSE / 2)
        read = (await typing_in(world)).user_ids
        await typists.report([says("bob")])
        await pass_and_sweep(world, PAUSE / 2)

        assert read == ("ann",)
        assert await world.ear.typed() == [told("ann", "bob"), told("ann", "bob")]

    async def test_channels_apart(self, world: TypingWorld, typists: Typists) -> None:
        """One channel's pause is not another's."""
        for report in (says("ann"), says("bob"), says("ann", channel=ROOM)):
            await typists.report([report])

        assert set(await world.ear.typed()) == {told("ann"), told("ann", channel=ROOM)}

    async def test_was_told(self, world: TypingWorld, typists: Typists) -> None:
        """That typists were told of is remembered for a while after the last announcement."""
        await typists.report([says("ann")])
        await world.age(PAUSE)
        await typists.report([stops("ann")])
        await pass_and_sweep(world, TOLD_FOR - 1)
        before = await typing_in(world)
        await pass_and_sweep(world, 1)

        assert before == Typing(was_told=True)
        assert await typing_in(world) == NOBODY

    async def test_types_for_long(self, world: TypingWorld, typists: Typists) -> None:
        """Who types for longer than anything is remembered is told to have stopped all the same."""
        await typists.report([says("ann")])
        for _ in range(3):
            await typists.report([says("ann", lasts=TOLD_FOR)])
            await pass_and_sweep(world, TOLD_FOR / 2)
        await typists.report([stops("ann")])

        assert await world.ear.typed() == [told("ann"), told()]

    async def test_nobody_sweeps_for_long(self, world: TypingWorld, typists: Typists) -> None:
        """So is who does while nobody sweeps."""
        await typists.report([says("ann", lasts=TOLD_FOR * 2)])
        await world.age(TOLD_FOR)
        await typists.report([stops("ann")])

        assert await world.ear.typed() == [told("ann"), told()]


class TestBounds:
    """A channel's typists are bounded, and so is what is told of them."""

    async def test_most(self, world: TypingWorld, typists: Typists) -> None:
        """Who is too many is refused, until there is room; who types already is not."""
        users = [f"u{number}" for number in range(BOUNDS.typists)]
        await typists.report([says(user) for user in users])

        refused = await typists.report([says("late"), says("u0"), says("u1", source="g2")])
        await typists.report([stops("u3")])
        again = await typists.report([says("late")])

        assert refused == [False, True, False]
        assert again == [True]
        assert (await typing_in(world)).count == BOUNDS.typists

    async def test_room_by_time(self, world: TypingWorld, typists: Typists) -> None:
        """Those whose time is over are in nobody's way, also before a sweep."""
        await typists.report([says(f"u{number}") for number in range(BOUNDS.typists)])
        await world.age(LASTS)

        assert await typists.report([says("late")]) == [True]
        await pass_and_sweep(world, 0)
        assert (await world.ear.typed())[-1] == told("late")

    async def test_room_for_the_same(self, world: TypingWorld, typists: Typists) -> None:
        """Who takes their places is told, though it looks the same: some have read of nobody."""
        many = Typed(CHAT, BOUNDS.typists, None)
        await typists.report([says(f"u{number}") for number in range(BOUNDS.typists)])
        await world.age(LASTS)
        assert (await typing_in(world)).count == 0

        await typists.report([says(f"v{number}") for number in range(BOUNDS.typists)])

        assert await world.ear.typed() == [many, many]

    async def test_many_typists(self, world: TypingWorld, typists: Typists) -> None:
        """Of more than are listed the number alone is told."""
        await typists.report([says("ann"), says("bob"), says("ann", source="g2"), says("cid")])
        await pass_and_sweep(world, PAUSE)

        assert (await world.ear.typed())[-1] == Typed(CHAT, 3, None)
        assert await typing_in(world) == Typing(3, None, was_told=True)

    async def test_many_members(self, world: TypingWorld, typists: Typists) -> None:
        """So it is in a channel with more members than are listed, down to nobody."""
        await world.processes[0].leases.renew("g1", ttl=LONG)
        people = ("ann", "bob", "cid")
        sockets = [request(ROOM, user, socket_id=f"{at}.1") for at, user in enumerate(people)]
        await seated(world.processes[0].roster, *sockets)

        await typists.report([says("ann", channel=ROOM)])
        found = await typing_in(world, ROOM)
        await pass_and_sweep(world, LASTS)

        assert found == Typing(1, None, was_told=True)
        assert await world.ear.typed() == [Typed(ROOM, 1, None), Typed(ROOM, 0, None)]

    async def test_in_order(self, world: TypingWorld, typists: Typists) -> None:
        """Ids are told in the order of their bytes."""
        for one, other in (("é", "z"), ("b", "B"), ("ab", "a")):
            await typists.report([says(one), says(other)])
            await pass_and_sweep(world, PAUSE)
            (*_, typed) = await world.ear.typed()
            await typists.report([stops(one), stops(other)])
            await pass_and_sweep(world, PAUSE)

            assert typed == told(*sorted((one, other), key=str.encode))

    async def test_many_reports(self, world: TypingWorld, typists: Typists) -> None:
        """However many reports there are at once, each is answered."""
        stopping = [Report(CHAT, f"u{number}", "g1", 0.0) for number in range(600)]

        assert await typists.report([says("ann"), *stopping, stops("ann")]) == [True] * 602
        assert (await typing_in(world)).count == 0
