"""What back ends post about memberships."""

import msgspec
import pytest

from libs.common.memberships.membership import BadName, Membership
from services.auth.bodies import BadBody
from services.auth.memberships.requests import MOST, memberships_of


class TestBodies:
    """One membership, or many."""

    def test_one(self) -> None:
        body = b'{"user": "7", "group": "campaign:5"}'

        assert memberships_of(body, "1") == [Membership("1", "7", "campaign:5")]

    def test_whole_number(self) -> None:
        """Back ends have ids that are numbers; a user's id is a text."""
        body = b'{"user": 7, "group": "campaign:5"}'

        assert memberships_of(body, "1") == [Membership("1", "7", "campaign:5")]

    def test_many(self) -> None:
        pairs = [{"user": str(number), "group": "x"} for number in range(MOST)]

        named = memberships_of(msgspec.json.encode({"memberships": pairs}), "1")

        assert named == [Membership("1", str(number), "x") for number in range(MOST)]

    @pytest.mark.parametrize(
        "body,reason",
        [
            (b"", "the body is no JSON"),
            (b"\xff", "the body is no JSON"),
            (b'{"a":' + b"[" * 5000, "the body is no JSON"),
            (b"[]", "Expected `object`"),
            (b"{}", "missing required field `user`"),
            (b'{"user": "7"}', "missing required field `group`"),
            (b'{"user": 7.5, "group": "x"}', "at `$.user`"),
            (b'{"user": "7", "group": "x", "app": "2"}', "unknown field `app`"),
            (b'{"memberships": []}', "length >= 1"),
            (b'{"memberships": {}}', "Expected `array`"),
            (b'{"memberships": [{"user": "7"}]}', "missing required field `group`"),
            (
                b'{"memberships": [{"user": "7", "group": "x"}], "user": "8"}',
                "unknown field `user`",
            ),
        ],
    )
    def test_refused(self, body: bytes, reason: str) -> None:
        """What is wrong is said."""
        with pytest.raises(BadBody) as raised:
            memberships_of(body, "1")

        assert reason in str(raised.value)

    def test_too_many(self) -> None:
        pairs = [{"user": "7", "group": "x"}] * (MOST + 1)

        with pytest.raises(BadBody, match="length <= 1000"):
            memberships_of(msgspec.json.encode({"memberships": pairs}), "1")

    @pytest.mark.parametrize(
        "user,group,part,most",
        [
            ("", "x", "user", 128),
            ("7", "", "group", 200),
            ("7", "x" * 201, "group", 200),
            ("x" * 129, "x", "user", 128),
            ("a\x00", "x", "user", 128),
        ],
    )
    def test_names(self, user: str, group: str, part: str, most: int) -> None:
        body = msgspec.json.encode({"user": user, "group": group})

        with pytest.raises(
            BadName, match=f"a membership's {part} is a text of 1 to {most} characters"
        ):
            memberships_of(body, "1")
