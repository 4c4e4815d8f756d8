"""
CEL expressions of the settings: compiled once, evaluated for each event or question.

Pure.  CEL (Common Expression Language) terminates and reaches nothing but the names that we give
it.  What to know of it: comparisons mix integers and decimals (``3 < 5.5`` holds), arithmetic does
not (``data.price * 2.0`` fails where the price is 3; write ``double(data.price) * 2.0``); a text is
never equal to a number (``"7" in claims.ids`` is false for ``[7]``; write ``claims.ids.exists(i,
string(i) == "7")``); a field of null is a type error, not an absent field; ``data["in"]`` reaches
keys that are no identifiers; integers beyond 64 bits become decimals in anything but a plain path;
an object's entries have no order.  Three functions are ours: ``iso(time)``, ``escape(text)`` and
``unescape(text)``, from libs/common/rfc3339.py and libs/common/escaping.py.

Most time is spent on the conversion of variables, 1-3 µs a value.  Hence three shortcuts, with the
same results: a plain path (``data.order.id``) is walked without CEL; so are comparisons of plain
values (``data.state == 'paid' && data.total > 5``), all joined by ``&&`` or all by ``||``; and of
each variable only the fields are converted that the text names, where it shows that these suffice.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import cel

from libs.common.errors import Invalid, Misconfigured
from libs.common.escaping import escape, unescape
from libs.common.fairness.members import has_more_members, most_members
from libs.common.json_text import MAX_DEPTH, is_deeper
from libs.common.rfc3339 import text_of

MAX_SOURCE = 2000  # Characters.  The evaluation of 100,000 overflows the C stack.

_TYPES = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type"})
_FUNCTIONS = frozenset(
    {
        *("size", "contains", "startsWith", "endsWith", "matches", "type", "dyn"),
        *("string", "int", "uint", "double", "bytes", "timestamp", "duration"),
        *("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
_PATH = re.compile(r"\s*[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*\s*", re.ASCII)
# The engine does not tell variables from names that a macro binds: ``x`` in ``list.exists(x, …)``.
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_SYNTAX_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)(?: expecting .*)?$", re.MULTILINE)
_STRING = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
# Comments, and other kinds of strings.
_HARD_TO_READ = re.compile(r"""//|'''|\"""|(?<!\w)[bB]?[rR][bB]?['"]""")
_FIELD = r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)?"
_LITERAL = r"""'[^'\\\n]*'|"[^"\\\n]*"|-?\d{1,15}(?:\.\d{1,15})?(?![\w.])"""
_COMPARED = rf"\s*({_FIELD})\s*(==|!=|<=|<|>=|>)\s*({_FIELD}|{_LITERAL})\s*"
_COMPARISON = re.compile(_COMPARED, re.ASCII)
_COMPARISONS = re.compile(rf"{_COMPARED}(?:(?:&&{_COMPARED})*|(?:\|\|{_COMPARED})*)", re.ASCII)
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DEEPEST = MAX_DEPTH + 2  # Levels: what was read, in a variable such as ``user``, of several.
_EXACT = 2**53  # Beyond it a decimal stands for several whole numbers.
_USE = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\b(?:\s*\.\s*([A-Za-z_]\w*)\b(?!\s*\())?", re.ASCII)


class BadRule(Misconfigured):
    """
    A rule's text cannot be compiled.

    Attributes:
        reason: What is wrong.
        position: The character where, counted from 1; 0 where it is the text as a whole.
    """

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(f"{reason} (at character {position})" if position else reason)
        self.reason = reason
        self.position = position


class AbsentField(Invalid):
    """
    An expression needs a field or an element that its variables do not have.

    The words quote nothing of the variables: a key that stands in one of them is not named.
    """

    def __init__(self, source: str, name: str) -> None:
        is_written = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None
        what = repr(name) if is_written else "a key or an element that it computes"
        self.source = source
        self.name = name
        self.reason = f"{what} is absent"
        super().__init__(f"{source!r}: {self.reason}")


class Unevaluable(Invalid):
    """
    An expression cannot be evaluated on its variables: mostly a type that does not fit.

    The words quote nothing of the variables.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source!r}: {reason}")
        self.source = source
        self.reason = reason


class BadArgument(Unevaluable):
    """One of our own functions cannot work on its argument; `reason` quotes nothing of it."""


class Expression:
    """
    A compiled expression.

    Args:
        source: CEL.
        names: The variables that it may use.

    Raises:
        BadRule: It is no CEL, or uses a name or a function that does not exist.
    """

    __slots__ = ("_comparisons", "_fields", "_functions", "_path", "_program", "names", "source")

    def __init__(self, source: str, names: Iterable[str]) -> None:
        names = frozenset(names)
        self.source = source
        self._program = _compile(source)
        variables = self._program.variables()
        _check_names(source, variables, names)
        used = self._program.functions()
        _check_functions(source, used)
        self._functions = {name: call for name, call in _OWN.items() if name in used}
        self.names = names.intersection(variables)
        self._path = _path_of(source, names)
        self._comparisons = _comparisons_of(source, names)
        self._fields = {name: _fields_of(source, name) for name in self.names}

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """
        Evaluate on variables.

        Args:
            variables: A value, of what JSON can hold, for each of `names`.

        Raises:
            AbsentField: A field or an element is not there.
            Unevaluable: Anything else went wrong.
        """
        if self._path:
            return self._walk(variables)
        if self._comparisons and (holds := self._comparisons.hold(variables)) is not None:
            return holds
        try:
            return self._program.execute(self._context(variables))
        except LookupError as error:
            raise AbsentField(self.source, str(error.args[0])) from error
        except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
            raise _unevaluable(self.source, str(error)) from error

    def fields(self, name: str) -> frozenset[str] | None:
        """Name the fields of a variable that it can touch; None: it may be any."""
        return self._fields.get(name, frozenset())

    def _walk(self, variables: Mapping[str, Any]) -> Any:
        value: Any = variables
        for name in self._path:
            try:
                value = value[name]
            except KeyError:
                raise AbsentField(self.source, name) from None
            except TypeError:  # Nothing but an object of JSON has names.
                reason = f"there is no {name!r} in {kind(value)}"
                raise Unevaluable(self.source, reason) from None
        return value

    def _context(self, variables: Mapping[str, Any]) -> dict[str, Any] | cel.Context:
        needed = {name: _narrowed(variables[name], self._fields[name]) for name in self.names}
        if is_deeper(needed, _DEEPEST):
            raise Unevaluable(self.source, "a value that it needs is nested too deeply")
        if (most := most_members(self.source)) and has_more_members(needed, most):
            raise Unevaluable(self.source, f"a value that it needs has more than {most} members")
        # A context takes the engine two microseconds more than an object.
        return cel.Context(needed, self._functions) if self._functions else needed


class _Comparisons:
    """
    Comparisons of fields with fields and literals, of which all or any must hold.

    Args:
        each: Of each its left side, its operator and its right side.  A tuple is a path, anything
            else a literal.
        is_any: Whether one is enough.
    """

    __slots__ = ("_each", "_is_any")

    def __init__(self, each: tuple[tuple[Any, str, Any], ...], *, is_any: bool) -> None:
        self._each = tuple((left, _OPERATORS[sign], right) for left, sign, right in each)
        self._is_any = is_any

    def hold(self, variables: Mapping[str, Any]) -> bool | None:
        """Tell whether they hold; None: a value is absent or not plain, and the engine knows."""
        found = []
        try:
            for left, compare, right in self._each:
                one = _reached(left, variables)
                other = _reached(right, variables) if type(right) is tuple else right
                sort = _sort(one)
                if sort is None or sort is not _sort(other):
                    return None
                found.append(compare(one, other))
        except (KeyError, TypeError):
            return None
        return any(found) if self._is_any else all(found)


def _reached(path: tuple[str, ...], variables: Mapping[str, Any]) -> Any:
    value: Any = variables
    for name in path:
        value = value[name]
    return value


def _sort(value: Any) -> type | None:
    """Name what a plain value can be compared with: neither the engine nor Python rounds such."""
    if type(value) is str:
        return str if value.isascii() else None
    if type(value) is int or type(value) is float:
        return float if -_EXACT <= value <= _EXACT else None
    return None


def kind(value: Any) -> str:
    """Word what kind of value something is, and nothing of what it is."""
    return _KINDS.get(type(value), "something else")


_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "a text",
    bytes: "bytes",
    list: "a list",
    tuple: "a list",
    dict: "an object",
    datetime: "a time",
    timedelta: "a duration",
}


def _unevaluable(source: str, words: str) -> Unevaluable:
    """Translate what the engine says, which may quote values."""
    own = _OWN_FAILED.match(words)
    if own is not None:
        return BadArgument(source, _TAKES[own[1]])
    for known, reason in _REASONS:
        found = known.search(words)
        if found is not None:
            return Unevaluable(source, found.expand(reason))
    return Unevaluable(source, "it fails on what it is given")


# What the engine says, and what is said of it.
_REASONS = (
    # The engine's texts are UTF-8: nothing else can be wrong with one.
    (
        re.compile(r"Failed to convert Python object of type str to Value$"),
        "a text that it needs has half of a surrogate pair",
    ),
    (re.compile(r"^No such overload|^Unsupported operation"), "a type does not fit"),
    (re.compile(r"^Undefined variable or function: '(\w+)'"), r"a type does not fit \1()"),
    (re.compile(r"^division by zero"), "division by zero"),
    (re.compile(r"^Arithmetic overflow"), "a number becomes too large"),
    (re.compile(r"^Function '(\w+)' error"), r"\1() cannot take what it is given"),
)


def _quiet(function: Callable[[Any], str], *kinds: type) -> Callable[..., Any]:
    """
    Let a function never raise, for the engine would log what it says.

    Instead it returns what the engine cannot convert, and that is an error to the engine too.
    """

    def call(*arguments: Any) -> Any:
        if len(arguments) != 1 or type(arguments[0]) not in kinds:
            return _FAILURE
        try:
            return function(arguments[0])
        except ValueError:
            return _FAILURE

    return call


_FAILURE = object()
_OWN: Mapping[str, Callable[..., Any]] = {
    "iso": _quiet(text_of, int, float),
    "escape": _quiet(escape, str),
    "unescape": _quiet(unescape, str),
}
_TAKES = {
    "iso": "iso() takes a number, the seconds since 1970 of an instant before the year 10000",
    "escape": "escape() takes a text",
    "unescape": "unescape() takes a text that is spelled as escape() does",
}
_OWN_FAILED = re.compile(rf"Function '({'|'.join(_OWN)})' error: ")


def _compile(source: str) -> cel.Program:
    if not source.strip():
        raise BadRule("an empty expression")
    if len(source) > MAX_SOURCE:
        raise BadRule(f"an expression longer than {MAX_SOURCE} characters")
    try:
        return cel.compile(source)
    except ValueError as error:
        found = _SYNTAX_ERROR.search(str(error).partition(source)[2])
        if not found:
            raise BadRule("not a CEL expression") from error
        line, column = int(found[1]), int(found[2])
        before = sum(len(text) + 1 for text in source.split("\n")[: line - 1])
        raise BadRule(f"not a CEL expression: {found[3]}", before + column) from error


def _check_names(source: str, variables: Iterable[str], names: frozenset[str]) -> None:
    known = names | _TYPES | set(_BOUND.findall(source))
    for name in variables:
        if name not in known:
            place = re.search(rf"(?<![\w.]){re.escape(name)}\b", source)
            raise BadRule(f"unknown name {name!r}", place.start() + 1 if place else 0)


def _check_functions(source: str, functions: Iterable[str]) -> None:
    for name in functions:
        # Operators are functions too, with names such as `_+_` and `@in`.
        if name.isidentifier() and name not in _FUNCTIONS and name not in _OWN:
            place = re.search(rf"\b{name}\s*\(", source)
            raise BadRule(f"unknown function {name!r}", place.start() + 1 if place else 0)


def _path_of(source: str, names: frozenset[str]) -> tuple[str, ...]:
    """Return the steps of a plain path, or nothing if the expression is more than that."""
    if not _PATH.fullmatch(source):
        return ()
    path = tuple(name.strip() for name in source.split("."))
    return path if path[0] in names else ()


def _comparisons_of(source: str, names: frozenset[str]) -> _Comparisons | None:
    """Return the comparisons that an expression is, or nothing if it is anything else."""
    if not _COMPARISONS.fullmatch(source) or _HARD_TO_READ.search(source):
        return None
    each = [
        (_operand(left, names), sign, _operand(right, names))
        for left, sign, right in _COMPARISON.findall(source)
    ]
    if any(side == () for left, _, right in each for side in (left, right)):
        return None
    return _Comparisons(tuple(each), is_any="||" in _STRING.sub("", source))


def _operand(text: str, names: frozenset[str]) -> Any:
    """Read a literal, or the path of a field; nothing where it begins with no variable."""
    if text[0] in "'\"":
        return text[1:-1]
    if text[0] in "-0123456789":
        return float(text) if "." in text else int(text)
    return _path_of(text, names)


def _fields_of(source: str, variable: str) -> frozenset[str] | None:
    """Return the fields of a variable that an expression can touch; None if it may be any."""
    if _HARD_TO_READ.search(source):
        return None
    fields: set[str] = set()
    for found in _USE.finditer(_STRING.sub("''", source)):
        if found[1] != variable:
            continue
        if found[2] is None:
            return None
        fields.add(found[2])
    return frozenset(fields)


def _narrowed(value: Any, fields: frozenset[str] | None) -> Any:
    if fields is None or not isinstance(value, dict):
        return value
    return {name: value[name] for name in fields if name in value}
