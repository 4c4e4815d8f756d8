"""
The shape of a CEL expression, as far as its truth hangs on it: what is joined, compared, repeated.

Pure.  The engine keeps its own tree to itself, so that one is made here of the text: ``&&``,
``||``, ``!``, ``? :``, comparisons, and the macros ``exists``, ``exists_one`` and ``all``; all else
is a leaf.  Only texts that the engine has compiled are read.  Source: CEL, "Syntax" and "Macros".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<gap>\s+|//[^\n]*)
    |(?:[rRbB]{0,2}(?:'{3}.*?'{3}|"{3}.*?"{3}))
    |(?:[bB]?[rR][bB]?(?:'[^'\n]*'|"[^"\n]*"))
    |(?:[bB]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |[0-9](?:[eE][+-]|[\w.])*|[A-Za-z_]\w*
    |&&|\|\||[=!<>]=|[-+*/%!<>?:()\[\]{},.]""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_ARITHMETIC = frozenset("+-*/%")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_MACROS = frozenset({"exists", "exists_one", "all"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    What is not taken apart.

    Attributes:
        source: Its text.
    """

    source: str


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sides, compared; `operator` is one of CEL's seven."""

    source: str
    left: str
    operator: str
    right: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts that are joined by ``&&``, or else by ``||``."""

    source: str
    parts: "tuple[Node, ...]"
    is_and: bool


@dataclass(frozen=True, slots=True)
class Negated:
    """The opposite of its part."""

    source: str
    part: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? then : otherwise``."""

    source: str
    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A macro: whether what is said of `name` holds of elements of `target`."""

    source: str
    target: str
    macro: str
    name: str
    body: "Node"


Node = Leaf | Relation | Joined | Negated | Choice | Repeated


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    depth: int  # Brackets around it; an opening bracket and its partner have the same.


def shape_of(source: str) -> Node:
    """Read an expression; what cannot be read is a leaf."""
    tokens = list(_tokens(source))
    return _Shaper(source).node(tokens) if tokens else Leaf(source)


def paths_in(source: str) -> Iterator[tuple[str, ...]]:
    """Yield the plain paths that a text reads, each once: ``data.order.id`` as its three names."""
    seen: set[tuple[str, ...]] = set()
    tokens = list(_tokens(source))
    at = 0
    while at < len(tokens):
        path, at = _path(tokens, at)
        if path and path not in seen:
            seen.add(path)
            yield path


def _path(tokens: Sequence[_Token], at: int) -> tuple[tuple[str, ...], int]:
    """Read the path that begins at a token, if one does; return where to go on."""
    is_field = at > 0 and tokens[at - 1].text == "."
    if is_field or not _is_name(tokens[at].text):
        return (), at + 1
    names = [tokens[at].text]
    at += 1
    while at + 1 < len(tokens) and tokens[at].text == "." and _is_name(tokens[at + 1].text):
        if at + 2 < len(tokens) and tokens[at + 2].text == "(":
            break
        names.append(tokens[at + 1].text)
        at += 2
    return tuple(names), at


def _is_name(text: str) -> bool:
    return text.isidentifier() and text not in _RELATIONS


def _tokens(source: str) -> Iterator[_Token]:
    at = depth = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            return
        text, at = found[0], found.end()
        if text in _CLOSING:
            depth -= 1
        if found["gap"] is None:
            yield _Token(text, found.start(), at, depth)
        if text in _OPENING:
            depth += 1


class _Shaper:
    """Takes a text apart, from what binds least to what binds most."""

    def __init__(self, source: str) -> None:
        self._source = source

    def node(self, tokens: Sequence[_Token]) -> Node:
        """Read a run of tokens."""
        tokens = _unwrapped(tokens)
        return (
            self._choice(tokens)
            or self._joined(tokens, "||")
            or self._joined(tokens, "&&")
            or self._relation(tokens)
            or self._negated(tokens)
            or self._repeated(tokens)
            or Leaf(self._text(tokens))
        )

    def _text(self, tokens: Sequence[_Token]) -> str:
        return self._source[tokens[0].start : tokens[-1].end] if tokens else ""

    def _choice(self, tokens: Sequence[_Token]) -> Node | None:
        marks = _places(tokens, frozenset({"?"}))
        if not marks:
            return None
        mark, middle = marks[0], _middle(tokens, marks[0])
        parts = tokens[:mark], tokens[mark + 1 : middle], tokens[middle + 1 :]
        if not all(parts):
            return None
        condition, then, otherwise = map(self.node, parts)
        return Choice(self._text(tokens), condition, then, otherwise)

    def _joined(self, tokens: Sequence[_Token], operator: str) -> Node | None:
        places = _places(tokens, frozenset({operator}))
        if not places:
            return None
        starts, ends = [0, *(place + 1 for place in places)], [*places, len(tokens)]
        runs = [tokens[start:end] for start, end in zip(starts, ends, strict=True)]
        if not all(runs):
            return None
        return Joined(self._text(tokens), tuple(map(self.node, runs)), is_and=operator == "&&")

    def _relation(self, tokens: Sequence[_Token]) -> Node | None:
        places = _places(tokens, _RELATIONS)
        if not places:
            return None
        place = places[-1]  # They bind to the left.
        left, right = self._text(tokens[:place]), self._text(tokens[place + 1 :])
        return Relation(self._text(tokens), left, tokens[place].text, right)

    def _negated(self, tokens: Sequence[_Token]) -> Node | None:
        if len(tokens) < 2 or tokens[0].text != "!" or _places(tokens, _ARITHMETIC):
            return None
        return Negated(self._text(tokens), self.node(tokens[1:]))

    def _repeated(self, tokens: Sequence[_Token]) -> Node | None:
        """Read ``target.exists(name, body)``, where that is all there is."""
        if not tokens or tokens[-1].text != ")" or _places(tokens, _ARITHMETIC | {"!"}):
            return None
        depth = tokens[0].depth
        opening = (
            place
            for place, token in enumerate(tokens)
            if token.text == "(" and token.depth == depth
        )
        at = max(opening, default=0)
        inside = tokens[at + 1 : -1]
        is_macro = at >= 3 and tokens[at - 1].text in _MACROS and tokens[at - 2].text == "."
        if not is_macro or len(inside) < 3 or inside[1].text != ",":
            return None
        body = self.node(inside[2:])
        target, macro = self._text(tokens[: at - 2]), tokens[at - 1].text
        return Repeated(self._text(tokens), target, macro, inside[0].text, body)


def _places(tokens: Sequence[_Token], texts: frozenset[str]) -> list[int]:
    """Tell where one of these stands outside all brackets of a run."""
    depth = min((token.depth for token in tokens), default=0)
    return [
        place
        for place, token in enumerate(tokens)
        if token.depth == depth and token.text in texts and not _is_field(tokens, place)
    ]


def _is_field(tokens: Sequence[_Token], place: int) -> bool:
    return place > 0 and tokens[place - 1].text == "."


def _middle(tokens: Sequence[_Token], mark: int) -> int:
    """Find the colon of a question mark; between them others may have theirs."""
    depth, open_marks = tokens[mark].depth, 0
    for place in range(mark, len(tokens)):
        token = tokens[place]
        if token.depth == depth:
            open_marks += {"?": 1, ":": -1}.get(token.text, 0)
            if not open_marks:
                return place
    return len(tokens)


def _unwrapped(tokens: Sequence[_Token]) -> Sequence[_Token]:
    """Leave out parentheses around the whole."""
    while len(tokens) > 2 and tokens[0].text == "(" and tokens[-1].text == ")":
        depth = tokens[0].depth
        if any(token.depth == depth for token in tokens[1:-1]):
            break
        tokens = tokens[1:-1]
    return tokens
