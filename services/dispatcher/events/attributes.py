"""
CloudEvents' context attributes: those that we read, what holds of them, and the JSON format.

Pure.  Sources: CloudEvents 1.0.2, "Context attributes" and "JSON event format".
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from libs.common.channels import BadSocketId, check_socket_id, is_user_id
from libs.common.json_text import JsonReader, NestedTooDeeply
from libs.common.rfc3339 import instant
from services.dispatcher.events.event import TooDeep, Undecodable, broken, parse

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """The context attributes that we read; others pass unseen."""

    specversion: str
    id: _Text
    source: _Text
    type: _Text
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    socketid: str | None = None
    userid: Any = None
    traceparent: str | None = None
    partitionkey: str | None = None
    iodebeziumop: str | None = None

    def check(self) -> float | None:
        """
        Check what types cannot say.

        Returns:
            What ``time`` says, in UTC epoch seconds; None: there is none.

        Raises:
            Undecodable: Another version of CloudEvents, ``time`` is none, or ``socketid`` is no
                socket id.
        """
        if self.specversion != "1.0":
            raise Undecodable("not a CloudEvent: only specversion 1.0 is supported")
        moment = None if self.time is None else _moment(self.time)
        if self.socketid:
            try:
                check_socket_id(self.socketid)
            except BadSocketId as error:
                reason = "socketid is not digits, a full stop and digits"
                raise Undecodable(f"not a CloudEvent: {reason}") from error
        return moment

    @property
    def user(self) -> str:
        """
        The user whom ``userid`` names, or empty.

        An extension of that name may mean anything to whoever wrote the event, so that one which
        cannot be a user's id names nobody.  A whole number, which CloudEvents allows, is its text.
        """
        if self.userid is None:
            return ""
        is_number = isinstance(self.userid, int) and not isinstance(self.userid, bool)
        text = str(self.userid) if is_number else self.userid
        return text if isinstance(text, str) and is_user_id(text) else ""

    @property
    def key(self) -> bytes | None:
        """The key that keeps related events in order (CloudEvents, "Partitioning"), or subject."""
        key = self.partitionkey or self.subject
        return key.encode(errors="surrogatepass") if key else None


def _moment(time: str) -> float:
    try:
        return instant(time)
    except ValueError as error:
        raise Undecodable("not a CloudEvent: time is not an RFC 3339 time with a zone") from error


class Envelope(Attributes, frozen=True, gc=False):
    """The JSON format: attributes, and data as JSON or as base64."""

    data: Any = UNSET
    data_base64: bytes | None = None


class _Outside(Attributes, frozen=True):
    """The same, with data that nobody has looked into."""

    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes | None = None


# In binary mode `content-type` says what `datacontenttype` says here.
HEADERS = frozenset(Attributes.__struct_fields__) - {"datacontenttype"}
_envelope = JsonReader(Envelope, around=1)
_outside = JsonReader(_Outside, around=1)


def attributes_of(texts: Mapping[str, str]) -> tuple[Attributes, float | None]:
    """
    Read attributes, and check them.

    Returns:
        The attributes, and the instant of their time, if they have one.

    Raises:
        Undecodable: One is missing, or breaks a rule.
    """
    try:
        attributes = msgspec.convert(texts, Attributes)
    except msgspec.ValidationError as error:
        raise Undecodable(f"not a CloudEvent: {error}") from error
    return attributes, attributes.check()


def opened(document: bytes | msgspec.Raw) -> tuple[Envelope, float | None]:
    """
    Read an event in the JSON format, and check its attributes.

    Returns:
        See `attributes_of`.

    Raises:
        Undecodable: It is no JSON, its data are nested too deeply, or an attribute is missing or
            breaks a rule.
    """
    try:
        envelope = _envelope.read(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        envelope = _opened_outside_in(document)
    return envelope, envelope.check()


def _opened_outside_in(document: bytes | msgspec.Raw) -> Envelope:
    """Read what cannot be read at once, so that an error says whether it is within the data."""
    try:
        outside = _outside.read(document)
    except NestedTooDeeply as error:  # Attributes are plain (CloudEvents, "Type System").
        raise TooDeep("data") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a CloudEvent: {broken(error)}") from error
    outside.check()
    if outside.data_base64 is not None:
        raise Undecodable("both data and data_base64")
    return Envelope(**(asdict(outside) | {"data": parse(outside.data, "data")}))
