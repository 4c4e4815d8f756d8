"""
The events of the log as a page: name, level and fields as the source has them, and what to do about each.

What an event means, and what to do, stands in docs/log-events.toml.  ``python -m tests.support.documents.log_events``
prints docs/log-events.md; `make docs` writes it, and a test holds it.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.support.documents.tree import ROOT, TOPS

WORDS = Path("docs") / "log-events.toml"
LEVELS = ("error", "warning", "info", "debug")

_METHODS = {"exception": "error", "critical": "error", **{level: level for level in LEVELS}}
_LOGGER = re.compile(r"(?:.*_)?log")  # What loggers are called.
_UNSAID = {"exc_info", "pace_by"}  # Of the call, and not of the line.

_HEAD = """\
# Log events

Everything that Fanfare says in its log, for whoever reads it at night. `make docs` writes this page: levels and fields
come from the code, the words from `log-events.toml`. [operations.md](operations.md) tells where the log goes, and how
health is asked.

Every line has `event`, `level` and `timestamp` (UTC). **error**: somebody must act. **warning**: somebody may have to.
**info**: worth counting. **debug** is written with `log.level = "debug"` alone. `exception` is a traceback. `more` is on
a line that comes after others of its kind were held back, and says how many. `trace_id` and `span_id` are on lines that
tell of an event or a request that is traced. A field in parentheses is not on every line. No line holds a secret, a token or the content of an event. Lines of other libraries, from `warning` on, have the
words of the library as their `event`.
"""


@dataclass(frozen=True, slots=True)
class LogCall:
    """
    A call that logs.

    Attributes:
        place: File and line.
        event: Empty: it is not written there as a literal.
        level: As the line has it.
        fields: Keys of the line, in order.
        is_open: Whether further keys come along that are not written there.
        is_paced: Whether lines of one kind are paced apart from those of others.
    """

    place: str
    event: str
    level: str
    fields: tuple[str, ...]
    is_open: bool
    is_paced: bool = False


@dataclass(frozen=True, slots=True)
class LogEvent:
    """
    An event: all calls that log it, and the words about it.

    Attributes:
        calls: At least one.
        words: ``means``, ``do``, and where a call is open ``more``, the keys that come along.
    """

    name: str
    calls: tuple[LogCall, ...]
    words: Mapping[str, Any]

    @property
    def levels(self) -> list[str]:
        """The levels that it has, the worst first."""
        return [level for level in LEVELS if level in {call.level for call in self.calls}]

    def fields(self) -> list[str]:
        """Name its keys, in parentheses those that are not on every line."""
        every = dict.fromkeys(chain.from_iterable(call.fields for call in self.calls))
        always = [name for name in every if all(name in call.fields for call in self.calls)]
        some = dict.fromkeys([*every, *self.words.get("more", ())])
        return [f"`{name}`" for name in always] + [
            f"(`{name}`)" for name in some if name not in always
        ]


def page(root: Path = ROOT) -> str:
    """Compose docs/log-events.md."""
    events = events_of(calls(root), words(root))
    lines = chain.from_iterable(_entry(event) for event in events)
    return "\n".join([_HEAD, *_index(events), *lines])


def calls(root: Path = ROOT) -> list[LogCall]:
    """Find every call that logs."""
    files = sorted(path for top in TOPS for path in (root / top).rglob("*.py"))
    return [call for path in files for call in _calls_in(path, str(path.relative_to(root)))]


def words(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Read what is said about each event, by name."""
    tables = tomllib.loads((root / WORDS).read_text(encoding="utf-8"))
    return {
        f"{thing}.{what}": said for thing, group in tables.items() for what, said in group.items()
    }


def events_of(found: Sequence[LogCall], said: Mapping[str, Mapping[str, Any]]) -> list[LogEvent]:
    """Put together what belongs to each event, by name; nothing is said of some as yet."""
    names = sorted({call.event for call in found if call.event})
    return [
        LogEvent(name, tuple(call for call in found if call.event == name), said.get(name, {}))
        for name in names
    ]


def _calls_in(path: Path, place: str) -> Iterator[LogCall]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(ast.Attribute(logger, method)) if method in _METHODS:
                if _LOGGER.fullmatch(_name(logger)):
                    yield _call(node, method, f"{place}:{node.lineno}")


def _call(node: ast.Call, method: str, place: str) -> LogCall:
    names = [keyword.arg for keyword in node.keywords]
    has_trace = method == "exception" or "exc_info" in names
    event = node.args[0] if len(node.args) == 1 else None
    return LogCall(
        place,
        event.value if isinstance(event, ast.Constant) and isinstance(event.value, str) else "",
        _METHODS[method],
        (
            *(name for name in names if name and name not in _UNSAID),
            *(["exception"] if has_trace else []),
        ),
        is_open=None in names,
        is_paced="pace_by" in names,
    )


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def _index(events: Sequence[LogEvent]) -> Iterator[str]:
    for level in LEVELS:
        links = [f"[{e.name}](#{e.name.replace('.', '')})" for e in events if level in e.levels]
        yield _wrapped(f"**{level}**: {' · '.join(links)}")


def _entry(event: LogEvent) -> Iterator[str]:
    yield f"## `{event.name}`\n"
    yield _wrapped(f"{', '.join(event.levels)}: {', '.join(event.fields()) or 'no fields'}")
    yield _wrapped(event.words.get("means", "?"))
    yield _wrapped(f"**Do**: {event.words.get('do', '?')}")


def _wrapped(text: str) -> str:
    """Make a paragraph of the width that documents have."""
    words = " ".join(text.split())
    return f"{fill(words, 120, break_long_words=False, break_on_hyphens=False)}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
