r"""
The texts of a line of the log: none is longer than it may be, and all can be shown as they are.

Pure; a processor of structlog.  Strangers choose paths, names and origins, and a part of many
reasons.  No line is long because of them, and what they put there neither looks like a line of its
own nor moves the cursor of a terminal: it is spelled out, ``\n`` or ``\udcff``.
"""

from collections.abc import MutableMapping
from typing import Any

LONGEST = 200  # Characters of a text.
LONGEST_OF_ERRORS = 5000  # The same of an error, which no stranger causes.

_ERRORS = frozenset({"error", "exception", "critical"})
_CUT = frozenset({"frame"})  # Whoever asked for these had them cut already.


def bounded(_: object, method: str, line: MutableMapping[str, Any], /) -> MutableMapping[str, Any]:
    """Cut the texts of a line, its event among them, and spell out what cannot be shown."""
    is_error = method in _ERRORS
    for name, text in line.items():
        if not isinstance(text, str):
            continue
        if is_error:
            line[name] = _cut(text, LONGEST_OF_ERRORS)
        elif not text.isprintable() or len(text) > LONGEST:
            line[name] = spelled(text if name in _CUT else _cut(text, LONGEST))
    return line


def spelled(text: str) -> str:
    """Spell out what cannot be shown, as Python does."""
    return "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
