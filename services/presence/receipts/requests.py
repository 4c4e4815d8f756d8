"""
What is asked about read receipts, and what is said.

Pure.  docs/presence.md, "Read receipts".
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from libs.common.bus.messages import Position
from libs.common.channels import Channel, check_user_id, is_user_id
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader
from libs.common.marks.mark import Mark, mark_of
from libs.common.marks.port import Reading
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.presence.pages import ForeignCursor, cursor_of, last_of, limit_of

_LIST = "read"  # What tells cursors of these lists from others.


class NoReceipts(Invalid):
    """It is not kept how far users have read in a channel."""

    def __init__(self) -> None:
        super().__init__(
            "it is not kept how far users have read in this channel: no [[receipts]] selects it, "
            "or it is encrypted or a user's own"
        )


class BadReading(Invalid):
    """A body does not say who has read, and how far."""

    def __init__(self, reason: str) -> None:
        super().__init__(f'expected {{"user_id": "7", "upto": …}}: {reason}')


class PastEpoch(Invalid):
    """A position is told of another life of the channel's history, and no mark stands."""

    def __init__(self, epoch: str) -> None:
        super().__init__(f"upto: the epoch of the channel's history is {epoch} now")


class MarkPage(NamedTuple):
    """
    A page of a channel's marks that is asked for.

    Attributes:
        channel: The channel.
        limit: The most of them.
        after: The last user of the page before; empty: it is the first page.
    """

    channel: Channel
    limit: int
    after: str

    def told(self, marks: Sequence[tuple[str, Mark]]) -> dict[str, object]:
        """
        Answer with a page.

        Args:
            marks: Those that follow, in order; one more than the limit, if there are so many.
        """
        shown = marks[: self.limit]
        is_last = len(marks) <= self.limit
        cursor = None if is_last else cursor_of(*self.channel, _LIST, last=shown[-1][0])
        return {"marks": {user: mark.told for user, mark in shown}, "cursor": cursor}


class _Said(msgspec.Struct):
    user_id: str | int
    upto: Any


_decode_said = JsonReader(_Said).read


def told_mark(user_id: str, mark: Mark | None, *, top: Position | None = None) -> dict[str, Any]:
    """
    Tell how far a user has read.

    Args:
        user_id: The user's id.
        mark: What stands; None: nothing is kept.
        top: The channel's present position, which says how many messages are unread; None: marks
            are no positions.
    """
    told: dict[str, Any] = {"user_id": user_id, "upto": mark and mark.told}
    if mark and top and Position(mark.epoch, mark.number).leads_to(top.epoch):
        # A replica that took over may not have had the last messages: they were read all the same.
        told["unread"] = max(0, top.offset - mark.number)
    return told


def rule_of(channel: Channel, rules: SelectedChannels[ReceiptRule]) -> ReceiptRule | None:
    """Return the rule by which marks of a channel are kept; None: they are not."""
    return rules.rule(channel) if channel.tells_of_users else None


def check_rule(channel: Channel, rules: SelectedChannels[ReceiptRule]) -> ReceiptRule:
    """
    Return the rule by which marks of a channel are kept.

    Raises:
        NoReceipts: None are.
    """
    rule = rule_of(channel, rules)
    if rule is None:
        raise NoReceipts
    return rule


def page_of(channel: Channel, query: Mapping[str, str]) -> MarkPage:
    """
    Read the query of a list of marks: ``limit`` and ``cursor``.

    Raises:
        BadListing: One of them cannot be.
        ForeignCursor: The cursor is of another query.
    """
    after = last_of(query, *channel, _LIST)
    if after and not is_user_id(after):
        raise ForeignCursor
    return MarkPage(channel, limit_of(query), after)


def reading_of(channel: Channel, body: bytes, rule: ReceiptRule) -> Reading:
    """
    Read who has read, and how far.

    Raises:
        BadReading: The body is something else.
        BadUserId: No user can have such an id.
        BadMark: Marks of this channel are others.
    """
    try:
        said = _decode_said(body)
    except msgspec.ValidationError as error:
        raise BadReading(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReading("the body is malformed") from error
    user_id = str(said.user_id)
    check_user_id(user_id)
    return Reading(channel, user_id, mark_of(said.upto, is_position=rule.are_positions))
