"""Comparisons that are made without CEL come out, and fail, as CEL says."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.expressions import AbsentField, Unevaluable
from services.dispatcher.routing.scope import compiled
from tests.unit.dispatcher.examples import json_values, scope

FIELDS = ["data.a", "data.b", "data . c", "type", "time", "key", "data", "key.a", "data.in_"]
LITERALS = ["'low'", '"low"', "''", "'a && b'", "'//'", "'é'", "'||'"]
NUMBERS = ["3", "-1", "0", "3.0", "-0.0", "2.5", "999999999999999"]
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]

EXACT = [2**53, 2**53 + 1, -(2**53) - 1, 2**63, 2**64, 10**400, float(2**53), 1e300]
PLAIN = ["low", "", "a && b", "é", "\ud83d", "stock.low", 3, 3.0, -1, 0, -0.0, 2.5, True, None]
VALUES = st.sampled_from([*EXACT, *PLAIN]) | json_values(leaves=3)
DATA = st.dictionaries(st.sampled_from(["a", "b", "c", "in_"]), VALUES) | VALUES
KEYS = st.sampled_from(["", "k", {"a": "low"}, {"a": 3}, {}])


@st.composite
def sources(draw: st.DrawFn) -> str:
    sides = st.sampled_from(FIELDS) | st.sampled_from(LITERALS) | st.sampled_from(NUMBERS)
    each = st.tuples(st.sampled_from(FIELDS), st.sampled_from(OPERATORS), sides)
    compared = draw(st.lists(each.map(" ".join), min_size=1, max_size=3))
    return draw(st.sampled_from(["&&", " || "])).join(compared)


def outcome(source: str, variables: dict[str, Any]) -> object:
    try:
        return compiled(source).evaluate(variables)
    except (AbsentField, Unevaluable) as error:
        return type(error), error.reason


@given(source=sources(), data=DATA, key=KEYS)
@example("data.a == 3", {"a": 3.0}, "")
@example("data.a == 'low' && data.b == 1", {"a": "x", "b": 10**400}, "")
@example("data.a == 'low' || data.b == 1", {"a": "low"}, "")
@example("data.a < data.b", {"a": 2**53, "b": float(2**53)}, "")
def test_as_the_engine_says(source: str, data: Any, key: object) -> None:
    """In parentheses nothing is a shortcut, and the engine answers alone."""
    variables = scope(data, key=key)

    assert repr(outcome(source, variables)) == repr(outcome(f"({source})", variables))


@pytest.mark.parametrize(
    "source,holds",
    [
        ("data.a == 'low'", True),
        ("data.a != 'low'", False),
        ("data.n < 5 && data.n >= 3", True),
        ('data.n < 3 || data.a == "low"', True),
        ("data.n == 3.0", True),
        ("type > 'a'", True),
        ("data.a == data.n", False),
        ("data.a == 'low' && data.n == 3 || data.missing == 1", True),
    ],
)
def test_examples(source: str, *, holds: bool) -> None:
    assert compiled(source).evaluate(scope({"a": "low", "n": 3})) is holds
