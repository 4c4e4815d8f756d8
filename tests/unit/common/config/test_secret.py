"""Secrets do not show themselves."""

import pytest

from libs.common.config.secret import Secret


class TestSecret:
    """A text that must be asked for."""

    def test_revealed(self) -> None:
        assert Secret("hush").reveal() == "hush"

    @pytest.mark.parametrize("form", ["{}", "{!r}", "{!s}", "{0:>20}"])
    def test_written(self, form: str) -> None:
        """However it is written, its text is not, nor how long that is."""
        try:
            texts = [form.format(Secret(text)) for text in ("hush", "hush-hush")]
        except TypeError:
            return  # It cannot be written so at all.

        assert "hush" not in texts[0]
        assert texts[0] == texts[1]

    def test_inside(self) -> None:
        """Nor is it in what it is part of."""
        assert "hush" not in repr({"password": (Secret("hush"),)})

    def test_compared(self) -> None:
        """Two are the same if their texts are; a text is no secret."""
        same, other = Secret("hush"), Secret("hush-hush")

        assert len({Secret("hush"), same, other}) == 2
        assert same != other
        assert same != "hush"
