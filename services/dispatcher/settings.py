"""
The dispatcher's settings and the routes.

Pure.  Structs say which keys and types are allowed; what a route's texts mean is checked by
`Router`.
"""

from typing import Annotated

import msgspec

MAX_BROADCASTS = 1024  # Of one record; the bus tells them apart by offset * 1024 + index.

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A rule that turns domain events into broadcasts.

    Templates are texts with CEL expressions in braces; ``{{`` and ``}}`` stand for braces.
    Expressions see `data`, `type`, `source`, `subject`, `id`, `time` (UTC epoch seconds), `key` and
    `topic`.

    Attributes:
        name: Unique; in logs, counters and dead letters.
        app: Whose channels; may be empty where there is one app.
        topic: Which topic it reads; empty: the one that takes what is posted to the app's
            ``/events``.
        type: Glob on the event's type: ``*`` any text, ``?`` a character, ``[…]`` one of several.
        when: CEL condition; empty: always.  Where a field it needs is absent it does not hold.
        channels: Templates of channel names.
        event: Template of the event's name.
        data: Name to CEL expression; empty: the event's data as it is.
        enabled: A disabled route is counted and does nothing.
        max_age: Seconds after which an event is not worth telling; 0: it always is.
        audit: Whether the audit log has a line for each broadcast, and one of each gateway that
            wrote it, without its content.
    """

    name: _Name
    app: str = ""
    topic: str = ""
    type: _Name = "*"
    when: str = ""
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=100)]
    event: str
    data: dict[str, str] = {}
    enabled: bool = True
    max_age: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    audit: bool = False


class DispatcherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How the dispatcher reads the event log, and what it lets through.

    Attributes:
        group: The consumer group; deployments that share a log need one each.
        dead_letter_topic: Takes records that cannot be read or routed.
        retry_min: Seconds before the first repetition when a backend is away; doubled each time.
        retry_max: Seconds that such a pause is at most.
        max_broadcasts: Broadcasts that one record may cause.
        read_timeout: Seconds that the body of a request may take to arrive.
    """

    group: _Name = "fanfare"
    dead_letter_topic: _Name = "fanfare.dead-letters"
    retry_min: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    retry_max: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    max_broadcasts: Annotated[int, msgspec.Meta(ge=1, le=MAX_BROADCASTS)] = MAX_BROADCASTS
    read_timeout: Annotated[float, msgspec.Meta(gt=0)] = 10.0

    def __post_init__(self) -> None:
        if self.retry_max < self.retry_min:
            raise ValueError("retry_max is less than retry_min")
