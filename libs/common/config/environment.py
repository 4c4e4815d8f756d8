"""
What the environment may set, and what it does set.

Pure, but for the files that variables name.  ``FANFARE_GATEWAY_MAX_CONNECTIONS`` is
``gateway.max_connections``; as section and key may contain underscores, names are looked up among
the known settings and never taken apart.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from libs.common.config.masks import shown_path
from libs.common.config.types import is_struct, member_of

PREFIX = "FANFARE_"
CONFIG = "FANFARE_CONFIG"  # Names the file.
RESERVED = "FANFARE_TEST_"  # For the tests of this project.
FILE = "_FILE"

_SERVICE_LINK = re.compile(
    r"FANFARE_([A-Z0-9]+_)*"
    r"(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One setting.

    Attributes:
        path: Section and key; ``[]`` stands for any member of a list of tables.
        kind: The type of its value.
        default: The default of the setting, or `msgspec.NODEFAULT`.
    """

    path: tuple[str, ...]
    kind: Any
    default: Any

    @property
    def name(self) -> str:
        """How the file names it: ``gateway.max_connections``, ``apps[].key``."""
        return ".".join(self.path).replace(".[]", "[]")

    @property
    def variable(self) -> str:
        """How the environment names it; members of lists have no name there."""
        return "" if "[]" in self.path else PREFIX + "_".join(self.path).upper()


def listing(model: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield all settings, in the order of the structs."""
    for field in msgspec.structs.fields(model):
        here = (*path, field.encode_name)
        if is_struct(field.type):
            yield from listing(field.type, here)
            continue
        yield Setting(here, field.type, _default(field))
        member = member_of(field.type)
        if is_struct(member):
            yield from listing(member, (*here, "[]"))


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a value stands, for messages.

    Attributes:
        source: What it stands in: a file and a colon, or nothing.
        name: What it is called there.
        concealed: Whether it may be a secret.
    """

    source: str
    name: str
    concealed: bool = False

    def key(self, name: str) -> "Place":
        """Tell the place of a value in the table here."""
        return replace(self, name=f"{self.name}.{name}" if self.name else name)

    def member(self, index: int) -> "Place":
        """Tell the place of a value in the list here."""
        return replace(self, name=f"{self.name}[{index}]")

    def __str__(self) -> str:
        return f"{self.source}{self.name}"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value from the environment; None if it cannot be read."""

    text: str | None
    place: Place


def read(
    model: type[msgspec.Struct], environ: Mapping[str, str], problems: list[str]
) -> dict[tuple[str, ...], Variable]:
    """
    Find what the environment sets.

    Args:
        model: The struct whose settings they are.
        environ: All variables of the process.
        problems: Takes what is wrong.

    Returns:
        By path.
    """
    paths = {setting.variable: setting.path for setting in listing(model) if setting.variable}
    variables: dict[tuple[str, ...], Variable] = {}
    for name, value in sorted(environ.items()):
        if not _concerns_us(name, value):
            continue
        path = paths.get(name) or paths.get(name.removesuffix(FILE))
        if path is None:
            # All of them begin alike, so they must be very much so.
            hint = did_you_mean(name, [*paths, CONFIG], likeness=0.85)
            problems.append(f"{name} is unknown{hint}")
        elif path in variables:
            problems.append(f"{name} and {variables[path].place} are both set; one of them may be")
        else:
            variables[path] = _variable(name, value, problems, is_file=name not in paths)
    return variables


def did_you_mean(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Suggest what an unknown name may stand for; empty if nothing is like it (1: the same)."""
    close = get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f"; did you mean {close[0]}?" if close else ""


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Say why a file cannot be read."""
    return "not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _concerns_us(name: str, value: str) -> bool:
    if not name.startswith(PREFIX) or name.startswith(RESERVED) or name == CONFIG:
        return False
    # Kubernetes tells every pod about the services beside it; one called fanfare-gateway is no
    # setting.
    return not (_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and "://" in value))


def _variable(name: str, value: str, problems: list[str], *, is_file: bool) -> Variable:
    place = Place("", name, concealed=is_file)
    if not is_file:
        return Variable(value, place)
    try:
        text = Path(value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{name}: cannot read {shown_path(value)}: {reason(error)}")
        return Variable(None, place)
    return Variable(text.removesuffix("\n").removesuffix("\r"), place)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()
