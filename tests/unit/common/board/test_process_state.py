"""How a process's state stands on the board."""

import pytest

from libs.common.board.process_state import AwayBackend, ProcessState, understood, written

STATE = ProcessState(
    node="web-1:6001",
    pid=7,
    version="1.0",
    started_at=1.5,
    phase="starting",
    services={"gateway": {"connections": 3}},
    waits_for=("bus",),
    away=(AwayBackend(name="bus", since=2.5, reason="refused"),),
    listen=("0.0.0.0:6001",),
    internal=("127.0.0.1:9601",),
)


def test_whole() -> None:
    """What was written is read again."""
    assert understood(written(STATE)) == STATE


def test_newer() -> None:
    """What a newer release tells besides is left out, and what an older one does not is usual."""
    assert understood(b'{"node":"n","mood":"good"}') == ProcessState(node="n")


def test_too_long() -> None:
    """A state that the board would not take is told without what made it long."""
    found = understood(written(STATE, longest=200))

    assert found is not None
    assert (found.node, found.services, found.away) == (STATE.node, STATE.services, ())


def test_half_a_pair() -> None:
    """Whatever a server gave as its reason can be written."""
    state = ProcessState(node="n", away=(AwayBackend(name="bus", since=1.0, reason="\ud83d"),))

    assert written(state).startswith(b'{"node":"n"')


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"\xff", b'{"node":1}', b'{"node":"n","phase":"odd"}']
)
def test_not_understood(text: bytes) -> None:
    assert understood(text) is None
