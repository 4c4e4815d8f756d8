"""
The settings that hold, each with where it comes from: the file, the environment, or its default.

Pure, but for the files that the loader reads.  Secrets are masked (`masks`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from libs.common.config import environment
from libs.common.config.environment import Variable
from libs.common.config.loader import document, file_of
from libs.common.config.masks import masked, place_of
from libs.common.config.types import is_permit, is_struct, member_of

Source = Literal["default", "file", "environment"]

_ABSENT = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """
    Where a value comes from.

    Attributes:
        source: The kind of place.
        place: The file, or the variable; empty for a default.
    """

    source: Source = "default"
    place: str = ""


DEFAULT = SettingOrigin()


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """
    A setting that holds.

    Attributes:
        name: As messages have it: ``gateway.max_connections``, ``apps[0].key``.
        value: As JSON has it; secrets are masked.
        origin: Where it comes from.
    """

    name: str
    value: Any
    origin: SettingOrigin


def effective(
    settings: msgspec.Struct, *, path: Path | None, environ: Mapping[str, str]
) -> Iterator[EffectiveSetting]:
    """
    List the settings that hold, in the order of their structs.

    Args:
        settings: As the loader made them, of the same path and environment.
        path: The file; None: the one that ``FANFARE_CONFIG`` names, or none.
        environ: The environment variables.

    Raises:
        Misconfigured: The file cannot be read any more.
    """
    file = file_of(path, environ)
    variables = environment.read(type(settings), environ, [])
    pairing = _Pairing(variables)
    raw = document(file)
    yield from pairing.table(
        settings, raw, "", origin=SettingOrigin("file", str(file or "")), path=()
    )


@dataclass(frozen=True, slots=True)
class _Pairing:
    """Goes through structs, each beside what was written for it."""

    variables: Mapping[tuple[str, ...], Variable]

    def table(
        self,
        table: msgspec.Struct,
        raw: Any,
        name: str,
        *,
        origin: SettingOrigin,
        path: tuple[str, ...] | None,
    ) -> Iterator[EffectiveSetting]:
        """List the fields of a struct; ``path`` is None inside lists, where no variable reaches."""
        for field in msgspec.structs.fields(type(table)):
            key = field.encode_name
            here = None if path is None else (*path, key)
            written, source = _written(raw, key), origin
            variable = self.variables.get(here) if here else None
            if variable is not None:
                written, source = (
                    _parsed(variable),
                    SettingOrigin("environment", str(variable.place)),
                )
            value, full = getattr(table, field.name), f"{name}.{key}" if name else key
            if is_struct(field.type):
                yield from self.table(value, written, full, origin=source, path=here)
            elif value and is_struct(member_of(field.type)):
                yield from self._members(value, written, full, origin=source)
            else:
                shown = place_of(value) if is_permit(field.type) else masked(value)
                yield EffectiveSetting(full, shown, DEFAULT if written is _ABSENT else source)

    def _members(
        self, members: tuple[msgspec.Struct, ...], raw: Any, name: str, *, origin: SettingOrigin
    ) -> Iterator[EffectiveSetting]:
        written = raw if isinstance(raw, list) else []
        for at, member in enumerate(members):
            table = written[at] if at < len(written) else _ABSENT
            yield from self.table(member, table, f"{name}[{at}]", origin=origin, path=None)


def _written(raw: Any, key: str) -> Any:
    return raw.get(key, _ABSENT) if isinstance(raw, dict) else _ABSENT


def _parsed(variable: Variable) -> Any:
    """Read what a variable says as far as it says several things; None: it says one."""
    try:
        return msgspec.json.decode(variable.text or "")
    except msgspec.DecodeError:
        return None
