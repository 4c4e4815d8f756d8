"""
What clients post to the auth endpoints.

Pure.  Source: pusher-js and Laravel Echo, docs/protocol.md, "Client-side auth endpoints".
"""

from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from libs.common.channels import check_socket_id
from services.auth.bodies import FORM, JSON, MAX_FIELDS, BadBody, UnknownMediaType

SEVERAL = "channel_name[]"  # How a form names each of several channels.
MOST_CHANNELS = 100  # Of one request.


class Fields(msgspec.Struct, frozen=True):
    """
    The fields that we read; clients may post others too.

    Attributes:
        socket_id: The connection that asks; it has been checked.
        channel_name: The channel that it asks for; empty where it signs in, or asks for several.
        channels: Those that it asks for at once.
    """

    socket_id: str
    channel_name: str = ""
    channels: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_CHANNELS)] = ()

    def __post_init__(self) -> None:
        if self.channel_name and self.channels:
            raise ValueError("it asks for a channel, and for several")
        check_socket_id(self.socket_id)


_decode_fields = msgspec.json.Decoder(Fields).decode


def parse(body: bytes, media_type: str) -> Fields:
    """
    Read a body.

    Args:
        body: As received.
        media_type: Of the ``Content-Type``, without parameters; empty: a form.

    Raises:
        BadBody: It is malformed, or a field is missing or no text.
        BadSocketId: The socket id is none.
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
