"""
Members: how many an expression may go through.

Pure.  The engine of CEL copies what a macro has made so far, and mostly its variables, for each
member: a list of 10,000 held the event loop for five seconds.  Whoever signs for an app, or posts
its events, may send a list of any length.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

# Members, by how deeply macros stand within one another.  Each takes about a tenth of a second,
# unless what is made of each member is long itself.
MOST = (0, 1000, 300, 60, 20)

_TEXT = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")


@lru_cache(maxsize=1024)
def most_members(source: str) -> int:
    """
    Tell how many members a list or an object may have that an expression works on.

    Args:
        source: CEL.  Of its texts those in three quotes, or with an ``r`` before them, may have
            brackets that are mistaken for its own.

    Returns:
        0: any number, as it has no macros and goes through nothing.
    """
    source = _TEXT.sub("''", source)
    brackets = {found.end() - 1 for found in _MACRO.finditer(source)}
    opened: list[bool] = []
    deepest = 0
    for at, character in enumerate(source):
        if character == "(":
            opened.append(at in brackets)
            deepest = max(deepest, sum(opened))
        elif character == ")" and opened:
            opened.pop()
    return MOST[min(deepest, len(MOST) - 1)]


def has_more_members(value: Any, most: int) -> bool:
    """Tell whether a value of JSON, or one within it, has more members than so many."""
    if not isinstance(value, dict | list):
        return False
    children: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return len(value) > most or any(has_more_members(each, most) for each in children)
