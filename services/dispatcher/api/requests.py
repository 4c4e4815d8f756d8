"""
Bodies of the Pusher HTTP API: read them, and check them against its rules.

Pure.  Source: Pusher, "HTTP API"; docs/protocol.md, "HTTP API" and "What the official SDKs pin
down".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from libs.common.apps.app import App
from libs.common.apps.limits import Limits, exceeds
from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.channels import (
    Channel,
    ChannelUser,
    check_channel,
    check_event,
    check_socket_id,
    check_user_id,
)
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader, write
from services.dispatcher.api.queries import Attributes, attributes_of

T = TypeVar("T")


class BadRequest(Invalid):
    """The body of a request is not what the API asks for."""


class PayloadTooLarge(Invalid):
    """An event's data is above the limit."""

    status = 413

    def __init__(self, limit: int) -> None:
        # The PHP SDK's suite looks for "content of this event".
        super().__init__(
            "the data content of this event exceeds the allowed maximum "
            f"({limit} bytes, limits.payload_bytes)"
        )


class PostedEvent(msgspec.Struct, frozen=True, gc=False):
    """The body of ``POST /apps/{id}/events``, or an item of a batch; unknown keys are ignored."""

    name: str
    data: str
    channel: str | None = None
    channels: tuple[str, ...] | None = None
    socket_id: str | None = None
    info: str | None = None
    user_id: str | int | None = None

    @property
    def sender(self) -> str:
        """The id of the user who has sent it; empty: nobody is named."""
        return "" if self.user_id is None else str(self.user_id)


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The body of ``POST /apps/{id}/batch_events``."""

    batch: tuple[PostedEvent, ...]


class Post(msgspec.Struct, frozen=True, gc=False):
    """
    What a back end posted.

    Attributes:
        publications: What to publish, in order.
        asked: For each publication, what the answer shall tell of its channel.
        senders: The users who have sent it, as far as it names them.
    """

    publications: tuple[Publication, ...]
    asked: tuple[Attributes, ...]
    senders: tuple[ChannelUser, ...] = ()

    def traced(self, trace: str) -> "Post":
        """Return the same with a ``traceparent`` on every broadcast."""
        publications = (
            replace(each, broadcast=replace(each.broadcast, trace=trace))
            for each in self.publications
        )
        return replace(self, publications=tuple(publications))


class Reader(Protocol):
    """What reads a body, whatever its shape."""

    def __call__(self, app: App, body: bytes, *, now: float, token: str = "") -> Post:
        """See `read_event`."""


_event = JsonReader(PostedEvent)
_batch = JsonReader(Batch)


def read_event(app: App, body: bytes, *, now: float, token: str = "") -> Post:
    """
    Read an event for one channel or several.

    Args:
        app: The app that posts.
        body: As received.
        now: UTC epoch seconds.
        token: What the back end calls the request; see `Publication.token`.

    Raises:
        Invalid: It breaks a rule, and says which; its status is 400 or 413.
    """
    event = _decode(_event, body)
    return _post(app, [(event, _names(event, app.limits))], now=now, token=token)


def read_batch(app: App, body: bytes, *, now: float, token: str = "") -> Post:
    """Read events for one channel each; see `read_event`."""
    events = _decode(_batch, body).batch
    if exceeds(len(events), app.limits.batch):
        raise BadRequest(f"Batch too large (> {app.limits.batch}, limits.batch)")
    named = []
    for event in events:
        if event.channel is None:
            raise BadRequest("an event of a batch needs a channel")
        named.append((event, (event.channel,)))
    return _post(app, named, now=now, token=token)


def read_former(
    app: App, body: bytes, *, channel: str, query: Mapping[str, str], now: float, token: str = ""
) -> Post:
    """
    Read an event as the first version of the API had it; for the rest see `read_event`.

    Args:
        app: The app that posts.
        body: The event's data.
        channel: The only channel of the event.
        query: Has its ``name``, and perhaps a ``socket_id``.
        now: UTC epoch seconds.
        token: What the back end calls the request.

    Raises:
        Invalid: It breaks a rule, and says which.
    """
    try:
        data = body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8") from error
    event = PostedEvent(query.get("name", ""), data, socket_id=query.get("socket_id"))
    return _post(app, [(event, (channel,))], now=now, token=token)


def _decode(reader: JsonReader[T], body: bytes) -> T:
    try:
        return reader.read(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"the body cannot be read: {error}") from error


def _names(event: PostedEvent, limits: Limits) -> Sequence[str]:
    if event.channel is not None and event.channels is None:
        return (event.channel,)
    names = list(dict.fromkeys(event.channels or ()))
    if not names:
        raise BadRequest("an event needs a channel")
    if exceeds(len(names), limits.event_channels):
        raise BadRequest(
            f"an event may go to {limits.event_channels} channels at once (limits.event_channels)"
        )
    return names


def _post(
    app: App, named: Iterable[tuple[PostedEvent, Sequence[str]]], *, now: float, token: str
) -> Post:
    publications: list[Publication] = []
    asked, senders = [], []
    for event, names in named:
        _check(event, names[0], app.limits)
        attributes = attributes_of(event.info or "")
        for name in names[1:]:
            check_channel(name, longest=app.limits.longest_channel_name)
        excluded = (event.socket_id,) if event.socket_id else ()
        data = event.data if len(names) == 1 else msgspec.Raw(write(event.data))
        for name in names:
            channel = Channel(app.id, name)
            broadcast = Broadcast(event_frame(name, event.name, data), now, excluded)
            # One request may bring two events for one channel: each has a token of its own.
            own = f"{token}/{len(publications)}" if token else ""
            publications.append(Publication(channel, broadcast, token=own))
            asked.append(attributes)
            if event.sender:
                senders.append(ChannelUser(channel, event.sender))
    return Post(tuple(publications), tuple(asked), tuple(senders))


def _check(event: PostedEvent, channel: str, limits: Limits) -> None:
    check_event(event.name, longest=limits.longest_event_name)
    if event.socket_id:
        check_socket_id(event.socket_id)
    if event.sender:
        check_user_id(event.sender)
    check_channel(channel, longest=limits.longest_channel_name)
    if _is_too_large(event.data, limits.payload_bytes):
        raise PayloadTooLarge(limits.payload_bytes)


def _is_too_large(text: str, limit: int) -> bool:
    """Tell whether a text has more bytes than are allowed: at least as many as characters."""
    if exceeds(len(text), limit) or text.isascii():
        return exceeds(len(text), limit)
    return exceeds(len(text.encode(errors="surrogatepass")), limit)
