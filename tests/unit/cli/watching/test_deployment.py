"""A deployment, put together of what its processes told."""

from typing import Any

import pytest

from libs.common.board.port import BoardEntry
from libs.common.board.process_state import AwayBackend, ProcessState, written
from services.cli.watching.deployment import Deployment, deployment

NOW = 1_000_000.0
AWAY = AwayBackend(name="bus", since=NOW - 90, reason="refused")
HOOKS = AwayBackend(
    name="webhooks", since=NOW - 60, reason="orders of app 1: answered 500", is_own=False
)


def entry(
    process: str, node: str = "web-1:80", *, age: float = 1.0, silent: bool = False, **state: Any
) -> BoardEntry:
    told = ProcessState(node=node, **({"services": {"gateway": {"connections": 5}}} | state))
    return BoardEntry(process=process, text=written(told), age=age, is_silent=silent)


def put(*entries: BoardEntry) -> Deployment:
    return deployment(entries, now=NOW)


class TestNodes:
    """Each process has its place, and what it told last."""

    def test_order(self) -> None:
        """They stand in order of place and start, however the board has them."""
        found = put(
            entry("a", "web-2:80"),
            entry("b", started_at=2.0),
            entry("c", started_at=1.0),
        )

        assert [node.process for node in found.nodes] == ["c", "b", "a"]

    def test_silent(self) -> None:
        """Who is silent is so since it told last."""
        (node,) = put(entry("a", age=60.0, silent=True)).nodes

        assert (node.condition, node.told_at) == ("silent", NOW - 60)

    def test_replaced(self) -> None:
        """Who crashed and was started again in the same place is not missing."""
        found = put(
            entry("old", age=60.0, silent=True, started_at=1.0),
            entry("new", started_at=2.0),
            entry("lost", "web-2:80", age=60.0, silent=True),
        )

        assert [node.process for node in found.nodes] == ["new", "lost"]

    def test_both_gone(self) -> None:
        """If the successor is silent, too, both are missing."""
        found = put(
            entry("old", age=60.0, silent=True, started_at=1.0),
            entry("new", age=30.0, silent=True, started_at=2.0),
        )

        assert len(found.nodes) == 2

    def test_another_release(self) -> None:
        """One that cannot be read is there all the same."""
        odd = BoardEntry(process="x", text=b"\xff", age=1.0, is_silent=False)

        (node,) = put(odd).nodes

        assert (node.state.node, node.condition) == ("?", "ready")


class TestWell:
    """A deployment is well where all answer and have what they use."""

    @pytest.mark.parametrize(
        "entries,is_well",
        [
            ([entry("a"), entry("b", phase="draining")], True),
            ([entry("a", away=(AWAY,))], False),
            ([entry("a", away=(HOOKS,))], True),
            ([entry("a", away=(HOOKS, AWAY))], False),
            ([entry("a"), entry("b", "web-2:80", silent=True)], False),
            ([], False),
        ],
    )
    def test_well(self, entries: list[BoardEntry], *, is_well: bool) -> None:
        assert put(*entries).is_well is is_well


def test_total() -> None:
    """Numbers are of those who answer."""
    found = put(entry("a"), entry("b", "web-2:80"), entry("c", "web-3:80", silent=True))

    assert found.total("gateway", "connections") == 10
    assert found.total("dispatcher", "lag") == 0


def test_json() -> None:
    """For programs instants are texts, and nothing is left out."""
    found = put(entry("a", away=(AWAY,)), entry("b", "web-2:80", age=60.0, silent=True)).json()

    one, two = found["processes"]
    assert (found["ok"], found["at"]) == (False, "1970-01-12T13:46:40.000Z")
    assert one["away"] == [
        {"name": "bus", "since": "1970-01-12T13:45:10.000Z", "reason": "refused", "is_own": True}
    ]
    assert (one["silent"], one["silent_since"]) == (False, None)
    assert (two["silent"], two["silent_since"]) == (True, "1970-01-12T13:45:40.000Z")
    assert one["services"] == {"gateway": {"connections": 5}}
