"""CEL expressions: what compiles, what they see, how they fail."""

from contextlib import suppress
from typing import Any

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.expressions import MAX_SOURCE, AbsentField, BadRule, Expression, Unevaluable
from services.dispatcher.routing.scope import compiled
from tests.unit.dispatcher.examples import json_values, scope

# Expressions that take the shortcuts, and some that must not.
SOURCES = [
    "data",
    "data.a",
    " data . a\t. b ",
    "data.a.b.c",
    "type",
    "data.a < data.b",
    "has(data.a) && data.a == 1",
    "has(data.a.b)",
    "data['a']",
    "data.a[data.b]",
    "size(data)",
    "'a' in data",
    "data == data",
    "data.exists(name, name == 'b')",
    "data.a.map(x, x)",
    "data.a.map(data, data)",
    "data.a.all(x, x == data.b)",
    "data.a == 'data.b' || data.a == \"it's data.c\"",
    "data.a == 'color' ? data.b : data.c",
    "(true ? data : data.a).b",
    "data.a // data.b\n == data.c",
    "data.a == r'\\' || data.b == 'x'",
    "data.a == '''data.b''' || data.c == 1",
    "{'data': data.a}.data",
    "[data.a, data.b, type]",
    "data.type == type",
    "string(data.a) + data.b",
    "dyn(data).a",
    "data.size",
    "data.data.data",
]


def evaluate(source: str, data: Any = None) -> Any:
    return compiled(source).evaluate(scope(data))


def by_cel_alone(source: str, names: dict[str, Any]) -> Any:
    """Evaluate with every name converted whole; an error by the class that stands for it."""
    try:
        return cel.compile(source).execute(names)
    except LookupError:
        return AbsentField
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        return Unevaluable


def by_expression(source: str, names: dict[str, Any]) -> Any:
    try:
        return compiled(source).evaluate(names)
    except (AbsentField, Unevaluable) as error:
        return type(error)


