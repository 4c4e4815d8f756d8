"""Memberships as values."""

import pytest

from libs.common.memberships.membership import (
    BadName,
    Membership,
    NotKeptHere,
    Removed,
    can_be,
    check_membership,
)

ANN = Membership("1", "ann", "company:5")


MOST = {"app": 200, "user": 128, "group": 200}


class TestNames:
    """Names of 1 to 200 characters that print; a user's id has 128, as everywhere."""

    @pytest.mark.parametrize("name", ["x", "x" * 128, "Ä ö:*", "日本"])
    @pytest.mark.parametrize("part", Membership._fields)
    def test_good(self, part: str, name: str) -> None:
        membership = ANN._replace(**{part: name})

        check_membership(membership)
        assert can_be(membership)

    @pytest.mark.parametrize("part, most", MOST.items())
    def test_longest(self, part: str, most: int) -> None:
        assert can_be(ANN._replace(**{part: "x" * most}))
        assert not can_be(ANN._replace(**{part: "x" * (most + 1)}))

    @pytest.mark.parametrize("name", ["", "x" * 201, "a\n", "a\0", "\u200b", "\ud800"])
    @pytest.mark.parametrize("part", Membership._fields)
    def test_bad(self, part: str, name: str) -> None:
        """The error names the part, and does not repeat the name."""
        membership = ANN._replace(**{part: name})

        assert not can_be(membership)
        with pytest.raises(BadName, match=f"a membership's {part} is a text") as caught:
            check_membership(membership)
        assert caught.value.part == part


def test_removed() -> None:
    """Two reports of one removal are the same, though they may differ in when it was."""
    assert Removed(ANN, at=1.0) == Removed(ANN, at=2.0)
    assert Removed(ANN, at=1.0) != Removed(ANN._replace(user="bob"), at=1.0)


def test_not_kept_here() -> None:
    """Who would change what is read from elsewhere is told where."""
    assert NotKeptHere().status == 409
    assert "auth.memberships.query" in str(NotKeptHere())
