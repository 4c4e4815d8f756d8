"""How connections end: those that are too slow, those that are gone, and what stays of them: nothing."""

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable

import pytest

from services.gateway.connections.connection import Connection
from services.gateway.connections.socket import Socket, join, write_all
from services.gateway.session.session import Session
from services.gateway.timers import Timers
from tests.support.clients.raw_client import CLOSE, TEXT, Frame, RawClient
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import until
from tests.support.services.listener import (
    BLOCK,
    MAX_UNSENT,
    Line,
    Listener,
    alive,
    fill,
    remaining,
    uncollected,
)


class TestSlow:
    """A client that cannot keep up is disconnected, never waited for."""

    async def test_closed_and_aborted(self, listener: Listener) -> None:
        """
        A client that does not read is closed so that it may return, and aborted; others go on receiving.
        """
        listener.timers = Timers(closing=0.1)
        slow, _ = await listener.connect(receives=4096)
        quick, client = await listener.connect()

        while slow.socket.send(BLOCK):
            quick.socket.send(b"tick")
            assert await client.frame() == Frame(TEXT, b"tick")

        assert slow.socket.closed_with == (4100, "too slow: the write buffer is full")
        await slow.end()
        assert slow.transport.get_write_buffer_size() == 0
        quick.socket.send(b"tock")
        assert await client.frame() == Frame(TEXT, b"tock")

    async def test_bound(self, listener: Listener) -> None:
        """
        The buffer holds its bound and one write more.
        """
        line, _ = await listener.connect(receives=4096)

        while line.socket.send(BLOCK):
            assert line.transport.get_write_buffer_size() <= MAX_UNSENT + len(BLOCK) + 10

    async def test_catches_up(self, listener: Listener) -> None:
        """
        One that reads again before its buffer is full has lost nothing.
        """
        line, client = await listener.connect(receives=4096)
        count = fill(line)

        for _ in range(count):
            assert await client.frame() == Frame(TEXT, BLOCK)

        assert line.socket.send(b"more")
        assert await client.frame() == Frame(TEXT, b"more")

    async def test_told_why(self, listener: Listener) -> None:
        """
        One that reads again soon after gets what was buffered, and the code that lets it return.
        """
        listener.timers = Timers(closing=DEADLINE)
        line, client = await listener.connect(receives=4096)
        count = 0
        while line.socket.send(BLOCK):
            count += 1

        for _ in range(count):
            assert await client.frame() == Frame(TEXT, BLOCK)
        assert (await client.frame()).code == 4100


class TestFinish:
    """The end of a connection whose reader has ended."""

    async def test_flushed(self, listener: Listener) -> None:
        """
        What is buffered still reaches a client that reads.
        """
        listener.timers = Timers(closing=DEADLINE)
        line, client = await listener.connect(receives=4096)
        count = fill(line)

        await client.send((1000).to_bytes(2, "big"), CLOSE)
        await line.end()

        for _ in range(count):
            assert await client.frame() == Frame(TEXT, BLOCK)
        assert (await client.frame()).code == 1000
        assert await client.rest() == b""

    async def test_not_for_ever(self, listener: Listener) -> None:
        """
        One that does not read is not waited for.
        """
        listener.timers = Timers(closing=0.1)
        line, client = await listener.connect(receives=4096)
        fill(line)

        await client.send((1000).to_bytes(2, "big"), CLOSE)
        await line.end()

        async with asyncio.timeout(DEADLINE):
            while line.transport.get_write_buffer_size():
                await asyncio.sleep(0.01)

    async def test_ended_before_its_time(
        self,
        listener: Listener,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        When its time is over and it has ended since, nothing happens any more.
        """
        listener.timers = Timers(closing=0.2)
        line, client = await listener.connect(receives=4096)
        fill(line)

        await client.send((1000).to_bytes(2, "big"), CLOSE)
        await line.end()
        await client.rest()

        over = asyncio.get_running_loop().time() + 0.2 + 0.05
        await until(lambda: asyncio.get_running_loop().time() > over)
        assert caplog.records == []

    @pytest.mark.parametrize("writes", [0, 20])
    async def test_dead_peer(
        self, listener: Listener, caplog: pytest.LogCaptureFixture, writes: int
    ) -> None:
        """
        A connection that was reset ends without an exception, and without a line in the log.
        """
        caplog.set_level(logging.INFO)
        line, client = await listener.connect()

        client.reset()
        for _ in range(writes):
            write_all([line.socket], join([b"y"]))
            line.socket.send(b"x")
        await line.end()

        assert not line.socket.send(b"x")
        line.socket.close(4200, "going")
        line.socket.finish()
        assert caplog.records == []


async def reset(_: Line, client: RawClient) -> None:
    client.reset()


async def leave(_: Line, client: RawClient) -> None:
    client.close()


async def end_writing(_: Line, client: RawClient) -> None:
    client.end_writing()


async def close_in_order(_: Line, client: RawClient) -> None:
    await client.send(b"", CLOSE)


async def be_closed(line: Line, _: RawClient) -> None:
    line.socket.close(4200, "going")


async def be_closed_in_order(line: Line, client: RawClient) -> None:
    line.socket.close(4200, "going")
    await client.send((await client.frame()).payload, CLOSE)


async def be_slow(line: Line, _: RawClient) -> None:
    while line.socket.send(BLOCK):
        pass


def _own(others: dict[int, object]) -> int:
    """Count the living that are not among the others, which are kept, so that no id comes again."""
    return sum(id(each) not in others for each in remaining(Socket, Connection, Session))


class TestMemory:
    """Of a connection that ended nothing stays."""

    @pytest.mark.parametrize(
        "end,timeout",
        [
            (reset, 10 * DEADLINE),
            (leave, 10 * DEADLINE),
            (end_writing, 10 * DEADLINE),
            (close_in_order, 10 * DEADLINE),
            (be_closed_in_order, 10 * DEADLINE),
            (be_closed, 0.1),
            (be_slow, 0.1),
        ],
    )
    async def test_nothing_is_held(
        self,
        listener: Listener,
        end: Callable[[Line, RawClient], Awaitable[None]],
        timeout: float,
    ) -> None:
        """
        However it ended, and without the collector; of one that ended in order, at once.
        """
        listener.timers = Timers(closing=timeout)
        others = {id(each): each for each in alive(Socket, Connection, Session)}  # Of other tests.
        with uncollected():
            line, client = await listener.connect(receives=4096)

            await end(line, client)
            await line.end()
            transport = weakref.ref(line.transport)
            del line

            async with asyncio.timeout(DEADLINE):
                while _own(others) or transport():
                    await asyncio.sleep(0.01)
