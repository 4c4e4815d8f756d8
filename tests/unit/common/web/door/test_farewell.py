"""The end of a connection that we end."""

import asyncio
from typing import cast

import pytest

from libs.common.web.door.door import Door
from libs.common.web.door.farewell import LINGER, MOST_DROPPED, Farewell


class _Transport(asyncio.Transport):
    """Notes what is done with it."""

    def __init__(self, *, has_halves: bool) -> None:
        super().__init__()
        self.done: list[object] = []
        self._has_halves = has_halves

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, Farewell)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def can_write_eof(self) -> bool:
        return self._has_halves

    def write_eof(self) -> None:
        self.done.append("eof")

    def resume_reading(self) -> None:
        self.done.append("reads")

    def close(self) -> None:
        self.done.append("closes")

    def abort(self) -> None:
        self.done.append("aborts")


class _Door:
    """Notes of whom something is expected."""

    def __init__(self) -> None:
        self.expected: dict[Farewell, float] = {}

    def expect(self, visitor: Farewell, seconds: float) -> None:
        self.expected[visitor] = seconds

    def forget(self, visitor: Farewell) -> None:
        self.expected.pop(visitor, None)


def parting(
    *, has_halves: bool = True, has_ended: bool = False
) -> tuple[Farewell, _Transport, _Door]:
    transport, door = _Transport(has_halves=has_halves), _Door()
    farewell = Farewell(cast(Door, door), transport)
    farewell.say(b"bye", has_ended=has_ended)
    return farewell, transport, door


def test_reads_on() -> None:
    """
    What is last is written, our side ends, and what still comes is read: for so long.
    """
    farewell, transport, door = parting()

    assert transport.done == [b"bye", "eof", "reads"]
    assert door.expected == {farewell: LINGER}


@pytest.mark.parametrize("has_halves,has_ended", [(False, False), (True, True)])
def test_closes(*, has_halves: bool, has_ended: bool) -> None:
    """
    Where nothing comes any more, or there are no halves, both sides end.
    """
    _, transport, _ = parting(has_halves=has_halves, has_ended=has_ended)

    assert transport.done == [b"bye", "closes"]


def test_says_too_much() -> None:
    """
    One that goes on and on is cut off.
    """
    farewell, transport, door = parting()
    farewell.data_received(bytes(MOST_DROPPED))
    assert "aborts" not in transport.done

    farewell.data_received(b"1")

    assert transport.done[-1] == "aborts"
    assert not door.expected
