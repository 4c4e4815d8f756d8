"""
The loader of settings: one TOML file, and the environment over it, become a frozen struct.

Knows no setting by name.  ``FANFARE_GATEWAY_MAX_CONNECTIONS`` is ``gateway.max_connections``; with
``_FILE`` at its end a variable names a file that holds the value, as secrets are mounted.  All that
is wrong is found before anything is said, and what a secret holds is never said.
"""

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args, get_origin

import msgspec

from libs.common.config import environment
from libs.common.config.address import Address, Network, Url
from libs.common.config.environment import CONFIG, Place, Variable, did_you_mean, reason
from libs.common.config.masks import masked
from libs.common.config.secret import Secret
from libs.common.config.types import (
    base_of,
    bounds_of,
    expected,
    found,
    is_struct,
    may_stand_alone,
    member_of,
    sort_of,
)
from libs.common.errors import Misconfigured

T = TypeVar("T", bound=msgspec.Struct)

_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    Secret: Secret,
    Url: Url,
    Address: Address.parse,
    Network: ip_network,
}
_AFTER_BRACKET = frozenset({'"', "]", " ", "\n", ""})  # In JSON, and never in an address.
_WRONG: Final = object()  # In the place of a value that could not be read.


def load(model: type[T], *, path: Path | None, environ: Mapping[str, str]) -> T:
    """
    Read settings.

    Args:
        model: Its fields are the sections of the file.
        path: The file; None: the one that ``FANFARE_CONFIG`` names, or none.
        environ: The environment variables; only those that begin with ``FANFARE_`` count.

    Raises:
        Misconfigured: Something is unknown, missing or wrong; the error names all of it, a line
            each.
    """
    file = file_of(path, environ)
    problems: list[str] = []
    written = document(file)
    origin = Place(f"{file}: " if file else "", "")
    reader = _Reader(environment.read(model, environ, problems), problems)
    settings = reader.table(model, written, origin, path=())
    if problems:
        raise Misconfigured("\n".join(problems))
    return cast("T", settings)