def same(found: Any, expected: Any) -> bool:
    """Compare results; macros take the entries of an object in any order."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(each in expected for each in found)
    return bool(found == expected)


class TestCompile:
    """What an operator gets wrong is found at the start, with its place."""

    @pytest.mark.parametrize(
        "source,position,reason",
        [
            ("", 0, "empty"),
            (" \n", 0, "empty"),
            ("data.", 6, "Syntax error"),
            ("data.in", 6, "no viable alternative"),
            ("data.a ==\n  data.b +", 21, "mismatched input"),
            ("'ERROR: <input>:9:9: x' +", 26, "mismatched input"),
            ("data.\ud800", 0, "not a CEL expression"),
            ("payload.a", 1, "unknown name 'payload'"),
            ("data.dat == dat", 13, "unknown name 'dat'"),
            ("data.a == 1 && stuff.b", 16, "unknown name 'stuff'"),
            (".data.a", 1, "unknown name '.data'"),
            ("optional.of(1)", 1, "unknown name 'optional'"),
            ("data.l.map(x, x) == [y]", 22, "unknown name 'y'"),
            ("data.a.upper()", 8, "unknown function 'upper'"),
            ("now() > time", 1, "unknown function 'now'"),
            ("1" * (MAX_SOURCE + 1), 0, "longer than 2000"),
            ("(" * MAX_SOURCE, 97, "Recursion limit"),
        ],
    )
    def test_bad_source(self, source: str, position: int, reason: str) -> None:
        with pytest.raises(BadRule) as caught:
            compiled(source)

        assert caught.value.position == position
        assert reason in caught.value.reason
        assert reason in str(caught.value)

    @pytest.mark.parametrize("unit", ["!", "-", "1+", ".a", "[", "{", "true?1:", "(", "a(", "\n"])
    def test_long_sources(self, unit: str) -> None:
        """The longest sources compile or are refused, and can be evaluated: nothing overflows."""
        source = ("data" if unit == ".a" else "") + unit * ((MAX_SOURCE - 4) // len(unit)) + "1"

        with suppress(BadRule):
            by_expression(source, scope({}))

    @pytest.mark.parametrize(
        "source",
        [
            "size('a')",
            "'a'.contains('a')",
            "'a'.startsWith('a') && 'a'.endsWith('a')",
            "'a'.matches('a+')",
            "string(1) == '1' && int('1') == 1 && double('1') == 1.0 && uint('1') == 1u",
            "bytes('a') == b'a'",
            "type(1) == int && type('') == string && dyn(1) == 1",
            "timestamp('2026-01-02T03:04:05Z') + duration('1h') > timestamp('2026-01-02T00:00:00Z')",
            "timestamp('2026-01-02T03:04:05.006Z').getFullYear() == 2026",
            "[1, 2].map(x, x * 2).filter(y, y > 2).exists(z, z == 4)",
            "[1].all(x, x == 1) && [1].exists_one(x, x == 1)",
        ],
    )
    def test_known_functions(self, source: str) -> None:
        """Each function that we let pass exists."""
        assert evaluate(source)

    @pytest.mark.parametrize(
        "function,value",
        [
            ("getMonth", 0),
            ("getDayOfYear", 1),
            ("getDayOfMonth", 1),
            ("getDate", 2),
            ("getDayOfWeek", 5),
            ("getHours", 3),
            ("getMinutes", 4),
            ("getSeconds", 5),
            ("getMilliseconds", 6),
        ],
    )
    def test_known_parts_of_time(self, function: str, value: int) -> None:
        assert evaluate(f"timestamp('2026-01-02T03:04:05.006Z').{function}()") == value


class TestEvaluate:
    """What expressions see, and JSON's numbers."""

    @pytest.mark.parametrize(
        "source,value",
        [
            ("type", "stock.low"),
            ("source", "/warehouse"),
            ("subject", "bolt"),
            ("id", "7"),
            ("time", 1_700_000_000.0),
            ("key", "k"),
            ("topic", "inventory"),
            ("type(data.a)", "int"),
            ("type == 'stock.low' && type(type) == string", True),
        ],
    )
    def test_names(self, source: str, value: object) -> None:
        assert evaluate(source, {"a": 1}) == value

    @pytest.mark.parametrize("name", ["type", "size", "map", "has", "int", "data", "all", "key"])
    def test_fields_that_are_words_of_cel(self, name: str) -> None:
        assert evaluate(f"data.{name}", {name: 5}) == 5
        assert evaluate(f"data.{name} == 5", {name: 5}) is True

    def test_fields_that_are_no_identifiers(self) -> None:
        assert evaluate("data['in'] + data['a-b'] + data['']", {"in": 1, "a-b": 2, "": 3}) == 6

    @pytest.mark.parametrize(
        "quantity,threshold,low",
        [(3, 5.5, True), (5.5, 3, False), (3, 3.0, False), (2**63, 1, False), (-1, 2**64, True)],
    )
    def test_whole_numbers_and_decimals_compare(
        self, quantity: float, threshold: float, *, low: bool
    ) -> None:
        """JSON does not tell 3 from 3.0, nor does a condition."""
        data = {"quantity": quantity, "threshold": threshold}

        assert evaluate("data.quantity < data.threshold", data) is low

    def test_whole_numbers_and_decimals_do_not_add(self) -> None:
        """CEL converts nothing in arithmetic: `double()` is the way, whatever the producer wrote."""
        with pytest.raises(Unevaluable, match="a type does not fit"):
            evaluate("data.a + 1.5", {"a": 1})

        assert evaluate("double(data.a) + 1.5", {"a": 1}) == 2.5
        assert evaluate("double(data.a) + 1.5", {"a": 1.5}) == 3.0

    def test_a_path_keeps_every_digit(self) -> None:
        assert evaluate("data.id", {"id": 2**70 + 1}) == 2**70 + 1

    @pytest.mark.parametrize(
        "source",
        [
            "data.missing",
            "data.a.missing",
            "data.missing.x > 1",
            "has(data.missing.x)",
            "data['missing'] == 1",
            "data.l[5] == 1",
            "data.l[-1] == 1",
            "data.l.exists(x, x.missing == 1)",
        ],
    )
    def test_absent(self, source: str) -> None:
        with pytest.raises(AbsentField, match="is absent"):
            evaluate(source, {"a": {}, "l": [{}]})

    @pytest.mark.parametrize(
        "source,value",
        [
            ("data.missing == 1 || true", True),
            ("false && data.missing == 1", False),
            ("has(data.missing)", False),
            ("true ? 1 : data.missing", 1),
        ],
    )
    def test_absent_where_it_does_not_matter(self, source: str, value: object) -> None:
        assert evaluate(source, {}) == value

    @pytest.mark.parametrize(
        "source",
        [
            "data.text.x",
            "data.none.x",
            "data.none.x == 1",
            "data.list.x",
            "data.text < 1",
            "data.text + 1 == 2",
            "data.int / 0 == 1",
            "data.int % 0 == 1",
            "data.int * 9223372036854775807 == 1",
            "data.text ? 1 : 2",
            "!data.text",
            "data.text.matches('[')",
            "data.text.matches(data.regex)",
            "int(data.text)",
            "timestamp(data.text)",
            "timestamp('9999-12-31T23:59:59Z') + duration('9999999h')",
            "size(data.none)",
            "{data.list: 1}",
            "data.object[data.none]",
            "data.huge > 1",
            "Message{a: 1}",
        ],
    )
    def test_unevaluable(self, source: str) -> None:
        """Whatever else goes wrong has one name."""
        data: dict[str, Any] = {
            "text": "abc",
            "none": None,
            "list": [1],
            "int": 2,
            "object": {},
            "huge": 10**400,
            "regex": "(a{1000}){1000}",
        }

        with pytest.raises(Unevaluable) as caught:
            evaluate(source, data)

        assert len(caught.value.reason) <= 200

    def test_wrong_number_of_arguments(self) -> None:
        with pytest.raises(Unevaluable):
            evaluate("size()")


