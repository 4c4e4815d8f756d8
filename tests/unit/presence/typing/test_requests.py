"""What back ends say of who types."""

import pytest

from libs.common.channels import BadUserId, Channel
from libs.common.typists.port import Report, Typing
from services.presence.typing.requests import (
    BadWord,
    NoTyping,
    check_typing,
    report_of,
    told_typing,
)

CHAT = Channel("1", "chat")


class TestCheck:
    """Who reads a channel's events as we write them may be told of typists."""

    @pytest.mark.parametrize(
        "name", ["chat", "private-x", "presence-x", "private-cache-x", "cache-x"]
    )
    def test_any_kind(self, name: str) -> None:
        check_typing(Channel("1", name), ttl=6.0)

    @pytest.mark.parametrize(
        "name", ["private-encrypted-x", "private-encrypted-cache-x", "#server-to-user-7"]
    )
    def test_not_in_others(self, name: str) -> None:
        with pytest.raises(NoTyping, match="encrypted"):
            check_typing(Channel("1", name), ttl=6.0)

    def test_switched_off(self) -> None:
        with pytest.raises(NoTyping, match="typing_ttl is 0"):
            check_typing(CHAT, ttl=0.0)


class TestReport:
    """A back end is a source of its own."""

    @pytest.mark.parametrize(
        "body,lasts",
        [
            (b'{"user_id": "7", "typing": true}', 6.0),
            (b'{"user_id": "7", "typing": false}', 0.0),
            (b'{"user_id": 7}', 6.0),
            (b'{"user_id": "7", "more": 1}', 6.0),
        ],
    )
    def test_read(self, body: bytes, lasts: float) -> None:
        assert report_of(CHAT, body, ttl=6.0) == Report(CHAT, "7", "", lasts)

    @pytest.mark.parametrize(
        "body,reason",
        [
            (b"", "malformed"),
            (b"{}", "user_id"),
            (b'{"user_id": 7.5}', "user_id"),
            (b'{"user_id": "7", "typing": "no"}', "typing"),
            (b'{"a":' * 100_000, "malformed"),
            (b'{"user_id": "\xff"}', "malformed"),
        ],
    )
    def test_refused(self, body: bytes, reason: str) -> None:
        with pytest.raises(BadWord, match=reason):
            report_of(CHAT, body, ttl=6.0)

    @pytest.mark.parametrize("user_id", ["", "u" * 129, "a\\n"])
    def test_no_user(self, user_id: str) -> None:
        with pytest.raises(BadUserId):
            report_of(CHAT, f'{{"user_id": "{user_id}"}}'.encode(), ttl=6.0)


class TestTold:
    """The list, or the number of it."""

    def test_listed(self) -> None:
        assert told_typing(Typing(2, ("7", "8"))) == {"user_ids": ("7", "8"), "count": 2}
        assert told_typing(Typing()) == {"user_ids": (), "count": 0}

    def test_counted(self) -> None:
        assert told_typing(Typing(201, None)) == {"count": 201}
