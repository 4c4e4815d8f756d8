"""Types of settings, and their values, in words."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from libs.common.config import types
from libs.common.config.address import Address, Network, Url
from libs.common.config.fields import Addresses, Seconds
from libs.common.config.secret import Secret


class Section(msgspec.Struct):
    """A table with known keys."""

    number: int = 0


Count = Annotated[int, Meta(ge=1, le=4096)]


class TestExpected:
    """What a type takes."""

    @pytest.mark.parametrize(
        "kind,words",
        [
            (bool, "true or false"),
            (int, "a whole number"),
            (float, "a number"),
            (str, "a text"),
            (Secret, "a text"),
            (Url, "a URL"),
            (
                Address,
                "host:port (an IPv6 address in brackets: [::1]:6001; all addresses: *:6001)",
            ),
            (Network, "a network such as 10.0.0.0/8"),
            (Section, "a table"),
            (dict[str, str], "a table"),
            (tuple[Section, ...], "a list"),
            (Literal["debug", "info"], "one of debug, info"),
            (Count, "a whole number from 1 to 4096"),
            (Seconds, "a number above 0"),
            (Annotated[float, Meta(ge=0)], "a number of at least 0"),
            (Annotated[str, Meta(min_length=1)], "a text that is not empty"),
            (Annotated[str, Meta(min_length=1, max_length=9)], "a text of 1 to 9"),
            (Annotated[tuple[str, ...], Meta(max_length=9)], "a list of 0 to 9"),
            (Annotated[str, Meta(pattern="^a$")], "a text that matches ^a$"),
        ],
    )
    def test_words(self, kind: Any, words: str) -> None:
        assert types.expected(kind) == words


class TestBuilt:
    """How a type is built."""

    def test_bounds(self) -> None:
        """Bounds are taken off, and told; what else is noted is no bound."""
        noted = Annotated[int, "a note", Meta(ge=1), Meta(le=2)]

        assert types.base_of(noted) is int
        assert list(types.bounds_of(noted)) == [Meta(ge=1), Meta(le=2)]
        assert types.base_of(int) is int
        assert list(types.bounds_of(int)) == []

    def test_members(self) -> None:
        """A list has members, whatever bounds it has."""
        assert types.member_of(Annotated[tuple[Count, ...], Meta(max_length=9)]) is Count
        assert types.member_of(dict[str, str]) is None
        assert types.member_of(str) is None

    def test_alone(self) -> None:
        """A list says whether its only member may stand in its place."""
        assert types.may_stand_alone(Addresses)
        assert not types.may_stand_alone(tuple[Address, ...])
        assert not types.may_stand_alone(Count)

    def test_structs(self) -> None:
        assert types.is_struct(Section)
        assert not types.is_struct(dict)
        assert not types.is_struct(dict[str, str])


class TestFound:
    """What was found instead."""

    @pytest.mark.parametrize(
        "raw,words",
        [
            (True, "true"),
            (3, "3"),
            (0.1, "0.1"),
            ("abc", '"abc"'),
            ("ä\n", '"ä\\n"'),
            ({"secret": "hush"}, "a table"),
            (["hush", "hush"], "a list of 2"),
            (None, "null"),
            (dt.date(2020, 1, 1), "a date or a time"),
        ],
    )
    def test_words(self, raw: Any, words: str) -> None:
        """A plain value is shown, of others is said what they are."""
        assert types.found(raw) == words

    def test_long(self) -> None:
        """A long text is cut off."""
        words = types.found("x" * 1000)

        assert words == '"' + "x" * (types.LONGEST - 1) + "…"

    @pytest.mark.parametrize(
        "raw,words",
        [(True, "true or false"), (1, "a number"), (1.5, "a number"), ("hush", "a text")],
    )
    def test_sort_alone(self, raw: Any, words: str) -> None:
        """Where the value may be a secret, only its sort is said."""
        assert types.sort_of(raw) == words


class TestShow:
    """Values as they stand in a file."""

    @pytest.mark.parametrize(
        "value,text",
        [
            (True, "true"),
            (60.0, "60"),
            (0.05, "0.05"),
            (1_000_000, "1000000"),
            ('a "b" ä', '"a \\"b\\" ä"'),
            (("a", 1), '["a", 1]'),
            ((), "[]"),
            ({}, "{}"),
            ({"a": "hush"}, "{ … }"),
            (Secret(""), '""'),
            (Secret("hush"), '"…"'),
            (Address("::1", 6001), '"[::1]:6001"'),
        ],
    )
    def test_written(self, value: Any, text: str) -> None:
        assert types.show(value) == text

    def test_url(self) -> None:
        """A URL is shown without its password."""
        assert "hush" not in types.show(Url("redis://me:hush@host/0"))