class _Reader:
    """
    Turns plain values into what the types ask for, and notes what is wrong with them.

    Args:
        variables: What the environment sets, by path.
        problems: Takes what is wrong.
    """

    def __init__(self, variables: Mapping[tuple[str, ...], Variable], problems: list[str]) -> None:
        self._variables = variables
        self._problems = problems

    def table(
        self,
        model: type[msgspec.Struct],
        raw: Any,
        place: Place,
        *,
        path: tuple[str, ...] | None = None,
    ) -> Any:
        """Read a struct; ``path`` is None inside lists, where no variable reaches."""
        if not isinstance(raw, dict):
            return self._wrong(model, raw, place)
        fields = msgspec.structs.fields(model)
        self._refuse_unknown(raw, [field.encode_name for field in fields], place)
        read = {field.name: self._field(field, raw, place, path) for field in fields}
        if _WRONG in read.values():
            return _WRONG
        try:
            return model(
                **{name: value for name, value in read.items() if value is not msgspec.UNSET}
            )
        except ValueError as error:
            return self._problem(place, str(error))

    def _field(
        self,
        field: msgspec.structs.FieldInfo,
        table: Mapping[str, Any],
        place: Place,
        path: tuple[str, ...] | None,
    ) -> Any:
        """Read one field; UNSET leaves its default."""
        name = field.encode_name
        here = None if path is None else (*path, name)
        variable = self._variables.get(here) if here else None
        if variable is not None:
            text, place = variable.text, variable.place
            return _WRONG if text is None else self._text(field.type, text, place)
        if here and is_struct(field.type):
            return self.table(field.type, table.get(name, {}), place.key(name), path=here)
        if name in table:
            return self._value(field.type, table[name], place.key(name))
        if field.required:
            return self._problem(place.key(name), f"missing; expected {expected(field.type)}")
        return msgspec.UNSET

    def _value(self, kind: Any, raw: Any, place: Place) -> Any:
        """Read a value of TOML or JSON."""
        base = base_of(kind)
        if is_struct(base):
            return self.table(base, raw, place)
        if get_origin(base) is tuple:
            return self._list(kind, raw, place, self._value)
        if get_origin(base) is dict:
            return self._dict(kind, raw, place)
        return self._scalar(kind, raw, place, strict=True)

    def _text(self, kind: Any, text: str, place: Place) -> Any:
        """Read a value of the environment: tables are JSON, lists JSON or joined by commas."""
        base, member = base_of(kind), member_of(kind)
        is_list = member is not None
        if is_list and not is_struct(member) and not _is_json(text, member):
            parts = [part.strip() for part in text.split(",")] if text.strip() else []
            is_alone = len(parts) == 1 and may_stand_alone(kind)
            return self._list(kind, parts[0] if is_alone else parts, place, self._text)
        if is_list or get_origin(base) is dict:
            return self._json(kind, text, place)
        return self._scalar(kind, text, place, strict=False)

    def _json(self, kind: Any, text: str, place: Place) -> Any:
        try:
            return self._value(kind, msgspec.json.decode(text), place)
        except (msgspec.DecodeError, RecursionError) as error:
            return self._problem(place, f"expected {expected(kind)} as JSON; {error}")

    def _list(
        self, kind: Any, raw: Any, place: Place, read: Callable[[Any, Any, Place], Any]
    ) -> Any:
        if may_stand_alone(kind) and not isinstance(raw, list):
            value = read(member_of(kind), raw, place)
            return value if value is _WRONG else (value,)
        if not isinstance(raw, list) or not all(_fits(raw, meta) for meta in bounds_of(kind)):
            return self._wrong(kind, raw, place)
        member = member_of(kind)
        values = tuple(read(member, item, place.member(at)) for at, item in enumerate(raw))
        return _WRONG if _WRONG in values else values

    def _dict(self, kind: Any, raw: Any, place: Place) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(kind, raw, place)
        member = get_args(base_of(kind))[1]
        values = {name: self._value(member, item, place.key(name)) for name, item in raw.items()}
        return _WRONG if _WRONG in values.values() else values

    def _scalar(self, kind: Any, raw: Any, place: Place, *, strict: bool) -> Any:
        parse = _PARSERS.get(kind)
        try:
            if parse is not None:
                return parse(msgspec.convert(raw, str))
            value = msgspec.convert(raw, kind, strict=strict)
        except ValueError:  # msgspec's ValidationError is one.
            return self._wrong(kind, raw, place)
        finite = not isinstance(value, float) or math.isfinite(value)
        return value if finite else self._wrong(kind, raw, place)

    def _wrong(self, kind: Any, raw: Any, place: Place) -> Any:
        seen = sort_of(raw) if place.concealed or _may_be_secret(kind) else found(raw)
        return self._problem(place, f"expected {expected(kind)}, found {seen}")

    def _problem(self, place: Place, sentence: str) -> Any:
        separator = ": " if place.name else ""
        self._problems.append(f"{place}{separator}{sentence}")
        return _WRONG

    def _refuse_unknown(self, raw: Iterable[str], known: list[str], place: Place) -> None:
        for name in raw:
            if name not in known:
                shown = place.key(masked(name))
                self._problems.append(f"{shown} is unknown{did_you_mean(name, known)}")


def file_of(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Tell which file holds settings: the one that was named, or else the environment's."""
    named = environ.get(CONFIG)
    return path or (Path(named) if named else None)


def document(file: Path | None) -> dict[str, Any]:
    """
    Read the file; without one nothing is set.

    Raises:
        Misconfigured: The file cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, UnicodeDecodeError) as error:
        name = masked(str(file))
        raise Misconfigured(f"cannot read the configuration {name}: {reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file}: not TOML: {error}") from error


def _is_json(text: str, member: Any) -> bool:
    """Tell whether a list is written as JSON; IPv6 addresses have brackets, too."""
    begins = text.lstrip()
    return begins.startswith("[") and (member is not Address or begins[1:2] in _AFTER_BRACKET)


def _may_be_secret(kind: Any) -> bool:
    """Tell whether what stands in a place of this type may be, or hold, a secret."""
    base = base_of(member_of(kind) or kind)
    return base in {Secret, Url} or is_struct(base) or get_origin(base) is dict


def _fits(members: list[Any], meta: msgspec.Meta) -> bool:
    longest = len(members) if meta.max_length is None else meta.max_length
    return (meta.min_length or 0) <= len(members) <= longest
