"""Any text as a part of a channel's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import check_channel
from libs.common.escaping import escape, unescape


class TestEscape:
    """One spelling for each text."""

    @pytest.mark.parametrize(
        "text,part",
        [
            ("", ""),
            ("7", "7"),
            ("user_7-x", "user_7-x"),
            ("auth0|5f", "auth0=7C5f"),
            ("did:web:x", "did=3Aweb=3Ax"),
            ("a+b@x.org", "a=2Bb=40x=2Eorg"),
            ("Zo\u00eb", "Zo=C3=AB"),
            ("a=b", "a=3Db"),
            ("{x}/ y", "=7Bx=7D=2F=20y"),
        ],
    )
    def test_spelling(self, text: str, part: str) -> None:
        assert escape(text) == part
        assert unescape(part) == text

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    def test_back(self, text: str) -> None:
        """It is always part of a name, without a full stop, and what it was can be read again."""
        part = escape(text)

        check_channel(f"private-user.{part}")
        assert "." not in part
        assert unescape(part) == text

    def test_half(self) -> None:
        with pytest.raises(UnicodeEncodeError):
            escape("\ud83d")


class TestUnescape:
    """What is spelled otherwise is refused, lest two names stand for one user."""

    @pytest.mark.parametrize(
        "part", ["a|b", "=7c", "=7", "=", "a.b", "=61", "=FF", "=C3", "\u00eb", "a b", "=2D", "a\n"]
    )
    def test_refused(self, part: str) -> None:
        with pytest.raises(ValueError, match=r"spelled|decode"):
            unescape(part)
