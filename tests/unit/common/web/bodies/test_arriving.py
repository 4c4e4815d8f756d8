"""A body that is on its way."""

import asyncio
import tracemalloc

import pytest

from libs.common.web.bodies.arriving import Arriving

SIZE = 1 << 20
PIECE = 1 << 16


class Wanted:
    """Notes when bodies are wanted."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def arriving(self, size: int) -> Arriving:
        return Arriving(size, self.times.append)


async def test_in_pieces() -> None:
    """What comes behind it is not its own."""
    wanted = Wanted()
    body = wanted.arriving(6)

    assert body.take(b"abc") == b""
    reading = asyncio.ensure_future(body.read(7.0))
    await asyncio.sleep(0)
    assert body.take(b"defgh") == b"gh"

    assert await reading == b"abcdef"
    assert (body.is_whole, wanted.times) == (True, [7.0])


async def test_whole_before_it_is_wanted() -> None:
    wanted = Wanted()
    body = wanted.arriving(3)
    body.take(b"abc")

    assert await body.read(7.0) == b"abc"
    assert wanted.times == []
    with pytest.raises(ConnectionError):  # It is had once, and not kept beside whoever has it.
        await body.read(7.0)


async def test_unwanted() -> None:
    """Only what waits for nobody counts: who has the rest read is told when it must stop."""
    body = Wanted().arriving(6)
    body.take(b"abc")
    assert body.unwanted == 3

    reading = asyncio.ensure_future(body.read(7.0))
    await asyncio.sleep(0)

    assert body.unwanted == 0
    reading.cancel()
    await asyncio.wait([reading])
    assert body.unwanted == 3


async def test_dropped() -> None:
    """What nobody wants is counted, and not kept."""
    body = Wanted().arriving(6)
    body.take(b"abc")

    body.drop()

    assert body.unwanted == 0
    assert body.take(b"defg") == b"g"
    assert body.is_whole


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError()])
async def test_lost(error: OSError) -> None:
    """Who waits for it learns that it does not come, and so does who asks later."""
    body = Wanted().arriving(6)
    reading = asyncio.ensure_future(body.read(7.0))
    await asyncio.sleep(0)

    body.lose(error)

    with pytest.raises(type(error)):
        await reading
    with pytest.raises(type(error)):
        await body.read(7.0)
    assert body.take(b"abc") == b""
    assert body.unwanted == 0


async def test_lost_at_its_end() -> None:
    """Its end and that of the connection may come before whoever waits has been told."""
    body = Wanted().arriving(6)
    reading = asyncio.ensure_future(body.read(7.0))
    await asyncio.sleep(0)

    body.take(b"abcdef")
    body.lose(ConnectionError())

    with pytest.raises(ConnectionError):
        await reading


async def test_one_copy() -> None:
    """Never is more in memory than the body, an eighth of it, and the piece that comes."""
    body, piece = Wanted().arriving(SIZE), b"x" * PIECE
    tracemalloc.start()
    try:
        reading = asyncio.ensure_future(body.read(7.0))
        await asyncio.sleep(0)
        for _ in range(SIZE // PIECE):
            body.take(piece)
        whole = await reading
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(whole) == SIZE
    assert peak < SIZE * 9 / 8 + PIECE


async def test_announced() -> None:
    """What was announced takes no memory before it comes."""
    tracemalloc.start()
    try:
        bodies = [Wanted().arriving(SIZE) for _ in range(10)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(bodies) * SIZE > 100 * peak
