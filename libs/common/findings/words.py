"""
Findings in words: for the operator's own terminal with values, for a log without any.

Pure.  The commonest mistake has words of its own: a number that meets a text, as where a back end's
ids are numbers and parts of channel names are texts.  Such two are never equal, and CEL does not
say so.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.common.errors import Invalid
from libs.common.expressions import AbsentField, Unevaluable, kind
from libs.common.findings.findings import Finding, Side, found, reads

LONGEST = 100  # Characters of a value that are shown.
MOST_SHOWN = 3  # Elements of a list that are shown.
MOST_MISMATCHES = 2  # That one hint tells of.

_PATH = re.compile(r"[\w.]+")
# What a method may be called on without parentheses: a path, a list, what has parentheses.
_SIMPLE = re.compile(r"[\w.]+|\[[^\[\]]*\]|\([^()]*\)")
_NUMBERS, _TEXTS = "numbers", "texts"
_ORDERED = frozenset({"<", "<=", ">", ">="})


def told(finding: Finding) -> str:
    """Say how a part came out, and on which values: ``data.n < 5 is false: data.n is 7``."""
    whole = finding.whole
    outcome = _outcome(whole)
    sides = [f"{side.source} {_state(side)}" for side in finding.sides if not side.is_literal]
    return f"{whole.source} {outcome}" + (f": {', '.join(sides)}" if sides else "")


def kinds_read(source: str, variables: Mapping[str, Any]) -> str:
    """Word what kinds of values an expression reads: ``data.price is a text, time is null``."""
    return ", ".join(f"{side.source} {_kind_of(side)}" for side in reads(source, variables))


def _kind_of(side: Side) -> str:
    return _failed(side.failure) if side.failure else f"is {kind(side.value)}"


def mismatches(
    source: str, variables: Mapping[str, Any], captures: Collection[str] = (), *, shows: bool
) -> list[str]:
    """
    Say where a number met a text, and what to write instead.

    Args:
        source: An expression that did not hold, or failed.
        variables: What it was evaluated on.
        captures: Those of the variables that are parts of a channel's name.
        shows: Whether values may be shown.
    """
    words = (mismatch(each, captures, shows=shows) for each in found(source, variables))
    return list(dict.fromkeys(filter(None, words)))[:MOST_MISMATCHES]


def mismatch(finding: Finding, captures: Collection[str] = (), *, shows: bool) -> str:
    """Say that a number met a text in one part; empty: not there.  See `mismatches`."""
    met = _met(finding)
    if met is None:
        return ""
    sides = [f"{_named(side.source, captures)} {_held(side, shows=shows)}" for side in met.sides]
    return f"{', '.join(sides)}: {met.rule}; write {met.remedy}"


@dataclass(frozen=True, slots=True)
class _Met:
    """A number and a text that met: both sides, why that is in vain, and what to write instead."""

    sides: tuple[Side, Side]
    rule: str
    remedy: str


def _met(finding: Finding) -> _Met | None:
    if len(finding.sides) != 2 or any(side.failure for side in finding.sides):
        return None
    left, right = finding.sides
    operator, came_out = finding.operator, finding.whole.value
    if operator == "in":
        return _met_in(left, right) if came_out is False else None
    sorts = _sort(left.value), _sort(right.value)
    if sorts not in {(_NUMBERS, _TEXTS), (_TEXTS, _NUMBERS)}:
        return None
    is_number_left = sorts[0] == _NUMBERS
    if operator in _ORDERED:
        number, text = (left, right) if is_number_left else (right, left)
        remedy = f"double({text.source}) in the place of {text.source}"
        return _Met((number, text), "a number cannot be compared with a text", remedy)
    if (operator, came_out) not in {("==", False), ("!=", True)}:
        return None
    first = _spelt(left) if is_number_left else left.source
    second = right.source if is_number_left else _spelt(right)
    sides = (left, right) if is_number_left else (right, left)
    return _Met(sides, "a number never equals a text", f"{first} {operator} {second}")


def _met_in(left: Side, right: Side) -> _Met | None:
    if not isinstance(right.value, list | dict):
        return None
    sort, others = _sort(left.value), {_sort(element) for element in right.value}
    if (sort, others) == (_TEXTS, {_NUMBERS}):
        remedy = f"{_wrapped(right.source)}.exists(each, string(each) == {left.source})"
    elif (sort, others) == (_NUMBERS, {_TEXTS}):
        remedy = f"{_spelt(left)} in {right.source}"
    else:
        return None
    return _Met((right, left), "a number never equals a text", remedy)


def _sort(value: Any) -> str:
    if isinstance(value, str):
        return _TEXTS
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _NUMBERS if is_number else ""


def _spelt(number: Side) -> str:
    """Write a number as a text, which one that stands in the expression can be at once."""
    if number.is_literal:
        return json.dumps(number.source)
    return f"string({number.source})"


def _wrapped(source: str) -> str:
    return source if _SIMPLE.fullmatch(source) else f"({source})"


def _named(source: str, captures: Collection[str]) -> str:
    return f"{{{source}}}" if source in captures else source


def _held(side: Side, *, shows: bool) -> str:
    """Say what stands on a side, or what a list or an object there holds."""
    shows = shows and not side.is_literal
    if not isinstance(side.value, list | dict):
        return f"is {valued(side.value) if shows else _a(side.value)}"
    elements = list(side.value)
    sort = _sort(elements[0])
    if isinstance(side.value, dict):
        return f"has {sort} as keys" + (f" ({_listed(elements)})" if shows else "")
    if not shows:
        return f"holds {sort}"
    return f"holds the {sort.removesuffix('s') if len(elements) == 1 else sort} {_listed(elements)}"


def _listed(elements: Iterable[Any]) -> str:
    texts = [shown(element) for element in elements]
    more = f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else ""
    return ", ".join(texts[:MOST_SHOWN]) + more


def _a(value: Any) -> str:
    return "a number" if _sort(value) == _NUMBERS else kind(value)


def valued(value: Any) -> str:
    """Say what a value is, with the value: ``the text "5"``."""
    if value is None or isinstance(value, bool):
        return shown(value)
    words = _a(value).partition(" ")[2] or kind(value)
    return f"the {words} {shown(value)}"


def shown(value: Any) -> str:
    """Write a value, or as much of it as there is room for."""
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def printable(text: str) -> str:
    """Leave out what a terminal would take as an order, or cannot show."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _outcome(whole: Side) -> str:
    if isinstance(whole.failure, AbsentField):
        return "is absent" if _PATH.fullmatch(whole.source) else "needs what is absent"
    if isinstance(whole.failure, Unevaluable):
        return f"cannot be evaluated ({whole.failure.reason})"
    return f"is {valued(whole.value)}"


def _state(side: Side) -> str:
    return _failed(side.failure) if side.failure else f"is {valued(side.value)}"


def _failed(failure: Invalid) -> str:
    if isinstance(failure, AbsentField):
        return "is absent"
    return f"cannot be evaluated ({failure.reason})" if isinstance(failure, Unevaluable) else ""
