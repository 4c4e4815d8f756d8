"""What is sent ends typing for all sources, and which words count after that: on every adapter."""

from libs.common.typists.port import Typists
from tests.support.ports.typists import (
    BOUNDS,
    PAUSE,
    ROOM,
    TypingWorld,
    pass_and_sweep,
    says,
    stops,
    told,
    typing_in,
)


class TestEnds:
    """A word counts if it was said after the last end."""

    async def test_late_word(self, world: TypingWorld, typists: Typists) -> None:
        """A word that was said before all was ended is not taken, first or not; a newer one is."""
        await typists.report([says("ann")])
        await typists.report([stops("ann", source="", everywhere=True)])
        await typists.report([stops("bob", source="", everywhere=True)])
        await pass_and_sweep(world, PAUSE)
        early, late = PAUSE + 1, PAUSE - 1

        for user in ("ann", "bob"):
            assert await typists.report([says(user, age=early)]) == [False]
            assert (await typing_in(world)).user_ids == ()
        assert await typists.report([says("ann", age=late), says("cid", age=early)]) == [True, True]
        assert (await typing_in(world)).user_ids == ("ann", "cid")

    async def test_late_end(self, world: TypingWorld, typists: Typists) -> None:
        """An end that comes late counts from when it was said, and takes back no later one."""
        await world.age(PAUSE)
        taken = await typists.report(
            [
                stops("ann", everywhere=True, age=50),
                stops("ann", everywhere=True, age=90),
                says("ann", age=60),
                says("ann", source="g2", age=40),
            ]
        )

        assert taken == [True, True, False, True]

    async def test_former_word(self, world: TypingWorld, typists: Typists) -> None:
        """A source of whose words one is left that was said before all was ended has none."""
        await typists.report([says("ann")])
        await typists.report([stops("ann", source="", everywhere=True)])
        await pass_and_sweep(world, PAUSE)
        await typists.report([says("ann")])
        await pass_and_sweep(world, PAUSE)

        assert await typists.report([says("ann", age=3 * PAUSE)]) == [False]
        await pass_and_sweep(world, PAUSE)
        assert await world.ear.typed() == [told("ann"), told(), told("ann"), told()]

    async def test_same_moment(self, typists: Typists) -> None:
        """Who has sent something, and begins anew in the same moment, types."""
        reports = [stops("ann", everywhere=True, age=5), says("ann", age=5)]

        assert await typists.report(reports) == [True, True]

    async def test_end_for_one_source(self, typists: Typists) -> None:
        """Who stops for one source alone ends no word that comes later."""
        await typists.report([stops("ann")])

        assert await typists.report([says("ann", age=50)]) == [True]

    async def test_several_at_once(self, world: TypingWorld, typists: Typists) -> None:
        """Of what is said at once each end counts for what was said before it."""
        end = stops("ann", source="", everywhere=True)
        await typists.report([says("ann"), end, says("ann", source="g2"), end, says("bob"), end])

        assert (await typing_in(world)).user_ids == ("bob",)

    async def test_end_elsewhere(self, typists: Typists) -> None:
        """An end in one channel is none in another."""
        await typists.report([stops("ann", channel=ROOM, everywhere=True)])

        assert await typists.report([says("ann", age=50)]) == [True]

    async def test_many_ends(self, typists: Typists) -> None:
        """Of no more users it is known that they have sent something than may type."""
        users = [f"u{number}" for number in range(BOUNDS.typists + 1)]
        ends = [stops(user, everywhere=True, age=9 - at) for at, user in enumerate(users)]
        await typists.report(ends)

        assert await typists.report([says(user, age=50) for user in users[:2]]) == [True, False]
