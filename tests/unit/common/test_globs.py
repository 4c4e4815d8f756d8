"""Names and patterns of channels: what fits, and how much is looked at."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.globs import Globs


class Counted(str):
    """A name that notes how it is looked through."""

    __slots__ = ("steps",)

    def __init__(self, _: str) -> None:
        self.steps: list[tuple[int, int]] = []

    def find(self, part: str, *bounds: Any) -> int:
        """Note from where to where a part was looked for."""
        found = super().find(part, *bounds)
        start, end = bounds
        self.steps.append((start, end if found < 0 else found + len(part)))
        return found


class TestFits:
    """A star stands for any characters, or none."""

    def test_none(self) -> None:
        assert not Globs([]).fits("a")

    @given(
        patterns=st.lists(st.text("ab.*", min_size=1, max_size=8), min_size=1, max_size=4),
        channel=st.text("ab.", min_size=1, max_size=10),
    )
    def test_reference(self, patterns: list[str], channel: str) -> None:
        """It is what a regular expression would say."""
        expected = any(
            re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), channel)
            for pattern in patterns
        )

        assert Globs(patterns).fits(channel) == expected

    @pytest.mark.parametrize("pattern", ["*a" * 100, "*a" * 99 + "b*", "*aa*ab" * 30, "*" * 200])
    @pytest.mark.parametrize("channel", ["a" * 200, "a" * 199 + "b", "ab" * 100])
    def test_linear(self, pattern: str, channel: str) -> None:
        """No part of a name is looked through twice, however a pattern is made."""
        name = Counted(channel)

        Globs([pattern]).fits(name)

        assert sum(end - start for start, end in name.steps) <= len(name)
        assert [start for start, _ in name.steps][1:] == [end for _, end in name.steps][:-1]
