"""What an expression gives is told only where it is certain."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.expressions import AbsentField, BadRule, Expression, Unevaluable
from services.dispatcher.routing.kinds import Kind, NeverGiven, kind_of

NAMES: Mapping[str, Kind] = {"time": "a number", "id": "a text"}
SCOPE: Mapping[str, Any] = {
    "time": 1_700_000_000.5,
    "id": "7",
    "data": {
        "at": "2026-01-02T03:04:05Z",
        "for": "1h",
        "n": 5,
        "d": 1.5,
        "list": [1, 2],
        "no": None,
    },
}
TYPES: Mapping[Kind, tuple[type, ...]] = {
    "a text": (str,),
    "a number": (int, float),
    "true or false": (bool,),
    "null": (type(None),),
    "a list": (list,),
    "an object": (dict,),
    "a timestamp": (datetime,),
    "a duration": (timedelta,),
    "bytes": (bytes,),
}


class TestKnown:
    """What the text alone tells."""

    @pytest.mark.parametrize(
        "source,kind",
        [
            ("timestamp(data.at)", "a timestamp"),
            (" timestamp ( data.at ) // why", "a timestamp"),
            ("(timestamp(data.at))", "a timestamp"),
            ("dyn(timestamp(data.at))", "a timestamp"),
            ("timestamp(data.at) + duration('1h')", "a timestamp"),
            ("timestamp(data.at) - duration(data.for)", "a timestamp"),
            ("timestamp(data.at) - timestamp(data.at)", "a duration"),
            ("duration('1h') + duration('1h')", "a duration"),
            ("data.n > 1 ? timestamp(data.at) : timestamp('2026-01-02T03:04:05Z')", "a timestamp"),
            ("data.n > 1 ? timestamp(time) : timestamp(data.at)", None),
            ("has(data.at) ? timestamp(data.at) : null", None),
            ("b'abc'", "bytes"),
            ("B'''a'b'''", "bytes"),
            ('bytes(data.at) + b"c"', "bytes"),
            ("'a' + \"b\"", "a text"),
            ("'it\\'s ? ' + id", "a text"),
            ("string(timestamp(data.at))", "a text"),
            ("iso(time)", "a text"),
            ("escape(string(data.n))", "a text"),
            ("timestamp(data.at).getFullYear()", "a number"),
            ("timestamp(data.at).getFullYear() % 100", "a number"),
            ("size(data.list) - 1", "a number"),
            ("-time", "a number"),
            ("0x1F + 1.5e3", "a number"),
            ("data.n == 5", "true or false"),
            ("1 in data.list", "true or false"),
            ("!data.ok", "true or false"),
            ("data.ok || timestamp(time) > time", "true or false"),
            ("data.list.exists(i, i > 1)", "true or false"),
            ("id.startsWith('a')", "true or false"),
            ("has(data.at)", "true or false"),
            ("timestamp(data.at) < timestamp(data.at)", "true or false"),
            ("[timestamp(data.at)]", "a list"),
            ("{'at': timestamp(data.at)}", "an object"),
            ("{}", "an object"),
            ("null", "null"),
        ],
    )
    def test_told(self, source: str, kind: str | None) -> None:
        assert kind_of(source, NAMES) == kind

    @pytest.mark.parametrize(
        "source",
        [
            *("data.at", "data", "data.at.size", "data['at']", "data.n + 1", "data.a + data.b"),
            *("[timestamp(data.at)][0]", "{'at': b'x'}.at", "type(data.at)", "int"),
            *("data.list.map(time, timestamp(time))", "data.ok ? 1 : 'a'", "r'\\' + 'x'"),
            *("{data.ok ? 'a' : 'b': 1}.a", "data.?at", "key ? 1 : data.x"),
        ],
    )
    def test_not_told(self, source: str) -> None:
        """What depends on the event, or is hard to read, may be anything."""
        assert kind_of(source, NAMES) is None

    def test_deep(self) -> None:
        """Nesting beyond all reason is not looked into."""
        assert kind_of("(" * 900 + "true" + ")" * 900, NAMES) is None


class TestNever:
    """What fails on any event, and why."""

    @pytest.mark.parametrize(
        "source,said",
        [
            (
                "timestamp(time)",
                "timestamp() does not take a number; to send it write iso(…), a text, and to compare",
            ),
            (
                "iso(timestamp(data.at))",
                "iso() does not take a timestamp; string(…) makes a text of one",
            ),
            (
                "time > timestamp('2026-01-02T03:04:05Z')",
                "> does not compare a number with a timestamp; timestamp(iso(…)) reads seconds since",
            ),
            ("'at ' + time", "+ does not work on a text and a number; string(…) makes a text"),
            ("timestamp(data.at) + 60", "+ does not work on a timestamp and a number"),
            ("duration('1h') * 2", "* does not work on a duration and a number"),
            ("int(timestamp(data.at))", "int() does not take a timestamp"),
            ("escape(7)", "escape() does not take a number"),
            ("[timestamp(time)]", "timestamp() does not take a number"),
            ("{'at': timestamp(time)}", "timestamp() does not take a number"),
            ("timestamp(time).getHours()", "timestamp() does not take a number"),
            ("data.ok ? timestamp(time) : iso(id)", "timestamp() does not take a number"),
            ("timestamp(time) == 1 ? 1 : 2", "timestamp() does not take a number"),
        ],
    )
    def test_said(self, source: str, said: str) -> None:
        with pytest.raises(NeverGiven) as raised:
            kind_of(source, NAMES)

        assert str(raised.value).startswith(said)


_LEAVES = st.sampled_from(
    [
        *("data.at", "data.for", "data.n", "data.d", "data.list", "data.no", "data.absent", "time"),
        *("id", "1", "2.5", "'a'", "true", "null", "b'x'", "[1]", "{'a': 1}", "timestamp(data.at)"),
        *("duration(data.for)", "data", "timestamp('2026-01-02T03:04:05Z')", "duration('90s')"),
    ]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    unary = st.sampled_from(
        [
            *("({})", "!{}", "-{}", "timestamp({})", "duration({})", "iso({})", "string({})"),
            *("int({})", "double({})", "bytes({})", "size({})", "dyn({})", "escape({})"),
            *("{}.size()", "({}).getHours()", "[{}]", "{{'k': {}}}", "{{{}: 1}}", "[{}][0]"),
            *("[1].map(time, {})", "[1].exists(time, {})", "({}).contains('a')", "has(data.at)"),
        ]
    )
    operators = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"]
    binary = st.tuples(inner, st.sampled_from(operators), inner).map(" ".join)
    choices = st.tuples(inner, inner, inner).map(lambda parts: "{} ? ({}) : {}".format(*parts))
    return st.one_of(st.builds(str.format, unary, inner), binary, choices)


@settings(max_examples=400)
@given(st.recursive(_LEAVES, _grown, max_leaves=6))
def test_certain(source: str) -> None:
    """Whatever the expression, the engine gives what was told, and fails where that was told."""
    try:
        expression = Expression(source, [*SCOPE])
    except BadRule:
        return
    try:
        kind = kind_of(source, NAMES)
    except NeverGiven:
        with pytest.raises((AbsentField, Unevaluable)):
            expression.evaluate(SCOPE)
        return
    if kind is None:
        return
    try:
        value = expression.evaluate(SCOPE)
    except (AbsentField, Unevaluable):
        return
    assert type(value) in TYPES[kind]
