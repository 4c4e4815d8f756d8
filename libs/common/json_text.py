r"""
JSON of any origin, also with half of a surrogate pair in a text.

Pure.  Read and written by msgspec, and by Python's own where msgspec refuses.  ``"\ud83d"`` is such
a half: ``JSON.stringify`` writes it when a text was cut within an emoji.  RFC 8259 (8.2) allows it
and calls what becomes of it unpredictable; msgspec refuses it.  Here it passes unchanged: in Python
it is a lone surrogate, which goes out as the escape that it came as.  No text of ours needs the
second reader, so it is asked only after the first has failed.

A document may be nested `MAX_DEPTH` levels deep, whatever it is: its brackets are counted before
anything that works level by level meets it.  Whoever takes values from elsewhere asks `is_deeper`.
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T")

MAX_DEPTH = 64  # Levels.  Beyond some thousands, what CEL makes of a value overflows the C stack.

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\n\r]*")
_PAIRS = bytes.maketrans(b"[]{}", b"()()")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_NESTING = (dict, list)
_encode = msgspec.json.Encoder().encode


class NestedTooDeeply(msgspec.DecodeError):
    """A document is nested too deeply."""

    def __init__(self) -> None:
        super().__init__(f"it is nested deeper than {MAX_DEPTH} levels")


class JsonReader(Generic[T]):
    """
    Reads JSON as values of one type.

    Args:
        kind: As msgspec takes it.  `msgspec.Raw` may stand for the whole, for the fields of a
            struct, and for the elements of a list or an object.
        takes_halves: Whether half a surrogate pair may stand in a text; if not, it is refused with
            that reason.
        around: Levels around what `MAX_DEPTH` bounds: those of an envelope of our own or of a
            standard's.
    """

    __slots__ = ("_decoder", "_kind", "_levels", "_takes_halves")

    def __init__(self, kind: type[T], *, takes_halves: bool = True, around: int = 0) -> None:
        self._kind = kind
        self._takes_halves = takes_halves
        self._levels = MAX_DEPTH + around
        self._decoder = msgspec.json.Decoder(kind)

    def read(self, text: bytes | str | msgspec.Raw) -> T:
        """
        Read a document.

        Raises:
            msgspec.DecodeError: It is no JSON, has a number out of range, or is not of the type.
            NestedTooDeeply: So it is.
            UnicodeDecodeError: It is not UTF-8.
        """
        _check_depth(text, self._levels)
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            plain = text.encode() if isinstance(text, str) else bytes(text)
            if not _HALF.search(plain):
                raise
        parts = _parts(plain.decode(), self._kind)
        if not self._takes_halves:
            raise msgspec.DecodeError("a text has half of a surrogate pair")
        try:
            return msgspec.convert(parts, self._kind)
        except UnicodeEncodeError as error:  # Of what should be base64.
            raise msgspec.DecodeError("a text has half of a surrogate pair") from error


def write(value: Any) -> bytes:
    """
    Write a value as JSON.

    Raises:
        TypeError: JSON has no such value.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=_plain).encode()


def is_deeper(value: Any, levels: int) -> bool:
    """Tell whether a value of JSON is nested deeper than so many levels; a plain one has none."""
    if not isinstance(value, _NESTING):
        return False
    if not levels:
        return True
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, _NESTING) and is_deeper(child, levels - 1):
            return True
    return False


def is_whole(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair, so that UTF-8 can say it."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def whole(text: str) -> str:
    """
    Make a text one that UTF-8 can say, with replacement characters for halves.

    What is not UTF-8 in a header is a half for each byte (PEP 383).
    """
    if is_whole(text):
        return text
    return text.encode(errors="surrogatepass").decode(errors="replace")


def _check_depth(text: bytes | str | msgspec.Raw, levels: int) -> None:
    """
    Refuse a document that is nested too deeply.

    None is deeper than it has opening brackets, so that most are cleared by counting them.  Of
    others remain the brackets that stand in no text, and pairs are taken out level by level.
    """
    plain = text.encode(errors="replace") if isinstance(text, str) else bytes(text)
    if plain.count(b"{") + plain.count(b"[") <= levels:
        return
    unescaped = plain.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(_PAIRS, _OTHERS)
    for _ in range(levels):
        left = brackets.replace(b"()", b"")
        if len(left) == len(brackets):  # A megabyte of one bracket would be looked at each time.
            break
        brackets = left
    # What is no JSON leaves brackets, and none that face each other.
    if b"()" in brackets or brackets.count(b"(") > levels:
        raise NestedTooDeeply


def _parts(text: str, kind: Any) -> Any:
    """Read a document of which some parts may be wanted as they are."""
    value = _loads(text)
    if kind is msgspec.Raw:
        return msgspec.Raw(text.strip().encode())
    if isinstance(value, dict) and (raw := _raw_fields(kind, value)):
        members = dict(_members(text))
        return value | {name: msgspec.Raw(members[name].encode()) for name in raw}
    if isinstance(value, list) and _is_raw_inside(kind):
        return [msgspec.Raw(part.encode()) for _, part in _members(text)]
    return value


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_float, parse_constant=_refuse)
    except ValueError as error:
        raise msgspec.DecodeError(f"JSON is malformed: {error}") from error


def _raw_fields(kind: Any, value: dict[str, Any]) -> set[str]:
    """Name the fields that are wanted as they are."""
    if _is_raw_inside(kind):
        return set(value)
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return set()
    wanted = {
        field.encode_name for field in msgspec.structs.fields(kind) if field.type is msgspec.Raw
    }
    return wanted & value.keys()


def _is_raw_inside(kind: Any) -> bool:
    return get_origin(kind) in {list, tuple, dict} and msgspec.Raw in get_args(kind)


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Yield a valid object's members, or a list's elements under no name, as they are written."""
    decoder = json.JSONDecoder()
    is_object = text.lstrip().startswith("{")
    at = _after(text, _after(text, 0) + 1)
    while text[at] not in "]}":
        name = ""
        if is_object:
            name, at = decoder.raw_decode(text, at)
            at = _after(text, _after(text, at) + 1)
        _, end = decoder.raw_decode(text, at)
        yield name, text[at:end]
        at = _after(text, end)
        if text[at] == ",":
            at = _after(text, at + 1)


def _after(text: str, at: int) -> int:
    """Pass over white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError("number out of range")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no value")


def _plain(value: Any) -> Any:
    return (
        _loads(bytes(value).decode())
        if isinstance(value, msgspec.Raw)
        else msgspec.to_builtins(value)
    )
