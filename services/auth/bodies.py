"""
Bodies of requests to auth, whatever they ask for.

Pure.  Clients and back ends post forms or JSON.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec

from libs.common.errors import Invalid
from libs.common.json_text import JsonReader

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MAX_FIELDS = 200  # Of a form: a hundred channels, and what pages add of their own.

T = TypeVar("T")


class BadBody(Invalid):
    """A request's body is not what the endpoint takes."""


class UnknownMediaType(Invalid):
    """A request's body is of a kind that we do not read."""

    status = 415

    def __init__(self) -> None:
        super().__init__(f"expected a body of {FORM} or {JSON}")


def read(
    body: bytes, media_type: str, kind: type[T], *, fold: Callable[[list[tuple[str, str]]], object]
) -> T:
    """
    Read a body as a value of a kind.

    Args:
        body: As received.
        media_type: Of the ``Content-Type``, without parameters; empty: a form.
        kind: What JSON must be, and a form when it is folded.
        fold: Makes one object of a form's names and values; raises ValueError if it cannot.

    Raises:
        BadBody: It is malformed, or a field is missing or wrong.
        UnknownMediaType: It is neither a form nor JSON.
    """
    try:
        if media_type == JSON:
            value: T = _reader(cast("Any", kind)).read(body)
            return value
        if media_type in {"", FORM}:
            return msgspec.convert(fold(_pairs(body)), kind)
    except msgspec.ValidationError as error:
        raise BadBody(f"invalid body: {error}") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadBody("the body is malformed") from error
    raise UnknownMediaType


@cache
def _reader(kind: Any) -> JsonReader[Any]:
    return JsonReader(kind)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
