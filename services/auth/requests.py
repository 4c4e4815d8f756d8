"""
What clients post to the auth endpoints, and how pages of other origins are let in.

Pure.  Source: pusher-js and Laravel Echo, docs/protocol.md, "Client-side auth endpoints"; CORS: WHATWG Fetch,
"HTTP extensions".
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from libs.common.apps import App
from libs.common.errors import Invalid
from libs.common.origins import allows, is_open

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SEVERAL = "channel_name[]"  # How a form names each of several channels.
MOST_CHANNELS = 100  # Of one request.
MAX_FIELDS = 100 + MOST_CHANNELS  # Of a form; pages add parameters of their own.

# Pages add headers of their own, and may: credentials never come by themselves here.
_USUAL_HEADERS = "Authorization, Content-Type, X-CSRF-TOKEN, X-Requested-With, X-Socket-Id"
_PREFLIGHT_AGE = "600"  # Seconds.  Clients authorise again, all at once, whenever they reconnect.


class BadBody(Invalid):
    """A request's body is not what the endpoint takes."""


class UnknownMediaType(Invalid):
    """A request's body is of a kind that we do not read."""

    status = 415

    def __init__(self) -> None:
        super().__init__(f"expected a body of {FORM} or {JSON}")


class Fields(msgspec.Struct, frozen=True):
    """
    The fields that we read; clients may post others too.

    Attributes:
        socket_id: The connection that asks.
        channel_name: The channel that it asks for; empty where it signs in, or asks for several.
        channels: Those that it asks for at once.
    """

    socket_id: str
    channel_name: str = ""
    channels: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_CHANNELS)] = ()

    def __post_init__(self) -> None:
        if self.channel_name and self.channels:
            raise ValueError("it asks for a channel, and for several")


_decode_fields = msgspec.json.Decoder(Fields).decode


def parse(body: bytes, media_type: str) -> Fields:
    """
    Read a body.

    Args:
        body: As received.
        media_type: Of the ``Content-Type``, without parameters; empty: a form.

    Raises:
        BadBody: It is malformed, or a field is missing or no text.
        UnknownMediaType: It is neither a form nor JSON.
    """
    try:
        if media_type == JSON:
            return _decode_fields(body)
        if media_type in {"", FORM}:
            return msgspec.convert(_form(body.decode()), Fields)
    except msgspec.ValidationError as error:
        raise BadBody(f"invalid body: {error}") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadBody("the body is malformed") from error
    raise UnknownMediaType


def _form(text: str) -> dict[str, Any]:
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    form: dict[str, Any] = dict(pairs)
    form.pop("channels", None)
    several = [value for name, value in pairs if name == SEVERAL]
    return form | {"channels": several} if several else form


def permission(headers: Mapping[str, str], apps: Iterable[App]) -> dict[str, str]:
    """
    Compose the headers that let a page of another origin read an answer.

    Args:
        headers: Of the request.
        apps: Those that the request may concern.

    Returns:
        Nothing where no browser asks, or where none of the apps allows its page's origin.
    """
    origin = headers.get("Origin")
    if not origin:
        return {}
    lists = [app.allowed_origins for app in apps]
    if any(is_open(origins) for origins in lists):
        return {"Access-Control-Allow-Origin": "*"}
    if any(allows(origins, origin) for origins in lists):
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {"Vary": "Origin"}


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """Compose the headers that tell a browser what a page may send."""
    asked = headers.get("Access-Control-Request-Headers") or _USUAL_HEADERS
    return {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": _PREFLIGHT_AGE,
    }
