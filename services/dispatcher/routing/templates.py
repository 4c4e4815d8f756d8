"""
Templates: texts with CEL expressions in braces, such as ``private-company.{data.company_id}``.

Pure.  ``{{`` and ``}}`` stand for braces.  A value must be a text or a whole number: nothing else
has one obvious spelling in a name.
"""

import re
from collections.abc import Iterator
from typing import Any

from libs.common.expressions import BadRule, Expression, Unevaluable, kind
from services.dispatcher.routing.kinds import NUMBER, TEXT
from services.dispatcher.routing.scope import Purpose, fitted

_EXACT = 2.0**53  # Beyond it a float stands for several integers.
_TOKEN = re.compile(r"\{\{|\}\}|\{|\}|[^{}]+")
_BRACE = re.compile(r"""[{}]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


class Unspellable(Unevaluable):
    """A value in a template is neither a text nor a whole number."""


class Template:
    """
    A compiled template.

    Args:
        source: The text of the template.

    Raises:
        BadRule: A brace has no partner, or an expression cannot be compiled.
    """

    __slots__ = ("_parts", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._parts = tuple(_parse(source))

    @property
    def prefix(self) -> str:
        """The text before the first expression."""
        literal = self._parts[0] if self._parts else ""
        return literal if isinstance(literal, str) else ""

    @property
    def is_constant(self) -> bool:
        """Whether it has no expression: then `sample` is what it gives for any event."""
        return not any(isinstance(part, Expression) for part in self._parts)

    def sample(self, value: str) -> str:
        """Render it with the same value for each expression."""
        return "".join(value if isinstance(part, Expression) else part for part in self._parts)

    def render(self, scope: dict[str, Any]) -> str:
        """
        Render it for an event.

        Args:
            scope: See `Expression.evaluate`.

        Raises:
            AbsentField: An expression needs a field that is not there.
            Unevaluable: An expression fails.
            Unspellable: The value of one is neither a text nor a whole number.
        """
        return "".join(
            [part if isinstance(part, str) else _spelled(part, scope) for part in self._parts]
        )


def _spelled(expression: Expression, scope: dict[str, Any]) -> str:
    value = expression.evaluate(scope)
    try:
        return _spell(value)
    except TypeError as error:
        raise Unspellable(expression.source, str(error)) from error


def _spell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return str(int(value))
    raise TypeError(f"expected a text or a whole number, got {kind(value)}")


_IN_A_NAME = Purpose(
    frozenset({TEXT, NUMBER}),
    "names take a text or a whole number; escape(string(…)) makes a text of a timestamp",
    _spell,
)


def _parse(source: str) -> Iterator[str | Expression]:
    literal = ""
    at = 0
    while found := _TOKEN.match(source, at):
        at = found.end()
        match found[0]:
            case "{":
                if literal:
                    yield literal
                literal = ""
                end = _closing(source, at)
                yield _expression(source[at:end], start=at)
                at = end + 1
            case "}":
                raise BadRule("a closing brace without an opening one", at)
            case text:
                literal += text[0] if text in {"{{", "}}"} else text
    if literal:
        yield literal


def _closing(source: str, start: int) -> int:
    """Find the brace that closes an expression; braces in its strings and maps are its own."""
    depth = 1
    for found in _BRACE.finditer(source, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    raise BadRule("an opening brace without a closing one", start)


def _expression(source: str, *, start: int) -> Expression:
    try:
        return fitted(source, _IN_A_NAME)
    except BadRule as error:
        raise BadRule(error.reason, start + max(error.position, 1)) from error
