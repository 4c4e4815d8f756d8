"""Pages of long lists, and their cursors."""

import pytest

from services.presence.pages import (
    MOST_ON_PAGE,
    BadListing,
    ForeignCursor,
    cursor_of,
    last_of,
    limit_of,
)

EMOJI = "\N{GRINNING FACE}"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "٣", "1" * 5000])
def test_no_limit(limit: str) -> None:
    with pytest.raises(BadListing, match=f"from 1 to {MOST_ON_PAGE}"):
        limit_of({"limit": limit})


def test_limit() -> None:
    assert [limit_of({}), limit_of({"limit": "1000"})] == [100, 1000]


@pytest.mark.parametrize("last", ["b", EMOJI, "a b", "\x00"])
def test_cursor(last: str) -> None:
    """It leads to where the page before ended."""
    assert last_of({"cursor": cursor_of("1", "x", last=last)}, "1", "x") == last


def test_first() -> None:
    assert last_of({}, "1", "x") == ""


@pytest.mark.parametrize("asked", [("2", "x"), ("1", ""), ("1", "x", ""), ("1x",), ("1",)])
def test_foreign(asked: tuple[str, ...]) -> None:
    """A cursor is of its query alone."""
    with pytest.raises(ForeignCursor):
        last_of({"cursor": cursor_of(*asked, last="b")}, "1", "x")


@pytest.mark.parametrize("cursor", ["x", "AAAA", "=", "é", "A" * 11, "\ud800"])
def test_made_up(cursor: str) -> None:
    with pytest.raises(ForeignCursor):
        last_of({"cursor": cursor}, "1", "x")


def test_spoilt() -> None:
    good = cursor_of("1", "x", last="b")

    for cursor in (good + "!", good[:8], good[1:]):
        with pytest.raises(ForeignCursor):
            last_of({"cursor": cursor}, "1", "x")
