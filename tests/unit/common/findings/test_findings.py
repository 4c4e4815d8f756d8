"""Which parts of an expression decided."""

from typing import Any

import pytest

from libs.common.findings.findings import MOST, MOST_ELEMENTS, found, reads

KNOWN: dict[str, Any] = {
    "data": {"n": 3, "t": "x", "none": None, "yes": True, "no": False, "list": [1, 2], "empty": []},
    "type": "low",
}


def parts(source: str, known: dict[str, Any] = KNOWN) -> list[str]:
    return [finding.whole.source for finding in found(source, known)]


class TestFound:
    """What another outcome of the part would have changed is found, and nothing else."""

    @pytest.mark.parametrize(
        "source,decided",
        [
            ("data.yes", ["data.yes"]),
            ("data.n > 5", ["data.n > 5"]),
            ("data.n > 5 && data.no", ["data.n > 5"]),
            ("data.n > 1 && data.no", ["data.no"]),
            ("data.n > 5 || data.no", ["data.n > 5", "data.no"]),
            ("data.n > 1 || data.no", ["data.n > 1"]),
            ("!(data.n > 1 || data.no)", ["data.n > 1"]),
            ("!(data.n > 1 && data.yes)", ["data.n > 1", "data.yes"]),
            ("!(data.n > 1 || data.yes)", ["data.n > 1"]),
            ("data.yes && data.nope > 1", ["data.nope > 1"]),
            ("data.no && data.nope > 1", ["data.no"]),
            ("data.no || data.nope > 1", ["data.nope > 1"]),
            ("data.t < 1 && data.yes", ["data.t < 1"]),
            ("data.yes ? data.n > 5 : data.t == 'y'", ["data.yes", "data.n > 5"]),
            ("data.no ? data.n > 5 : data.t == 'y'", ["data.no", "data.t == 'y'"]),
            ("data.t ? data.n > 5 : data.t == 'y'", ["data.t"]),
            ("data.list.exists(x, x > 5 || data.no)", ["x > 5", "data.no", "x > 5", "data.no"]),
            ("data.list.all(x, x > 1)", ["x > 1"]),
            ("!data.list.exists(x, x > 1)", ["x > 1"]),
            ("data.list.exists_one(x, x > 5)", ["x > 5", "x > 5"]),
            ("data.empty.exists(x, x > 5)", ["data.empty.exists(x, x > 5)"]),
            ("data.nope.exists(x, x > 5)", ["data.nope.exists(x, x > 5)"]),
            ("data.t.startsWith('y')", ["data.t.startsWith('y')"]),
        ],
    )
    def test_decisive(self, source: str, decided: list[str]) -> None:
        assert parts(source) == decided

    def test_sides(self) -> None:
        """Of a comparison both sides are told, of anything else the paths that it reads."""
        (compared,) = found("data.n == data.nope", KNOWN)
        (called,) = found("data.t.startsWith('y')", KNOWN)

        assert [(side.source, side.value) for side in compared.sides] == [
            ("data.n", 3),
            ("data.nope", None),
        ]
        assert [side.failure is None for side in compared.sides] == [True, False]
        assert [(side.source, side.value) for side in called.sides] == [("data.t", "x")]

    def test_a_name_that_hides_another(self) -> None:
        (finding,) = found("[7].exists(type, type == 8)", KNOWN)

        assert finding.sides[0].value == 7

    def test_bounded(self) -> None:
        """However long the lists, one walk takes a bounded number of evaluations."""
        long = {"data": {"list": list(range(300))}}

        assert len(parts("data.list.exists(x, x < 0)", long)) == MOST_ELEMENTS
        nested = parts("data.list.exists(x, data.list.exists(y, x + y < 0))", long)
        assert 0 < len(nested) <= MOST


def test_reads() -> None:
    """Names that no variable has, such as functions', are left out."""
    told = [(side.source, side.value) for side in reads("size(data.list) > data.n && x.y", KNOWN)]

    assert told == [("data.list", [1, 2]), ("data.n", 3)]
