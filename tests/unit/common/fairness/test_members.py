"""How many members an expression may go through."""

from typing import Any

import pytest

from libs.common.fairness.members import MOST, has_more_members, most_members


@pytest.mark.parametrize(
    "source, depth",
    [
        ("data.a == 1 && size(data.a) > (2)", 0),
        ("data.map", 0),
        ("data.a.exists(x, x == 1)", 1),
        ("data.a . exists_one (x, (x == 1))", 1),
        ("data.a.filter(x, x > 1).map(x, x * 2)", 1),
        ("data.a.all(x, x > 1) || data.b.all(x, x > 1)", 1),
        ("data.a.exists(x, size(data.b.filter(y, y == x)) > 0)", 2),
        ("a.map(x, a.map(y, a.map(z, z)))", 3),
        ("a.map(w, a.map(x, a.map(y, a.map(z, z))))", 4),
        ("a.map(v, a.map(w, a.map(x, a.map(y, a.map(z, z)))))", 4),
        (")) a.map(x, '))' + a.map(y, y))", 2),
        ("a.map(x, \"it's )\" + ')' + 'b\\')' + a.map(y, y))", 2),
        ("'.map(.map(.map(' + a.map(x, x)", 1),
        ("((((", 0),
    ],
)
def test_most(source: str, depth: int) -> None:
    """The more deeply macros stand within one another, the fewer."""
    assert most_members(source) == MOST[depth]


@pytest.mark.parametrize(
    "value, widest",
    [
        (1, 0),
        ("text", 0),
        ([], 0),
        ([1, 2, 3], 3),
        ({"a": 1, "b": 2}, 2),
        ({"a": [1, 2, 3], "b": {"c": [1, 2, 3, 4]}}, 4),
        ([[], [[1, 2, 3, 4, 5]]], 5),
    ],
)
def test_members(value: Any, widest: int) -> None:
    """The widest of all lists and objects counts."""
    assert not has_more_members(value, widest)
    assert widest == 0 or has_more_members(value, widest - 1)
