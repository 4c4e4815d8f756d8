"""What back ends ask about users."""

import base64
import json

import pytest

from libs.common.channels import BadUserId
from services.presence.pages import BadListing, ForeignCursor
from services.presence.queries import MOST_USERS, BadUserList, Listing, listing_of, users_of

EMOJI = "\N{GRINNING FACE}"


def cursor(app: str = "1", prefix: str = "") -> str:
    """Return the cursor after the user ``<prefix>b`` in a list."""
    page = Listing(app, prefix, 2, "").page([prefix + each for each in "abc"])
    assert isinstance(page["cursor"], str)
    return page["cursor"]


class TestListing:
    """A list is asked for."""

    def test_plain(self) -> None:
        assert listing_of("1", {}) == Listing("1", "", 100, "")

    def test_all(self) -> None:
        query = {"prefix": EMOJI, "limit": "1000", "cursor": cursor(prefix=EMOJI), "other": "x"}

        assert listing_of("1", query) == Listing("1", EMOJI, 1000, f"{EMOJI}b")

    @pytest.mark.parametrize("prefix", ["a\n", "x" * 129, "\ud800", "a\x00"])
    def test_prefix(self, prefix: str) -> None:
        """No user's id begins so."""
        with pytest.raises(BadListing, match="prefix"):
            listing_of("1", {"prefix": prefix})

    def test_another_limit(self) -> None:
        """How much is on a page may change on the way."""
        assert listing_of("1", {"cursor": cursor(), "limit": "7"}) == Listing("1", "", 7, "b")

    @pytest.mark.parametrize("other", [cursor(app="2"), cursor(prefix="a")])
    def test_foreign(self, other: str) -> None:
        """A cursor is good for the app and the prefix that it was given for."""
        with pytest.raises(ForeignCursor):
            listing_of("1", {"cursor": other})

    @pytest.mark.parametrize(
        "text", ["x", "b", "AAAA", "=", "é", cursor() + "!", "A" * 11, cursor()[:8]]
    )
    def test_made_up(self, text: str) -> None:
        with pytest.raises(ForeignCursor):
            listing_of("1", {"cursor": text})

    def test_elsewhere(self) -> None:
        """A cursor that points out of its list was not given by us."""
        mark = base64.urlsafe_b64decode(cursor(prefix="ab") + "==")[:8]
        made = base64.urlsafe_b64encode(mark + b"zz").decode().rstrip("=")

        with pytest.raises(ForeignCursor):
            listing_of("1", {"prefix": "ab", "cursor": made})


class TestPage:
    """A page is answered."""

    def test_last(self) -> None:
        """Who has all is given no cursor."""
        assert Listing("1", "", 2, "").page(["a", "b"]) == {"users": ["a", "b"], "cursor": None}

    def test_empty(self) -> None:
        assert Listing("1", "", 2, "").page([]) == {"users": [], "cursor": None}

    def test_more(self) -> None:
        """The cursor goes on after the last one that is shown."""
        page = Listing("1", "", 2, "").page(["a", EMOJI, "c"])

        assert page["users"] == ["a", EMOJI]
        assert listing_of("1", {"cursor": str(page["cursor"])}).after == EMOJI


class TestUsers:
    """Several users are asked about at once."""

    def test_each_once(self) -> None:
        assert users_of(b'{"users": ["8", "7", 8], "other": 1}') == ["8", "7"]

    def test_most(self) -> None:
        users = [str(number) for number in range(MOST_USERS)]

        assert users_of(json.dumps({"users": users}).encode()) == users

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"x",
            b"[]",
            b"{}",
            b'{"users": "7"}',
            b'{"users": [7.5]}',
            b'{"users": [true]}',
            b"\xff",
            b'{"users": ["' + b"\xff" + b'"]}',
            b"[" * 100_000,
            json.dumps({"users": [str(number) for number in range(MOST_USERS + 1)]}).encode(),
        ],
    )
    def test_malformed(self, body: bytes) -> None:
        with pytest.raises(BadUserList, match=f"up to {MOST_USERS}"):
            users_of(body)

    @pytest.mark.parametrize("user", ["", "a\\n", "\\ud800", "x" * 129])
    def test_no_id(self, user: str) -> None:
        with pytest.raises(BadUserId):
            users_of(f'{{"users": ["7", "{user}"]}}'.encode())
