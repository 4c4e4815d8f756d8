"""Heads that are refused: too long, too slow, or malformed."""

from collections.abc import AsyncIterator

import pytest

from libs.common.web.door.limits import DoorLimits
from tests.service.web.door.test_requests import UP, UPGRADE, post
from tests.support.fakes.logs import Logs
from tests.support.servers import Certificates
from tests.support.services.front_door import Here, front_door

LIMITS = DoorLimits(max_head=1000)
BRIEF = DoorLimits(handshake_timeout=1.0, keep_alive=0.05)
MALFORMED = [
    post().replace(b"Host: a\r\n", b""),
    post(b"x", b"Host: b"),
    post(b"x", b"Content-Length: 1"),
    post(b"x", b"Content-Length: 2"),
    post(b"x", b"Transfer-Encoding: chunked"),
    post(b"x", b"Transfer-Encoding: identity"),
    post().replace(b"Length: 1", b"Length: +1"),
    post().replace(b"Length: 1", b"Length: 1, 1"),
    post().replace(b"Length: 1", b"Length: 1_0"),
    post().replace(b"Length: 1", b"Length: 0x1"),
    post().replace(b"Length: 1", b"Length: \xef\xbc\x91"),
    post().replace(b"Length: 1", b"Length:"),
    post().replace(b"Length: 1", b"Length: 99999999999999999999"),
    post().replace(b"Length: 1", b"Length : 1"),
    post().replace(b"Length: 1", b"Length:\r\n 1"),
    post().replace(b"\r\n", b"\n"),
    post().replace(b"Host: a\r\n", b"Host: a\n"),
    post().replace(b"Host: a\r\n", b"Host: a\r"),
    post(b"x", b"X: a\x00b"),
    post(b"x", b"X: a", b" b"),
    post(b"x", b": a"),
    post(b"x", b"X\xff: a"),
    post(path=b"/apps/\xff/events"),
    post().replace(b"HTTP/1.1", b"HTTP/1.2"),
    post().replace(b"POST", b"P\x00ST"),
    UPGRADE.replace(b"Host: a", b"Host: a\r\nHost: b"),
    UPGRADE.replace(b"/app/k", b"/app/\xc3\xa4"),
    UPGRADE.replace(b"\r\n", b"\n"),
    UP.replace(b"/up", b"up"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"hush\r\n\r\n",
    b"\x00\r\n\r\n",
]


@pytest.fixture(params=["plain", "tls"])
async def short(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Here]:
    """Yield a door that takes short heads."""
    files = certificates if request.param == "tls" else None
    async with front_door(LIMITS, files) as here:
        yield here


@pytest.fixture(params=["plain", "tls"])
async def brief(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Here]:
    """Yield a door that has little time."""
    files = certificates if request.param == "tls" else None
    async with front_door(BRIEF, files) as here:
        yield here


class TestLong:
    """A head that is longer than ``server.max_head`` is refused with 431, and the connection ends."""

    @pytest.mark.parametrize("size", [1001, 100_000, 900_000])
    @pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
    async def test_in_one_piece(self, short: Here, size: int, end: bytes) -> None:
        """It is refused whether its end came or not; and the answer arrives however much was sent."""
        peer = await short.peer()

        await peer.say(UP[:-2] + b"X: " + b"x" * size + end)

        assert await peer.answer() == (
            431,
            '{"error":"the head of the request is longer than 1000 bytes"}',
        )
        assert "Connection: close\r\n" in peer.heads[0]
        assert await peer.rest() == b""
        assert short.counted() == {"431": 1}

    async def test_bit_by_bit(self, short: Here) -> None:
        peer, begun = await short.peer(), UP[:-2] + b"X: "

        await peer.say(begun, *[b"x"] * (1001 - len(begun)))

        assert (await peer.answer())[0] == 431

    async def test_exact(self, short: Here) -> None:
        """One that has just that length is taken; so is what comes with it, longer or not."""
        peer, more = await short.peer(), b"x" * (1000 - len(post(b"", b"X: ")))

        await peer.say(post(b"y" * 5000, b"X: " + more[3:]) + post(b"z"))

        assert await peer.answer() == (200, "short /apps/1/events " + "y" * 40)
        assert await peer.answer() == (200, "short /apps/1/events z")

    async def test_after_others(self, short: Here) -> None:
        """One that follows others is refused after they are answered."""
        peer = await short.peer()

        await peer.say(post(b"x") + UP[:-2] + b"X: " + b"x" * 2000)

        assert [(await peer.answer())[0] for _ in range(2)] == [200, 431]


class TestSlow:
    """A connection has a time for a head."""

    async def test_begun(self, brief: Here) -> None:
        """Who has begun one is told 408."""
        peer = await brief.peer()

        await peer.say(UP[:-1])

        status, said = await peer.answer()
        assert (status, said) == (
            408,
            '{"error":"the head of the request took longer than 1 s to arrive"}',
        )
        assert await peer.rest() == b""
        assert brief.counted() == {"408": 1}

    async def test_silent(self, brief: Here) -> None:
        """Who says nothing is told nothing."""
        peer = await brief.peer()

        assert await peer.rest() == b""
        assert brief.counted() == {}

    async def test_between_requests(self, brief: Here) -> None:
        """Nor is who says no more after an answer."""
        peer = await brief.peer()

        await peer.say(post())

        assert (await peer.answer())[0] == 200
        assert await peer.rest() == b""

    async def test_after_an_answer(self) -> None:
        """From the first byte after an answer the time is that for a head, not that between two."""
        async with front_door(DoorLimits(handshake_timeout=1.0, keep_alive=3600)) as here:
            peer = await here.peer()
            await peer.say(post())
            await peer.answer()

            await peer.say(UP[:-1])

            assert (await peer.answer())[0] == 408

    async def test_body(self) -> None:
        """A body that stalls is refused; what comes of it later is dropped, and the connection stays."""
        async with front_door() as here:
            peer = await here.peer()

            await peer.say(post()[:-1])

            assert await peer.answer() == (
                408,
                '{"error":"the body took longer than 2 s to arrive"}',
            )
            await peer.say(b"x" + post(b"next"))
            assert await peer.answer() == (200, "short /apps/1/events next")


class TestMalformed:
    """What RFC 9112 forbids is refused with 400, not guessed, and the connection ends."""

    @pytest.mark.parametrize("request_text", MALFORMED)
    async def test_refused(self, short: Here, request_text: bytes, lines: Logs) -> None:
        """No line of the log tells of it, the answer is counted, and repeats nothing of it."""
        peer = await short.peer()

        await peer.say(request_text)

        assert await peer.answer() == (400, '{"error":"the request is malformed"}')
        assert "Server:" not in peer.heads[0]
        await peer.rest()
        assert lines == []
        assert short.counted() == {"400": 1}
        assert short.desk.asked == []

    async def test_after_others(self, short: Here) -> None:
        """One that follows others is refused after they are answered, on either way."""
        for good in (post(b"x"), UP):
            peer = await short.peer()

            await peer.say(good)
            assert (await peer.answer())[0] == 200
            await peer.say(post(b"x", b"Content-Length: 2"))

            assert (await peer.answer())[0] == 400

    async def test_nothing_is_smuggled(self, short: Here) -> None:
        """What follows a head that is refused is no request, whatever it looks like."""
        for bad in MALFORMED:
            peer = await short.peer()

            await peer.say(bad + post(b"smuggled"), post(b"smuggled"))

            await peer.rest()
        assert b"smuggled" not in short.desk.asked
