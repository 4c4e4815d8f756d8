"""
What an expression gives, as far as its text alone tells: a text, a number, a timestamp.

Pure.  What fields hold is not known before there is an event, so that most expressions may give
anything; what is told here is certain.  Source: the grammar of CEL, and what the engine takes,
which is less than CEL has: ``timestamp`` of a text alone, ``int`` of no timestamp.

The text was compiled before, and is valid.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "a text",
    "a number",
    "true or false",
    "null",
    "a list",
    "an object",
    "a timestamp",
    "a duration",
    "bytes",
]

TEXT: Final = "a text"
NUMBER: Final = "a number"
BOOL: Final = "true or false"
NULL: Final = "null"
LIST: Final = "a list"
OBJECT: Final = "an object"
TIMESTAMP: Final = "a timestamp"
DURATION: Final = "a duration"
BYTES: Final = "bytes"

# Of a function: what it takes of what can be told, and what it gives.
_FUNCTIONS: Mapping[str, tuple[frozenset[Kind], Kind]] = {
    "timestamp": (frozenset({TEXT, TIMESTAMP}), TIMESTAMP),
    "duration": (frozenset({TEXT, DURATION}), DURATION),
    "bytes": (frozenset({TEXT, BYTES}), BYTES),
    "int": (frozenset({TEXT, NUMBER}), NUMBER),
    "uint": (frozenset({TEXT, NUMBER}), NUMBER),
    "double": (frozenset({TEXT, NUMBER}), NUMBER),
    "string": (frozenset({TEXT, NUMBER, TIMESTAMP, DURATION, BYTES}), TEXT),
    "size": (frozenset({TEXT, LIST, OBJECT, BYTES}), NUMBER),
    "iso": (frozenset({NUMBER}), TEXT),
    "escape": (frozenset({TEXT}), TEXT),
    "unescape": (frozenset({TEXT}), TEXT),
}
_METHODS: Mapping[str, Kind] = {
    **dict.fromkeys(("contains", "startsWith", "endsWith", "matches"), BOOL),
    **dict.fromkeys(("all", "exists", "exists_one"), BOOL),
    **dict.fromkeys(("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth"), NUMBER),
    **dict.fromkeys(("getDate", "getDayOfWeek", "getHours", "getMinutes"), NUMBER),
    **dict.fromkeys(("getSeconds", "getMilliseconds", "size"), NUMBER),
}
_SUMS: Mapping[tuple[Kind, Kind], Kind] = {
    (TEXT, TEXT): TEXT,
    (NUMBER, NUMBER): NUMBER,
    (LIST, LIST): LIST,
    (LIST, OBJECT): LIST,  # As the engine has it.
    (BYTES, BYTES): BYTES,
    (TIMESTAMP, DURATION): TIMESTAMP,
    (DURATION, DURATION): DURATION,
}
_DIFFERENCES: Mapping[tuple[Kind, Kind], Kind] = {
    (NUMBER, NUMBER): NUMBER,
    (TIMESTAMP, TIMESTAMP): DURATION,
    (TIMESTAMP, DURATION): TIMESTAMP,
    (DURATION, DURATION): DURATION,
}
_PRODUCTS: Mapping[tuple[Kind, Kind], Kind] = {(NUMBER, NUMBER): NUMBER}
_SECONDS = "; timestamp(iso(…)) reads seconds since 1970, and iso(…) is a text"
_ADVICE: Mapping[tuple[str, Kind], str] = {
    ("timestamp", NUMBER): "; to send it write iso(…), a text, and to compare it timestamp(iso(…))",
    ("iso", TIMESTAMP): "; string(…) makes a text of one",
}
_OPERATIONS: Mapping[str, Mapping[tuple[Kind, Kind], Kind]] = {
    "+": _SUMS,
    "-": _DIFFERENCES,
    **dict.fromkeys("*/%", _PRODUCTS),
}
_EQUALITIES = frozenset({"==", "!=", "in"})
_RELATIONS = frozenset({"<", "<=", ">", ">="}) | _EQUALITIES
_ORDERED = frozenset({TEXT, NUMBER, BOOL, TIMESTAMP, DURATION, BYTES})

_TOKEN = re.compile(
    r"""
    //[^\n]* | \s+
    | [bB]?(?:'''(?s:\\.|.)*?''' | \"""(?s:\\.|.)*?\"""
       | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*")
    | 0[xX][0-9a-fA-F]+[uU]? | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[uU]?
    | [A-Za-z_]\w* | && | \|\| | [<>=!]= | .
    """,
    re.VERBOSE | re.ASCII,
)
_RAW = re.compile(r"""(?<!\w)[bB]?[rR][bB]?['"]""")
_CLOSING: Mapping[str, str] = {"(": ")", "[": "]", "{": "}"}


