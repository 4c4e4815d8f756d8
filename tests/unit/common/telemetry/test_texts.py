"""The texts of a line: their length, and what cannot be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.telemetry.texts import LONGEST, LONGEST_OF_ERRORS, bounded


def line(method: str = "info", **facts: object) -> dict[str, object]:
    return dict(bounded(None, method, dict(facts)))


class TestBounded:
    """What becomes of the texts of a line."""

    @pytest.mark.parametrize("length", [0, 1, LONGEST - 1, LONGEST])
    def test_short(self, length: int) -> None:
        assert line(path="é" * length, event="a.done") == {"path": "é" * length, "event": "a.done"}

    def test_long(self) -> None:
        assert line(path="x" * (LONGEST + 1), event="y" * 9000) == {
            "path": "x" * LONGEST + "…",
            "event": "y" * LONGEST + "…",
        }

    @pytest.mark.parametrize(
        "text, shown",
        [
            ("a\nb", r"a\nb"),
            ("\x1b[2J", r"\x1b[2J"),
            ("\udcff\ud800", r"\udcff\ud800"),
            ("\u202eabc\x00", r"\u202eabc\x00"),
        ],
    )
    def test_spelled(self, text: str, shown: str) -> None:
        """A line of its own, a terminal's orders, what is no text at all."""
        assert line(path=text) == {"path": shown}

    @pytest.mark.parametrize("method", ["error", "exception", "critical"])
    def test_errors(self, method: str) -> None:
        """Errors are ours, and may have several lines."""
        assert line(method, reason="a\n" * 500) == {"reason": "a\n" * 500}
        long = line(method, reason="x" * (LONGEST_OF_ERRORS + 1))
        assert long == {"reason": "x" * LONGEST_OF_ERRORS + "…"}

    def test_frame(self) -> None:
        """Frames were cut before, to more."""
        assert line(frame="x" * 500 + "\n") == {"frame": "x" * 500 + r"\n"}

    def test_others(self) -> None:
        """What is no text stays as it is."""
        facts: dict[str, object] = {"n": 5, "on": True, "names": ["a\n"], "none": None}

        assert bounded(None, "info", dict(facts)) == facts

    @given(st.text())
    def test_any(self, text: str) -> None:
        (shown,) = line(path=text).values()

        assert isinstance(shown, str)
        assert shown.isprintable()
        assert len(shown) <= 10 * LONGEST + 1
