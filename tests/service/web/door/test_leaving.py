"""Peers that go, wait, or do not read; and a door that closes."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable

import pytest

from libs.common.web.door.limits import DoorLimits
from libs.common.web.door.visitor import Visitor
from tests.service.web.door.test_requests import CHUNKED, UP, UPGRADE, post
from tests.support.fakes.logs import Logs
from tests.support.servers import Certificates
from tests.support.services.front_door import Here, front_door
from tests.support.services.gateway import until

COUNT = 30_000  # Of requests whose answers do not fit the kernel's buffers.
BEGUN = [
    b"",
    b"P",
    UP[:20],
    post()[:-1],
    post(b"x" * 1000)[:-10],
    CHUNKED,
    CHUNKED + b"5\r\nab",
    UPGRADE[:-2],
    UPGRADE,
    UPGRADE + b"x" * 1000,
    post(b"wait"),
    CHUNKED + b"4\r\nwait\r\n0\r\n\r\n",
    post(b"wait") + post() + UP[:10],
    post(b"wait") + UPGRADE,
    UP * 50,
    post() * 50,
]


def living() -> list[Visitor]:
    """Find the visitors that are in memory."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is Visitor]


def visitors() -> int:
    """Count them."""
    return len(living())


@pytest.fixture(params=["plain", "tls"])
async def here(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Here]:
    async with front_door(certificates=certificates if request.param == "tls" else None) as here:
        yield here


class TestGone:
    """A peer that goes is no error, whenever it goes."""

    @pytest.mark.parametrize("begun", BEGUN)
    @pytest.mark.parametrize("is_reset", [True, False])
    async def test_gone(self, here: Here, lines: Logs, begun: bytes, *, is_reset: bool) -> None:
        """Nothing of it is in the log, and nothing is left of it in memory."""
        peer = await here.peer()
        here.desk.open.clear()
        await peer.say(begun)

        if is_reset:
            peer.reset()
        else:
            peer.writer.transport.abort()
        other = await here.peer()
        await other.say(post(b"x", b"Connection: close"))
        await other.rest()
        here.desk.open.set()

        await until(lambda: visitors() == 0)
        assert [line for line in lines if line["event"] != "request.refused"] == []

    async def test_while_it_is_answered(self, here: Here) -> None:
        """What it asked for is done all the same."""
        peer = await here.peer()
        here.desk.open.clear()
        await peer.say(post(b"wait"))
        await until(lambda: here.desk.asked == [b"wait"])

        peer.reset()
        here.desk.open.set()

        await until(lambda: here.counted() == {"200": 1})


class TestHalfClosed:
    """A peer that sends no more is answered what it asked for."""

    async def test_answered(self) -> None:
        async with front_door() as here:
            peer = await here.peer()

            await peer.say(post(b"1") + post(b"2"))
            peer.writer.write_eof()

            assert [(await peer.answer())[1][-1] for _ in range(2)] == ["1", "2"]
            assert await peer.rest() == b""

    async def test_while_it_waits(self) -> None:
        """So it is if it ends while it waits, whatever it sent before."""
        async with front_door() as here:
            peer = await here.peer()
            here.desk.open.clear()
            await peer.say(post(b"wait") + post(b"2") + UPGRADE)
            await until(lambda: here.desk.asked == [b"wait"])
            peer.writer.write_eof()
            here.desk.open.set()

            assert [(await peer.answer())[0] for _ in range(3)] == [200, 200, 404]
            assert here.desk.upgrades == []

    @pytest.mark.parametrize("begun", [UP[:-2], post()[:-1], post() + UP[:-2]])
    async def test_unfinished(self, begun: bytes) -> None:
        """What it did not finish is dropped with the connection."""
        async with front_door() as here:
            peer = await here.peer()

            await peer.say(begun)
            peer.writer.write_eof()

            assert (await peer.rest()).count(b"HTTP/1.1 ") == begun.count(b"\r\n\r\nx")

    async def test_unfinished_while_it_waits(self) -> None:
        """So it is if it ends while it waits, and what came since is no request yet."""
        async with front_door() as here:
            peer = await here.peer()
            here.desk.open.clear()
            await peer.say(post(b"wait") + UP[:-2])
            await until(lambda: here.desk.asked == [b"wait"])
            peer.writer.write_eof()
            await until(lambda: any(each._has_ended for each in living()))
            here.desk.open.set()

            assert (await peer.rest()).count(b"HTTP/1.1 ") == 1

    async def test_tls(self, certificates: Certificates, lines: Logs) -> None:
        """TLS has no half of a connection."""
        async with front_door(certificates=certificates) as here:
            peer = await here.peer()
            here.desk.open.clear()
            await peer.say(post(b"wait"))
            await until(lambda: here.desk.asked == [b"wait"])

            peer.writer.close()
            here.desk.open.set()

            await until(lambda: here.counted() == {"200": 1})
            assert lines == []