class NeverGiven(Exception):
    """An expression gives nothing, whatever the event: what it does cannot be done."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What stands in brackets."""

    bracket: str
    parts: "tuple[_Part, ...]"


_Part = str | _Group


def kind_of(source: str, names: Mapping[str, Kind]) -> Kind | None:
    """
    Tell what an expression gives.

    Args:
        source: CEL that was compiled.
        names: What is known of its variables; one that is left out may be anything.

    Returns:
        None: it may be anything.

    Raises:
        NeverGiven: Evaluating it fails on any event; the error says why.
    """
    if _RAW.search(source):  # A backslash would not mean what it means elsewhere.
        return None
    words = (word for word in _TOKEN.findall(source) if word.strip() and word[:2] != "//")
    try:
        return _KindReader(names).kind(_nested(words, ""))
    except RecursionError:
        return None


def _nested(words: Iterator[str], closing: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    for word in words:
        if word == closing:
            break
        is_open = word in _CLOSING
        parts.append(_Group(word, _nested(words, _CLOSING[word])) if is_open else word)
    return tuple(parts)


class _KindReader:
    """
    Tells what parts of an expression give, looking first for operators that bind least.

    Args:
        names: What is known of variables.
    """

    def __init__(self, names: Mapping[str, Kind]) -> None:
        self._names = names

    def kind(self, parts: Sequence[_Part]) -> Kind | None:
        """Tell what they give; raises `NeverGiven` where it is certain to fail."""
        if not parts:
            return None
        if "?" in parts:
            return self._choice(parts, parts.index("?"))
        if "||" in parts or "&&" in parts:
            return BOOL  # One side may decide where the other fails.
        for is_operator, read in (
            (_RELATIONS.__contains__, self._relation),
            ("+-".__contains__, self._operation),
            ("*/%".__contains__, self._operation),
        ):
            at = _last(parts, is_operator)
            if at:
                return read(parts, at)
        if parts[0] == "!":
            return None if parts[1] == "!" else BOOL  # The engine drops two without a look.
        return self._negated(parts) if parts[0] == "-" else self._chain(parts)

    def _choice(self, parts: Sequence[_Part], at: int) -> Kind | None:
        self.kind(parts[:at])
        if ":" not in parts[at:]:
            return None  # An optional field: ``data.?name``.
        colon = parts.index(":", at)
        kinds, failed = set(), []
        for branch in (parts[at + 1 : colon], parts[colon + 1 :]):
            try:
                kinds.add(self.kind(branch))
            except NeverGiven as error:
                failed.append(error)
        if len(failed) == 2:
            raise failed[0]
        return kinds.pop() if len(kinds) == 1 and not failed else None

    def _relation(self, parts: Sequence[_Part], at: int) -> Kind:
        one, other = self.kind(parts[:at]), self.kind(parts[at + 1 :])
        if parts[at] not in _EQUALITIES and one and other and (one != other or one not in _ORDERED):
            advice = _SECONDS if {one, other} == {TIMESTAMP, NUMBER} else ""
            raise NeverGiven(f"{parts[at]} does not compare {one} with {other}{advice}")
        return BOOL

    def _operation(self, parts: Sequence[_Part], at: int) -> Kind | None:
        one, other = self.kind(parts[:at]), self.kind(parts[at + 1 :])
        if one is None or other is None:
            return None
        result = _OPERATIONS[str(parts[at])].get((one, other))
        if result is None:
            advice = "; string(…) makes a text" if TEXT in {one, other} else ""
            raise NeverGiven(f"{parts[at]} does not work on {one} and {other}{advice}")
        return result

    def _negated(self, parts: Sequence[_Part]) -> Kind | None:
        return NUMBER if self.kind(parts[1:]) == NUMBER else None

    def _chain(self, parts: Sequence[_Part]) -> Kind | None:
        """Read a value, and what follows it: fields, methods, indices."""
        first, follows = parts[0], parts[1:]
        if isinstance(first, str) and first.isidentifier() and _is_call(follows[:1]):
            kind, follows = self._call(first, follows[0]), follows[1:]
        else:
            kind = self._value(first)
        if not follows:
            return kind
        is_method = _is_call(follows[-1:]) and len(follows) > 1
        return _METHODS.get(str(follows[-2])) if is_method else None

    def _call(self, name: str, group: _Part) -> Kind | None:
        if name == "has":
            return BOOL
        if not isinstance(group, _Group):
            return None
        kinds = [self.kind(argument) for argument in _split(group.parts, ",")]
        if name not in _FUNCTIONS or len(kinds) != 1:
            return kinds[0] if name == "dyn" and len(kinds) == 1 else None
        taken, given = _FUNCTIONS[name]
        if kinds[0] and kinds[0] not in taken:
            advice = _ADVICE.get((name, kinds[0]), "")
            raise NeverGiven(f"{name}() does not take {kinds[0]}{advice}")
        return given

    def _value(self, part: _Part) -> Kind | None:
        if isinstance(part, _Group):
            return self._grouped(part)
        if part in {"true", "false"}:
            return BOOL
        if part == "null":
            return NULL
        if part[-1] in "'\"":
            return BYTES if part[0] in "bB" else TEXT
        return NUMBER if part.lstrip(".")[:1].isdigit() else self._names.get(part)

    def _grouped(self, group: _Group) -> Kind | None:
        if group.bracket == "(":
            return self.kind(group.parts)
        for member in _split(group.parts, ","):
            if group.bracket == "[":
                self.kind(member)
            else:
                self._entry(member)
        return LIST if group.bracket == "[" else OBJECT

    def _entry(self, parts: Sequence[_Part]) -> None:
        colon = parts.index(":")
        if "?" in parts[:colon]:
            return  # Of a choice in a name, or of an optional entry, nothing is told.
        self.kind(parts[:colon])
        self.kind(parts[colon + 1 :])


def _is_call(parts: Sequence[_Part]) -> bool:
    return any(isinstance(part, _Group) and part.bracket == "(" for part in parts)


def _last(parts: Sequence[_Part], is_operator: Callable[[str], bool]) -> int:
    """Find the last operator that stands between two operands; 0: there is none."""
    for at in range(len(parts) - 1, 0, -1):
        part, before = parts[at], parts[at - 1]
        is_operand = isinstance(before, _Group) or before[-1].isalnum() or before[-1] in "_'\"."
        if isinstance(part, str) and is_operator(part) and is_operand and before != "in":
            return at
    return 0


def _split(parts: Sequence[_Part], separator: str) -> list[Sequence[_Part]]:
    """Divide what stands in brackets; what is empty has no members."""
    members: list[list[_Part]] = [[]]
    for part in parts:
        if part == separator:
            members.append([])
        else:
            members[-1].append(part)
    return [tuple(member) for member in members if member]