class TestShortcuts:
    """Paths walked without CEL, and fields left out of the conversion, change no result."""

    @pytest.mark.parametrize("source", SOURCES)
    @pytest.mark.parametrize(
        "data",
        [
            {"a": 1, "b": 2, "c": 3},
            {"a": "b", "b": "a", "c": 1},
            {"a": {"b": {"c": 1}}},
            {"a": [1, 2], "b": 1, "data": {"data": 5}, "type": "stock.low", "size": 3},
            {"a": "color", "b": "x", "c": "y"},
            {},
            [{"a": 1}],
            "text",
            5,
        ],
    )
    def test_examples(self, source: str, data: Any) -> None:
        names = scope(data)

        assert same(by_expression(source, names), by_cel_alone(source, names))

    @given(source=st.sampled_from(SOURCES), data=json_values())
    def test_anything(self, source: str, data: Any) -> None:
        found = by_expression(source, scope(data))
        expected = by_cel_alone(source, scope(data))

        # A path keeps integers that CEL turns into decimals, and may meet one that CEL cannot.
        assert same(found, expected) or expected is Unevaluable or "e+" in repr(expected)

    def test_only_named_fields_are_converted(self) -> None:
        """A value that CEL cannot take does no harm where it is not asked for."""
        assert evaluate("data.a + 1", {"a": 1, "b": object()}) == 2


class TestNames:
    """An expression sees the names that its place offers, and no others."""

    def allowed(self, source: str, **captures: str) -> Any:
        claims = {"roles": ["admin"], "tenant": "acme", "odd": object()}
        expression = Expression(source, {"claims", "user", *captures})
        return expression.evaluate({"claims": claims, "user": {"id": "7"}, **captures})

    def test_names(self) -> None:
        """Only the names that an expression uses are asked for."""
        expression = Expression("user.id == user_id", {"claims", "user", "user_id"})

        assert expression.names == {"user", "user_id"}
        assert expression.evaluate({"user": {"id": "7"}, "user_id": "7"}) is True

    @pytest.mark.parametrize(
        "source",
        [
            "'admin' in claims.roles",
            "claims.tenant == tenant && user.id == '7'",
            "claims.roles.exists(role, role == 'admin')",
            "has(claims.tenant) && !has(claims.absent)",
            "claims . tenant == tenant",
        ],
    )
    def test_fields_of_each(self, source: str) -> None:
        """Of every variable only the fields that are named are converted."""
        assert self.allowed(source, tenant="acme") is True

    @pytest.mark.parametrize("levels,is_fine", [(64, True), (66, False), (100_000, False)])
    def test_deep_values(self, levels: int, *, is_fine: bool) -> None:
        """What is nested deeply never meets the engine, whose stack would overflow."""
        value: Any = 1
        for _ in range(levels):
            value = [value]
        expression = Expression("size(data) == 1 && data != 7", {"data"})

        if is_fine:
            assert expression.evaluate({"data": value}) is True
        else:
            with pytest.raises(Unevaluable, match="nested too deeply"):
                expression.evaluate({"data": value})

    @pytest.mark.parametrize(
        "source, count, is_fine",
        [
            ("data.a.map(each, each) != []", 1000, True),
            ("data.a.map(each, each) != []", 1001, False),
            ("data.a.exists(x, data.a.exists(y, y == x))", 300, True),
            ("data.a.exists(x, data.a.exists(y, y == x))", 301, False),
            ("size(data.a) > 0 && 1 in data.a", 20_000, True),
            ("data.b.exists(x, x == 1)", 20_000, True),
        ],
    )
    def test_wide_values(self, source: str, count: int, *, is_fine: bool) -> None:
        """What a macro would go through is bounded: the engine copies as much for each member."""
        expression = Expression(source, {"data"})
        variables = {"data": {"a": [1] * count, "b": [1]}}

        if is_fine:
            assert expression.evaluate(variables) is True
        else:
            with pytest.raises(Unevaluable, match=f"more than {count - 1} members"):
                expression.evaluate(variables)

    def test_whole_variable(self) -> None:
        """Where the text does not show which fields it needs, all are."""
        with pytest.raises(Unevaluable):
            self.allowed("claims[tenant] == 'acme'", tenant="tenant")

    def test_other_names(self) -> None:
        """The names of another place are unknown here."""
        with pytest.raises(BadRule, match="unknown name 'data'"):
            Expression("data.id == '7'", {"claims"})