class TestUnread:
    """A peer that does not read what it is answered is served no further."""

    async def test_cut_off(self) -> None:
        """What it sends is left unread, and it is cut off when it stays so."""
        async with front_door(DoorLimits(keep_alive=0.1)) as here:
            peer = await here.peer(receives=4096)
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]

            peer.writer.write(post(b"x", b"X: " + b"y" * 4000) * COUNT)

            await until(peer.writer.transport.is_closing)
            assert 0 < len(here.desk.asked) < COUNT

    async def test_much_that_waits(self) -> None:
        """Of what it sends while it is answered no more is held than fits."""
        async with front_door() as here:
            peer = await here.peer()
            here.desk.open.clear()
            size = 16 << 20

            await peer.say(post(b"wait") + post(), b"")
            peer.writer.write(b"x" * size)
            await settled(peer.writer.transport.get_write_buffer_size)

            assert peer.writer.transport.get_write_buffer_size() > size // 2

    async def test_reads_again(self) -> None:
        """Once it reads, all is answered, in order."""
        async with front_door() as here:
            peer = await here.peer(receives=4096)
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            peer.writer.write(b"".join(post(b"%d" % number) for number in range(COUNT)))
            await settled(lambda: len(here.desk.asked))
            assert 0 < len(here.desk.asked) < COUNT

            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]

            for number in range(COUNT):
                assert await peer.answer() == (200, f"short /apps/1/events {number}")


class TestClosed:
    """A door that closes."""

    async def test_all_kinds(self, lines: Logs) -> None:
        """Whatever connections do at the end, they end, and what is being answered is answered."""
        async with front_door() as here:
            peers = [await here.peer() for _ in range(7)]
            here.desk.open.clear()
            begun = [b"", UP[:9], UP, post()[:-1], post(), CHUNKED, post(b"wait")]
            for peer, sent in zip(peers, begun, strict=True):
                await peer.say(sent)
            await until(lambda: b"wait" in here.desk.asked)
            asyncio.get_running_loop().call_soon(here.desk.open.set)
            here.peers.clear()

        rests = [await peer.rest() for peer in peers]
        assert rests[-1].endswith(b"short /apps/1/events wait")
        assert [line for line in lines if line["log_level"] == "error"] == []
        for peer in peers:
            peer.writer.close()

    async def test_hanging(self) -> None:
        """A request that hangs is not waited for long; its connection ends."""
        async with front_door() as here:
            peer = await here.peer()
            here.desk.open.clear()
            await peer.say(post(b"wait"))
            await until(lambda: here.desk.asked == [b"wait"])
            here.peers.clear()

        assert await peer.rest() == b""
        peer.writer.close()


class TestHandOver:
    """A visitor is forgotten once its connection is another's."""

    @pytest.mark.parametrize("request_text", [UP, UPGRADE, post() + UP, post() + UPGRADE])
    async def test_forgotten(self, here: Here, request_text: bytes) -> None:
        peer = await here.peer()

        await peer.say(request_text)
        for _ in range(request_text.count(b"Host")):
            await peer.answer()

        assert visitors() == 0


async def settled(count: Callable[[], int]) -> None:
    """Wait until a number has not changed for many turns of the loop."""
    same, before = 0, -1
    while same < 2000:
        await asyncio.sleep(0)
        now = count()
        same, before = (same + 1, before) if now == before else (0, now)
