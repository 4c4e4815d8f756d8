"""
What clients post to the auth endpoints.

Pure.  Source: pusher-js and Laravel Echo, docs/protocol.md, "Client-side auth endpoints".
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from libs.common.channels import check_socket_id
from services.auth.bodies import read

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
    return read(body, media_type, Fields, fold=_folded)


def _folded(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    form: dict[str, Any] = dict(pairs)
    form.pop("channels", None)
    several = [value for name, value in pairs if name == SEVERAL]
    return form | {"channels": several} if several else form
