"""Patterns of channel names."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.policies.patterns import BadPattern, Capture, Pattern, parts_of

NAMES = st.text("ab-_=@,.;", min_size=1, max_size=12)


class TestParts:
    """A text with captures, taken apart."""

    @pytest.mark.parametrize(
        "text,parts",
        [
            ("", [""]),
            ("plain", ["plain"]),
            ("{a}", ["", "a", ""]),
            ("x.{a}.{b*}", ["x.", "a", ".", "b*", ""]),
            ("{a}{b}", ["", "a", "", "b", ""]),
            ("{a", ["{a"]),
        ],
    )
    def test_turns(self, text: str, parts: list[str]) -> None:
        """Literals, which may be empty, and captures take turns."""
        read = parts_of(text, lambda name: Capture(name, is_wide=False))

        assert [part.name if isinstance(part, Capture) else part for part in read] == parts


class TestPattern:
    """What it fits, and what it captures."""

    def test_captured(self) -> None:
        """Every capture is told with its text; what is no whole name does not fit."""
        pattern = Pattern("private-{kind}.{id*}")

        assert pattern.match("private-chat.a.b") == {"kind": "chat", "id": "a.b"}
        assert pattern.match("private-chat.") is None
        assert pattern.match("private-chat.1\n") is None
        assert {name: each.is_wide for name, each in pattern.captures.items()} == {
            "kind": False,
            "id": True,
        }

    def test_literals(self) -> None:
        """A literal stands for itself: a full stop for a full stop."""
        pattern = Pattern("a.b")

        assert pattern.match("a.b") == {}
        assert pattern.match("axb") is None

    def test_filled(self) -> None:
        """Captures go into their places, and what is not known stays open."""
        pattern = Pattern("private-{kind}.{id}")

        assert pattern.filled({"kind": "chat", "id": "1"}) == "private-chat.1"
        assert pattern.filled({"id": "1", "other": "2"}) == "private-*.1"

    @pytest.mark.parametrize(
        "text,reason",
        [
            ("a b", "'a b' cannot stand in a channel's name"),
            ("presence-chat{", "a brace is not closed: 'presence-chat{'"),
            ("{a}-{b", "a brace is not closed: '-{b'"),
            ("a}", "a brace is not opened: 'a}'"),
            ("{}", "{} is no capture"),
            ("{1a}", "{1a} is no capture"),
            ("{a}-{a}", "the name 'a' is taken"),
            ("{user}", "the name 'user' is taken"),
        ],
    )
    def test_refused(self, text: str, reason: str) -> None:
        with pytest.raises(BadPattern, match=re.escape(reason)):
            Pattern(text, frozenset({"user"}))

    @given(NAMES, NAMES)
    def test_there_and_back(self, kind: str, name: str) -> None:
        """What is filled in is what is captured, where only one reading fits."""
        pattern = Pattern("{kind*}#{name*}".replace("#", "-x-"))
        channel = pattern.filled({"kind": kind, "name": name})

        captured = pattern.match(channel)

        assert captured is not None
        assert pattern.filled(captured) == channel


PARTS = st.sampled_from(["", ".", "-", "a", "a.", ".a", "-a", "aa"])
PLACES = st.lists(st.tuples(st.booleans(), PARTS), min_size=1, max_size=5)


def _tried(head: str, places: list[tuple[bool, str]], name: str) -> dict[str, str] | None:
    """Match as a regular expression does: try each end of each capture, the farthest first."""
    captures = ("(?P<c%d>.+)" if wide else "(?P<c%d>[^.]+)" for wide, _ in places)
    each = (
        capture % number + re.escape(literal)
        for number, (capture, (_, literal)) in enumerate(zip(captures, places, strict=True))
    )
    found = re.fullmatch(re.escape(head) + "".join(each), name)
    return found.groupdict() if found else None


class TestSeveralReadings:
    """Names that could be divided in several ways: strangers choose them."""

    @given(PARTS, PLACES, st.text("a.-", max_size=14))
    @example("", [(True, "aa"), (True, "")], "aaa-")  # A literal may overlap with itself.
    def test_the_first_takes_most(
        self, head: str, places: list[tuple[bool, str]], name: str
    ) -> None:
        """What is captured is what trying everything would find first."""
        pattern = head + "".join(
            f"{{c{number}{'*' * wide}}}{literal}" for number, (wide, literal) in enumerate(places)
        )

        assert Pattern(pattern).match(name) == _tried(head, places, name)

    @pytest.mark.parametrize("wide", ["*", ""])
    @pytest.mark.parametrize("between", ["", "-", "--"])
    def test_nothing_is_tried(self, wide: str, between: str) -> None:
        """Ten captures and a name that just does not fit: to try it all would take for ever."""
        captures = between.join(f"{{c{number}{wide}}}" for number in range(10))
        name = "private-" + "-" * 192

        assert Pattern(f"private-{captures}=x{{last{wide}}}").match(name) is None
        assert Pattern(f"private-{captures}.{{last}}").match(name) is None
        assert Pattern(f"private-{captures}=x{{last{wide}}}").match(f"{name}=x1") is not None


class TestCapture:
    """Characters that a capture may have."""

    @pytest.mark.parametrize("is_wide", [False, True])
    def test_full_stops(self, *, is_wide: bool) -> None:
        """A wide one may have full stops."""
        characters = Capture("a", is_wide).characters

        assert bool(re.fullmatch(characters, ".")) is is_wide
        assert all(re.fullmatch(characters, each) for each in "aZ0-_=@,;")
        assert not re.fullmatch(characters, ":")

    @pytest.mark.parametrize("is_wide,end", [(True, "\n"), (False, ".")])
    def test_end(self, *, is_wide: bool, end: str) -> None:
        """A narrow one ends before a full stop."""
        assert Capture("a", is_wide).end == end
