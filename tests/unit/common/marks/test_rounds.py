"""Readings are folded without changing what comes of them."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reader, Reading
from libs.common.marks.rounds import rounds

ROOM = Channel("1", "private-a")

readings = st.lists(
    st.builds(
        Reading,
        st.sampled_from([ROOM, Channel("1", "private-b")]),
        st.sampled_from(["7", "8"]),
        st.builds(Mark, st.integers(0, 4), st.sampled_from(["", "e", "f"])),
    )
)


def moved(standing: dict[Reader, Mark], told: Iterable[tuple[Reader, Mark]]) -> dict[Reader, Mark]:
    """Move marks one after the other."""
    for reader, mark in told:
        standing[reader] = standing[reader].moved(mark) if reader in standing else mark
    return standing


@given(readings, readings)
def test_as_if_alone(before: list[Reading], told: list[Reading]) -> None:
    """Whatever stands before."""
    stands = moved({}, (((channel, user), mark) for channel, user, mark in before))

    alone = moved(dict(stands), (((channel, user), mark) for channel, user, mark in told))
    folded = moved(dict(stands), (each for fold in rounds(told) for each in fold.items()))

    assert folded == alone


def test_one_epoch() -> None:
    """As a rule it is one round: the highest of each reader."""
    told = [
        Reading(ROOM, user, Mark(number))
        for user, number in [("8", 1), ("7", 9), ("8", 3), ("7", 2)]
    ]

    assert rounds(told) == [{(ROOM, "8"): Mark(3), (ROOM, "7"): Mark(9)}]
    assert rounds([]) == []


def test_epoch_and_back() -> None:
    """Where the epoch changes, what was before is moved first."""
    told = [Reading(ROOM, "7", mark) for mark in (Mark(5, "e"), Mark(3, "f"), Mark(2, "e"))]

    assert [fold[ROOM, "7"] for fold in rounds(told)] == [told[0].mark, told[1].mark, told[2].mark]
