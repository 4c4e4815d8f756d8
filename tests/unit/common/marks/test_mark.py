"""Marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.marks.mark import MOST, BadMark, Mark, mark_of, recalled


@given(st.integers(0, MOST))
def test_number_is_told_as_it_was_said(number: int) -> None:
    """A number of the application's own comes back, also from a text."""
    mark = mark_of(number, is_position=False)

    assert mark == Mark(number)
    assert mark_of(mark.told, is_position=False) == mark
    assert mark_of(str(number), is_position=False) == mark
    assert recalled(mark.text) == mark


def test_what_javascript_cannot_read_is_a_text() -> None:
    assert Mark(2**53 - 1).told == 2**53 - 1
    assert Mark(2**53).told == str(2**53)


def test_position() -> None:
    mark = mark_of("9f3a01bc0:17", is_position=True)

    assert mark == Mark(17, "9f3a01bc0")
    assert mark.told == mark.text == "9f3a01bc0:17"
    assert recalled(mark.text) == mark


@pytest.mark.parametrize(
    "told",
    [
        None,
        True,
        -1,
        1.0,
        "",
        "-1",
        "1.0",
        "x",
        " 1",
        "٣",
        [],
        {},
        MOST + 1,
        str(MOST + 1),
        "9" * 9999,
        "e:1",
    ],
)
def test_no_number(told: object) -> None:
    with pytest.raises(BadMark, match="whole number"):
        mark_of(told, is_position=False)


@pytest.mark.parametrize(
    "told",
    [
        None,
        1,
        "1",
        ":1",
        "e:",
        "e:-1",
        "e:x",
        "a b:1",
        "a:b:1",
        "é:1",
        f"{'e' * 65}:1",
        f"e:{MOST + 1}",
        ["e", 1],
    ],
)
def test_no_position(told: object) -> None:
    with pytest.raises(BadMark, match="epoch:offset"):
        mark_of(told, is_position=True)


def test_moves_forward_alone() -> None:
    assert Mark(3).moved(Mark(5)) == Mark(5)
    assert Mark(5).moved(Mark(3)) == Mark(5)
    assert Mark(5, "e").moved(Mark(3, "e")) == Mark(5, "e")


def test_other_epoch_is_taken() -> None:
    assert Mark(5, "e").moved(Mark(3, "f")) == Mark(3, "f")
    assert Mark(5).moved(Mark(3, "f")) == Mark(3, "f")
