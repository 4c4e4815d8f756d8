"""Requests that the front door answers itself, leaves to aiohttp, or gives to the upgrader."""

import random
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from tests.support.servers import Certificates
from tests.support.services.front_door import Here, front_door

UPGRADE = (
    b"GET /app/k HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CHUNKED = b"POST /apps/1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
UP = b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes = b"x", *headers: bytes, path: bytes = b"/apps/1/events") -> bytes:
    """Compose a request of the short way, unless its headers or its path say otherwise."""
    lines = b"".join(b"%b\r\n" % line for line in headers)
    size = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n%b" % (path, lines, size, body)


@pytest.fixture(params=["plain", "tls"])
async def here(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Here]:
    async with front_door(certificates=certificates if request.param == "tls" else None) as here:
        yield here


class TestShort:
    """Requests in no way unusual are answered on the short way."""

    async def test_in_one_byte_pieces(self, here: Here) -> None:
        peer = await here.peer()

        await peer.say(*(bytes([each]) for each in post(b"one")))

        assert await peer.answer() == (200, "short /apps/1/events one")

    async def test_cut_anywhere(self, here: Here) -> None:
        """Wherever it is cut in two, a request is the same; the connection stays."""
        peer, request = await here.peer(), post(b"two")
        for place in range(1, len(request)):
            await peer.say(request[:place], request[place:])

            assert await peer.answer() == (200, "short /apps/1/events two")

    async def test_cut_into_many(self, here: Here) -> None:
        """Several requests in any pieces are answered as if each came by itself."""
        stream = post(b"1") + post(b"2" * 500) + b"" + post(b"3") + UP + post(b"4")
        dice = random.Random(16)  # noqa: S311 - the same pieces in every run.
        for _ in range(50):
            places = sorted(dice.sample(range(1, len(stream)), dice.randint(1, 12)))
            peer = await here.peer()

            await peer.say(*(stream[a:b] for a, b in pairwise([0, *places, len(stream)])))

            said = [(await peer.answer())[1] for _ in range(5)]
            assert [each.split()[0] for each in said] == ["short"] * 3 + ["long"] * 2
            assert [each[-1] for each in said] == ["1", "2", "3", " ", "4"]

    async def test_pipelined(self, here: Here) -> None:
        """Answers come in the order of their requests, whichever way each goes."""
        peer = await here.peer()

        await peer.say(post(b"1") + post(b"2") + UP + post(b"3") + UP)

        assert [await peer.answer() for _ in range(5)] == [
            (200, "short /apps/1/events 1"),
            (200, "short /apps/1/events 2"),
            (200, "long /up "),
            (200, "long /apps/1/events 3"),
            (200, "long /up "),
        ]

    async def test_what_waits(self, here: Here) -> None:
        """What comes while a request is answered waits, in bounds, and is answered after it."""
        peer = await here.peer()
        here.desk.open.clear()

        await peer.say(post(b"wait"), post(b"x" * 100_000), post(b"y" * 100_000), post(b"z"))
        here.desk.open.set()

        said = [(await peer.answer())[1][-1] for _ in range(4)]
        assert said == ["t", "x", "y", "z"]

    async def test_counted(self, here: Here) -> None:
        peer = await here.peer()

        await peer.say(post(), post(), UP)
        for _ in range(3):
            await peer.answer()

        assert here.counted() == {"200": 3}

    async def test_empty_body(self, here: Here) -> None:
        peer = await here.peer()

        await peer.say(post(b""))

        assert await peer.answer() == (200, "short /apps/1/events ")

    async def test_other_upgrades(self, here: Here) -> None:
        """A client that offers HTTP/2 is answered as others are, and counted (RFC 9110, 7.8)."""
        peer, offer = await here.peer(), (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings")

        await peer.say(post(b"x", *offer))
        assert await peer.answer() == (200, "long /apps/1/events x")
        await peer.say(UP.replace(b"Host: a", b"\r\n".join([b"Host: a", *offer])))
        await peer.answer()

        assert here.counted() == {"200": 2}

    async def test_bytes_that_are_no_text(self, here: Here) -> None:
        """Values of headers that are no UTF-8 are nobody's fault but the client's."""
        peer = await here.peer()

        await peer.say(post(b"x", b"X-Said: \xff\xfe", b"Origin: \xff"))

        assert await peer.answer() == (200, "short /apps/1/events x")


class TestLong:
    """What is unusual is aiohttp's, with every byte."""

    @pytest.mark.parametrize(
        "request_text",
        [
            CHUNKED + b"1\r\nx\r\n0\r\n\r\n",
            post(b"x", b"Content-Encoding: identity"),
            post(b"x", b"Connection: close"),
            post(b"x", b"Connection: keep-alive", b"Connection: close"),
            post(b"x", path=b"http://b/apps/1/events"),
            post(b"x", path=b"/%61/apps/1/events"),
            post(b"x", path=b"//apps/1/events"),
            post(b"x").replace(b"HTTP/1.1", b"HTTP/1.0"),
            b"\r\n" + post(b"x"),
        ],
    )
    async def test_unusual(self, here: Here, request_text: bytes) -> None:
        peer = await here.peer()

        await peer.say(request_text)

        status, said = await peer.answer()
        assert (status, said[:5], said[-2:]) == (200, "long ", " x")
        assert here.counted() == {"200": 1}

    async def test_compressed(self, here: Here) -> None:
        peer = await here.peer()

        await peer.say(post(b"x", b"Content-Encoding: gzip"))

        assert (await peer.answer())[0] == 415

    async def test_who_waits_to_go_on(self, here: Here) -> None:
        """``Expect: 100-continue`` is answered before the body comes."""
        peer, request = await here.peer(), post(b"x", b"Expect: 100-continue")

        await peer.say(request[:-1])
        assert await peer.answer() == (100, "")
        await peer.say(request[-1:])

        assert await peer.answer() == (200, "long /apps/1/events x")

    async def test_large(self, here: Here) -> None:
        """A body that is larger than the short way takes is refused by its head, on the long way."""
        peer = await here.peer()

        await peer.say(post(b"x" * (1 << 20)))
        assert (await peer.answer())[1].startswith("short ")
        await peer.say(post(b"x" * ((1 << 20) + 1)))

        assert (await peer.answer())[0] == 413
        assert await peer.rest() == b""

    @pytest.mark.parametrize("method", [b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
    async def test_methods(self, here: Here, method: bytes) -> None:
        peer = await here.peer()

        await peer.say(b"%b /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % method)

        assert (await peer.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


class TestUpgrades:
    """A WebSocket in good order is the upgrader's."""

    async def test_pieces(self, here: Here) -> None:
        """What follows the head is the upgrader's too, wherever the bytes are cut."""
        for place in range(1, len(UPGRADE) + 3):
            peer, sent = await here.peer(), UPGRADE + b"abc"

            await peer.say(sent[:place], sent[place:])

            assert (await peer.answer())[0] == 101
            said = await peer.reader.readexactly(len(b"/app/kabc"))
            assert said == b"/app/kabc"

    async def test_accepted(self, here: Here) -> None:
        """The answer is RFC 6455's (1.3)."""
        peer = await here.peer()

        await peer.say(UPGRADE)
        await peer.answer()

        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in peer.heads[0]

    async def test_after_requests(self, here: Here) -> None:
        """It may follow requests on the same connection."""
        peer = await here.peer()

        await peer.say(post(b"1") + UPGRADE + b"abc")

        assert (await peer.answer())[0] == 200
        assert (await peer.answer())[0] == 101
        assert await peer.reader.readexactly(9) == b"/app/kabc"

    async def test_http_1_0(self, here: Here) -> None:
        """Unless it is told otherwise, nginx speaks HTTP/1.0 upstream."""
        peer = await here.peer()

        await peer.say(UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"))

        assert (await peer.answer())[0] == 101

    async def test_absolute(self, here: Here) -> None:
        """A target may be a whole URL (RFC 9112, 3.2.2)."""
        peer = await here.peer()

        await peer.say(UPGRADE.replace(b"/app/k", b"http://b/app/k?x=1"))
        await peer.answer()

        assert await peer.reader.readexactly(6) == b"/app/k"

    @pytest.mark.parametrize(
        "old,new",
        [
            (b"websocket", b"h2c"),
            (b"websocket", b"websocket, h2c"),
            (b"Connection: Upgrade", b"Connection: keep-alive"),
            (b"Version: 13", b"Version: 14"),
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"),
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"\xff"),
            (b"Host: a", b"Host: a\r\nContent-Length: 1"),
            (b"Host: a", b"Host: a\r\nTransfer-Encoding: chunked"),
            (b"HTTP/1.1", b"HTTP/2.0"),
            (b"HTTP/1.1", b"HTTP/0.9"),
        ],
    )
    async def test_not_in_order(self, here: Here, old: bytes, new: bytes) -> None:
        """What is not in good order is aiohttp's, and no WebSocket."""
        peer = await here.peer()

        await peer.say(UPGRADE.replace(b"/app/k", b"/up").replace(old, new), b"0\r\n\r\n")
        peer.writer.write(UP)

        assert (await peer.answer())[0] in {200, 400}
        assert here.desk.upgrades == []
