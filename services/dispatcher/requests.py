"""
Bodies of the Pusher HTTP API: read them, and check them against its rules.

Pure.  Source: Pusher, "HTTP API"; docs/protocol.md, "HTTP API" and "What the official SDKs pin down".
"""

from typing import TypeVar

import msgspec

from libs.common.channels import Channel, check_channel, check_event, check_socket_id
from libs.common.errors import Invalid
from libs.common.messages import Broadcast, Publication, event_frame
from services.dispatcher.settings import DispatcherSettings

T = TypeVar("T")


class BadRequest(Invalid):
    """The body of a request is not what the API asks for."""


class PayloadTooLarge(Invalid):
    """An event's data is above the limit."""

    status = 413

    def __init__(self, limit: int) -> None:
        # The PHP SDK's suite looks for "content of this event".
        super().__init__(
            f"the data content of this event exceeds the allowed maximum ({limit} bytes)"
        )


class Event(msgspec.Struct, frozen=True):
    """The body of ``POST /apps/{id}/events``, or an item of a batch; unknown keys are ignored."""

    name: str
    data: str
    channel: str | None = None
    channels: tuple[str, ...] | None = None
    socket_id: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """The body of ``POST /apps/{id}/batch_events``."""

    batch: tuple[Event, ...]


_event = msgspec.json.Decoder(Event)
_batch = msgspec.json.Decoder(Batch)


def read_event(
    app: str, body: bytes, *, settings: DispatcherSettings, now: float
) -> list[Publication]:
    """
    Read an event for one channel or several.

    Args:
        app: The app's id.
        body: As received.
        settings: Bounds.
        now: UTC epoch seconds.

    Raises:
        Invalid: It breaks a rule, and says which; its status is 400 or 413.
    """
    event = _decode(_event, body)
    return _publications(app, event, _names(event, settings), settings=settings, now=now)


def read_batch(
    app: str, body: bytes, *, settings: DispatcherSettings, now: float
) -> list[Publication]:
    """Read events for one channel each; see `read_event`."""
    events = _decode(_batch, body).batch
    if len(events) > settings.max_batch:
        raise BadRequest(f"Batch too large (> {settings.max_batch})")
    publications: list[Publication] = []
    for event in events:
        if event.channel is None:
            raise BadRequest("an event of a batch needs a channel")
        publications += _publications(app, event, [event.channel], settings=settings, now=now)
    return publications


def _decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"the body cannot be read: {error}") from error


def _names(event: Event, settings: DispatcherSettings) -> list[str]:
    if event.channel is not None and event.channels is None:
        return [event.channel]
    names = list(dict.fromkeys(event.channels or ()))
    if not 0 < len(names) <= settings.max_channels:
        raise BadRequest(f"an event needs 1 to {settings.max_channels} channels")
    return names


def _publications(
    app: str, event: Event, names: list[str], *, settings: DispatcherSettings, now: float
) -> list[Publication]:
    check_event(event.name, longest=settings.max_event_name)
    if event.socket_id:
        check_socket_id(event.socket_id)
    for name in names:
        check_channel(name, longest=settings.max_channel_name)
    if len(event.data.encode()) > settings.max_payload:
        raise PayloadTooLarge(settings.max_payload)
    excluded = (event.socket_id,) if event.socket_id else ()
    return [
        Publication(
            Channel(app, name),
            Broadcast(event_frame(name, event.name, event.data), now, excluded),
        )
        for name in names
    ]
