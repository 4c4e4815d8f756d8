"""What is asked about read receipts."""

import pytest

from libs.common.bus.messages import Position
from libs.common.channels import BadUserId, Channel
from libs.common.marks.mark import BadMark, Mark
from libs.common.marks.port import Reading
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.presence.pages import BadListing, ForeignCursor, cursor_of
from services.presence.receipts.requests import (
    BadReading,
    MarkPage,
    NoReceipts,
    check_rule,
    page_of,
    reading_of,
    told_mark,
)

CHAT = Channel("1", "private-chat.7")
NUMBERS = ReceiptRule(pattern="private-{any*}", app="1")
POSITIONS = ReceiptRule(pattern="presence-{any*}", app="1", marks="positions")
EVERYTHING = ReceiptRule(pattern="{any*}", app="1")


class TestRule:
    """Which channels have receipts."""

    def test_selected(self) -> None:
        rules = SelectedChannels([NUMBERS, POSITIONS])

        assert check_rule(CHAT, rules) is NUMBERS
        assert check_rule(Channel("1", "presence-room"), rules) is POSITIONS

    @pytest.mark.parametrize("name", ["private-encrypted-x", "private-encrypted-cache-x"])
    def test_encrypted(self, name: str) -> None:
        """What is said there may be read by nobody of us."""
        with pytest.raises(NoReceipts):
            check_rule(Channel("1", name), SelectedChannels([EVERYTHING]))

    @pytest.mark.parametrize("name", ["#server-to-user-7", "#online-7"])
    def test_users_own(self, name: str) -> None:
        with pytest.raises(NoReceipts):
            check_rule(Channel("1", name), SelectedChannels([EVERYTHING]))

    @pytest.mark.parametrize("channel", [Channel("1", "chat"), Channel("2", "private-chat.7")])
    def test_others(self, channel: Channel) -> None:
        with pytest.raises(NoReceipts, match="receipts"):
            check_rule(channel, SelectedChannels([NUMBERS]))


class TestReading:
    """A back end says that a user has read."""

    @pytest.mark.parametrize("upto", ["17", '"17"'])
    def test_number(self, upto: str) -> None:
        body = f'{{"user_id": "7", "upto": {upto}, "other": 1}}'.encode()

        assert reading_of(CHAT, body, NUMBERS) == Reading(CHAT, "7", Mark(17))

    def test_position(self) -> None:
        body = b'{"user_id": "7", "upto": "e1:17"}'

        assert reading_of(CHAT, body, POSITIONS) == Reading(CHAT, "7", Mark(17, "e1"))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"x",
            b"[]",
            b'{"user_id": "7"}',
            b'{"upto": 7}',
            b'{"user_id": 7.5, "upto": 7}',
            b"\xff",
            b"[" * 100_000,
        ],
    )
    def test_malformed(self, body: bytes) -> None:
        with pytest.raises(BadReading, match="user_id"):
            reading_of(CHAT, body, NUMBERS)

    @pytest.mark.parametrize("user", ["", "a\\n", "\\ud800", "x" * 129])
    def test_no_id(self, user: str) -> None:
        with pytest.raises(BadUserId):
            reading_of(CHAT, f'{{"user_id": "{user}", "upto": 1}}'.encode(), NUMBERS)

    @pytest.mark.parametrize("upto", ["null", "-1", "1.5", "true", "[]", '"e1:17"', "1e400", "{}"])
    def test_no_number(self, upto: str) -> None:
        with pytest.raises((BadMark, BadReading), match="upto"):
            reading_of(CHAT, f'{{"user_id": "7", "upto": {upto}}}'.encode(), NUMBERS)

    @pytest.mark.parametrize("upto", ["17", '"17"', '":17"', '"e1:"'])
    def test_no_position(self, upto: str) -> None:
        with pytest.raises(BadMark, match="epoch:offset"):
            reading_of(CHAT, f'{{"user_id": "7", "upto": {upto}}}'.encode(), POSITIONS)


class TestTold:
    """What is told of one user."""

    @pytest.mark.parametrize(
        "mark,top,told",
        [
            (None, None, {"upto": None}),
            (Mark(3), None, {"upto": 3}),
            (Mark(3, "e"), Position("e", 5), {"upto": "e:3", "unread": 2}),
            (Mark(5, "e"), Position("e", 5), {"upto": "e:5", "unread": 0}),
            (Mark(3, "e"), Position("f", 5), {"upto": "e:3"}),
            (Mark(0, "1o"), Position("1o", 0), {"upto": "1o:0", "unread": 0}),
            (Mark(0, "1o"), Position("1o2", 5), {"upto": "1o:0", "unread": 5}),
            (Mark(0, "1o"), Position("2o2", 5), {"upto": "1o:0"}),
        ],
    )
    def test_unread(self, mark: Mark | None, top: Position | None, told: dict[str, object]) -> None:
        assert told_mark("7", mark, top=top) == {"user_id": "7", **told}

    def test_history_is_shorter(self) -> None:
        """After a failover that lost the last messages nothing is unread, rather than less."""
        assert told_mark("7", Mark(9, "e"), top=Position("e", 5))["unread"] == 0


class TestPage:
    """All marks are asked for, in pages."""

    def test_plain(self) -> None:
        assert page_of(CHAT, {}) == MarkPage(CHAT, 100, "")

    def test_more(self) -> None:
        """The cursor goes on after the last one that is shown."""
        told = MarkPage(CHAT, 2, "").told([("7", Mark(3)), ("8", Mark(4, "e")), ("9", Mark(5))])

        assert told["marks"] == {"7": 3, "8": "e:4"}
        assert page_of(CHAT, {"cursor": str(told["cursor"]), "limit": "5"}) == MarkPage(
            CHAT, 5, "8"
        )

    def test_last(self) -> None:
        assert MarkPage(CHAT, 2, "").told([("7", Mark(3))]) == {"marks": {"7": 3}, "cursor": None}

    def test_foreign(self) -> None:
        """A cursor of another channel, of another list, or after what is no user's id."""
        other = MarkPage(Channel("1", "private-chat.8"), 1, "").told([("7", Mark(3))] * 2)
        cursors = [
            str(other["cursor"]),
            cursor_of("1", "private-chat.7", last="7"),
            cursor_of("1", "private-chat.7", "read", last="a\x00"),
        ]

        for cursor in cursors:
            with pytest.raises(ForeignCursor):
                page_of(CHAT, {"cursor": cursor})

    def test_limit(self) -> None:
        with pytest.raises(BadListing, match="limit"):
            page_of(CHAT, {"limit": "0"})
