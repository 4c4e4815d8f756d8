"""
The types of settings: how they are built, and how they and their values read in words.

Pure.  For the loader's messages and for docs/configuration.md.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from libs.common.config.address import Address, Network, Url
from libs.common.config.masks import masked
from libs.common.config.secret import Secret

LONGEST = 60  # Characters of a value that are shown.
ALONE: Final = "alone"  # Notes on a list that its only member may stand in its place.
PERMITS: Final = "permits"  # Notes on a URL that who knows it may use it: its path is secret.

_TYPES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Secret: "a text",
    Url: "a URL",
    Address: "host:port (an IPv6 address in brackets: [::1]:6001; all addresses: *:6001)",
    Network: "a network such as 10.0.0.0/8",
}
# A bool is an int, so it comes first.
_SORTS: Mapping[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    dict: "a table",
    type(None): "null",
}


def base_of(kind: Any) -> Any:
    """Take the bounds off a type."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def bounds_of(kind: Any) -> Iterator[msgspec.Meta]:
    """Yield the bounds of a type."""
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return (note for note in notes if isinstance(note, msgspec.Meta))


def member_of(kind: Any) -> Any:
    """Tell the type of a list's members; None if it is no list."""
    base = base_of(kind)
    return get_args(base)[0] if get_origin(base) is tuple else None


def may_stand_alone(kind: Any) -> bool:
    """Tell whether a list's only member may stand in its place."""
    return get_origin(kind) is Annotated and ALONE in get_args(kind)[1:]


def is_permit(kind: Any) -> bool:
    """Tell whether a URL's path is secret."""
    return get_origin(kind) is Annotated and PERMITS in get_args(kind)[1:]


def is_struct(kind: Any) -> bool:
    """Tell whether a type is a table with known keys."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def expected(kind: Any) -> str:
    """Say what a type takes: ``a whole number from 1 to 4096``."""
    base = base_of(kind)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(get_args(base))
    if member_of(kind) is not None:
        words = "a list"
    elif is_struct(base) or get_origin(base) is dict:
        words = "a table"
    else:
        words = _TYPES[base]
    return " ".join([words, *map(_bounds, bounds_of(kind))])


def _bounds(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f"from {meta.ge} to {meta.le}"
    if meta.pattern is not None:
        return f"that matches {meta.pattern}"
    if meta.max_length is not None:
        return f"of {meta.min_length or 0} to {meta.max_length}"
    if meta.min_length is not None:
        return "that is not empty"
    return f"above {meta.gt}" if meta.gt is not None else f"of at least {meta.ge}"


def found(raw: Any) -> str:
    """Say what was found: ``"abc"``, ``a table``."""
    if not isinstance(raw, bool | int | float | str):
        return sort_of(raw)
    text = show(masked(raw))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def sort_of(raw: Any) -> str:
    """Say of what sort a value of a file is, and not the value."""
    if isinstance(raw, list):
        return f"a list of {len(raw)}"
    return next(
        (words for sort, words in _SORTS.items() if isinstance(raw, sort)), "a date or a time"
    )


def show(value: Any) -> str:
    """Write a value as it stands in a file.  Of a `Secret` or `Url`, only what is no secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.15g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{ … }" if value else "{}"
    concealed = isinstance(value, Secret) and value.reveal()
    return json.dumps("…" if concealed else _text(value), ensure_ascii=False)


def _text(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)
