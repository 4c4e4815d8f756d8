"""
Why an expression came out as it did: which of its parts decided, and what stood on their sides.

Pure.  For after a refusal alone: each part is compiled and evaluated by itself, which takes tens of
microseconds.  A part that ``&&``, ``||`` or ``? :`` left out is not found, so that whatever is
found has a share in what came out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from libs.common.errors import Invalid
from libs.common.expressions import BadRule, Expression, Unevaluable
from libs.common.findings.syntax import (
    Choice,
    Joined,
    Leaf,
    Negated,
    Node,
    Relation,
    Repeated,
    paths_in,
    shape_of,
)

MOST = 200  # Evaluations for one expression; what is beyond is not looked at.
MOST_ELEMENTS = 20  # Of a list, that a macro is followed into.
MOST_PATHS = 5  # Whose kinds are told.

_compiled = lru_cache(maxsize=512)(Expression)
_shape = lru_cache(maxsize=512)(shape_of)


@dataclass(frozen=True, slots=True)
class Side:
    """
    A part of an expression, evaluated.

    Attributes:
        source: Its text.
        value: What it is; None where it failed.
        failure: Why it failed; None: it did not.
        is_literal: Whether it reads no variable.
    """

    source: str
    value: Any
    failure: Invalid | None = None
    is_literal: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """
    A part that decided.

    Attributes:
        whole: The part itself.
        operator: What compares the sides; empty: it is no comparison.
        sides: Left and right; where nothing is compared the plain paths that the part reads.
    """

    whole: Side
    operator: str = ""
    sides: tuple[Side, ...] = ()


def found(source: str, variables: Mapping[str, Any]) -> list[Finding]:
    """
    Find what decided.

    Args:
        source: An expression that compiles with the names of `variables`.
        variables: What it was evaluated on.

    Returns:
        The comparisons, and other parts that are not taken apart, in the order of the text.
    """
    walk = _Walk()
    return list(walk.decisive(_shape(source), variables))


def reads(source: str, variables: Mapping[str, Any]) -> tuple[Side, ...]:
    """Evaluate the plain paths that an expression reads, such as ``data.price``."""
    return _Walk().reads(source, variables)


class _Walk:
    """One walk through an expression, within bounds."""

    def __init__(self) -> None:
        self._left = MOST

    def decisive(self, node: Node, variables: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield the parts that made a node what it is."""
        match node:
            case Joined(_, parts, is_and):
                yield from self._of_joined(parts, variables, is_and=is_and)
            case Negated(_, part):
                yield from self.decisive(part, variables)
            case Choice(_, condition, then, otherwise):
                yield from self.decisive(condition, variables)
                chosen = self._side(condition.source, variables).value
                if isinstance(chosen, bool):
                    yield from self.decisive(then if chosen else otherwise, variables)
            case Repeated():
                yield from self._of_repeated(node, variables)
            case Relation(source, left, operator, right):
                sides = self._side(left, variables), self._side(right, variables)
                yield Finding(self._side(source, variables), operator, sides)
            case Leaf(source):
                yield self._plain(source, variables)

    def reads(self, source: str, variables: Mapping[str, Any]) -> tuple[Side, ...]:
        """See the function of this name."""
        paths = [path for path in paths_in(source) if path[0] in variables]
        return tuple(self._side(".".join(path), variables) for path in paths[:MOST_PATHS])

    def _plain(self, source: str, variables: Mapping[str, Any]) -> Finding:
        read = self.reads(source, variables)
        is_path = len(read) == 1 and read[0].source == source
        return Finding(self._side(source, variables), sides=() if is_path else read)

    def _of_joined(
        self, parts: tuple[Node, ...], variables: Mapping[str, Any], *, is_and: bool
    ) -> Iterator[Finding]:
        """Find in the part that decided, of ``&&`` the first that does not hold; else in all."""
        values = [(part, self._side(part.source, variables).value) for part in parts]
        decided = [part for part, value in values if value is (not is_and)]
        failed = [part for part, value in values if not isinstance(value, bool)]
        for part in decided[:1] or failed or parts:
            yield from self.decisive(part, variables)

    def _of_repeated(self, node: Repeated, variables: Mapping[str, Any]) -> Iterator[Finding]:
        """Find in what is said of the elements that decided."""
        target = self._side(node.target, variables)
        holds = self._side(node.source, variables).value
        if not isinstance(target.value, list | dict) or not target.value:
            yield self._plain(node.source, variables)
            return
        for element in list(target.value)[:MOST_ELEMENTS]:
            within = {**variables, node.name: element}
            value = self._side(node.body.source, within).value
            if value is holds or not isinstance(value, bool) or node.macro == "exists_one":
                yield from self.decisive(node.body, within)

    def _side(self, source: str, variables: Mapping[str, Any]) -> Side:
        if self._left <= 0:
            return Side(source, None, Unevaluable(source, "too much to look at"))
        self._left -= 1
        try:
            expression = _compiled(source, frozenset(variables))
            value = expression.evaluate(variables)
        except BadRule as error:  # Nothing that the engine has compiled as a part of a whole.
            return Side(source, None, Unevaluable(source, error.reason))
        except Invalid as error:
            return Side(source, None, error)
        return Side(source, value, is_literal=not expression.names)
