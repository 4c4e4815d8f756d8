"""Orders to show more, and what holds of them."""

import msgspec
import pytest

from libs.common.control.commands import Command
from libs.common.debugging.orders import (
    LONGEST,
    MOST,
    MOST_WATCHED,
    Debugging,
    DebugOrders,
    Watched,
    frames_order,
    level_order,
    off_order,
)

ALL = Watched("1", "")


def heard(*commands: Command) -> DebugOrders:
    orders = DebugOrders()
    for command in commands:
        orders.take(command)
    return orders


class TestLevel:
    """What is logged at least."""

    def test_until_it_expires(self) -> None:
        orders = heard(level_order("debug", [], now=0, seconds=60))

        assert orders.state(["gw1"], now=59.9) == Debugging("debug", (), 60)
        assert orders.state(["gw1"], now=60) == Debugging()

    def test_named(self) -> None:
        """
        It concerns processes of one of the names, by whichever they have.
        """
        orders = heard(level_order("debug", ["gw1:8080", "auth"], now=0, seconds=60))

        assert orders.state(["gw1", "gw1:8080"], now=1).level == "debug"
        assert orders.state(["auth"], now=1).level == "debug"
        assert orders.state(["gw2"], now=1) == Debugging()

    def test_last(self) -> None:
        """
        The one that came last holds; when it has expired the one before does.
        """
        orders = heard(
            level_order("debug", [], now=0, seconds=60), level_order("error", [], now=1, seconds=9)
        )

        assert orders.state([], now=2) == Debugging("error", (), 10)
        assert orders.state([], now=11) == Debugging("debug", (), 60)

    def test_unknown(self) -> None:
        """
        A level, a kind or a verb of another release is left out.
        """
        orders = heard(
            level_order("trace", [], now=0, seconds=60),
            Command("debug", "1", "", 0, 60, kind="profile"),
            Command("revoke", "1", "ann", 0, 60),
        )

        assert orders.state([], now=1) == Debugging()


class TestFrames:
    """Whose frames are shown."""

    def test_several(self) -> None:
        orders = heard(
            frames_order(ALL, [], now=0, seconds=60),
            frames_order(Watched("2", "private-x"), [], now=0, seconds=30),
            frames_order(ALL, [], now=1, seconds=90),
        )

        assert orders.state([], now=2) == Debugging(None, (ALL, Watched("2", "private-x")), 30)
        assert orders.state([], now=61).frames == (ALL,)

    def test_bounded(self) -> None:
        """
        Of more than can be watched at a time those that came last are.
        """
        many = [Watched("1", f"c{number}") for number in range(MOST_WATCHED + 1)]
        orders = heard(*(frames_order(each, [], now=0, seconds=60) for each in many))

        assert orders.state([], now=1).frames == tuple(many[1:])


class TestOff:
    """All that was ordered before ends."""

    def test_before_it(self) -> None:
        """
        It ends what came before, also for a process that hears all at once later, and nothing after.
        """
        level = level_order("debug", [], now=0, seconds=LONGEST)
        frames = frames_order(ALL, [], now=2, seconds=60)
        orders = heard(level, off_order(now=1), frames)

        assert orders.in_force(now=3) == [frames]

    def test_again(self) -> None:
        """
        What is heard again, as after an interruption, neither begins anew nor ends what came later.
        """
        level, off = level_order("debug", [], now=0, seconds=60), off_order(now=1)
        frames = frames_order(ALL, [], now=2, seconds=60)
        orders = heard(level, off, frames, level, off, frames)

        assert orders.in_force(now=3) == [frames]

    def test_outlives(self) -> None:
        """It is remembered for longer than any order that it ends."""
        assert (
            off_order(now=0).expires_at
            > level_order("debug", [], now=0, seconds=LONGEST).expires_at
        )


def test_bounded() -> None:
    """
    Of more orders than are remembered the oldest are forgotten.
    """
    many = [level_order("debug", [f"p{number}"], now=0, seconds=60) for number in range(MOST + 1)]

    assert heard(*many).in_force(now=1) == many[1:]


@pytest.mark.parametrize(
    "order",
    [
        level_order("debug", ["gw1"], now=1, seconds=2),
        frames_order(Watched("1", "x"), [], now=1, seconds=2),
        off_order(now=1),
    ],
)
def test_as_json(order: Command) -> None:
    """An order is read as it was written."""
    assert msgspec.json.decode(msgspec.json.encode(order), type=Command) == order
