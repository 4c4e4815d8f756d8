"""Publishes are judged by their heads, before their bodies are read, whichever way they go."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from tests.support.clients.back_ends import basic, signed
from tests.support.deadline import DEADLINE
from tests.support.services.dispatcher import APP, OFF, ServedDispatcher, served_dispatcher
from tests.support.services.front_door import Peer

UP = b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n"
PATH = "/apps/1/events"
LARGE = 1 << 20
NEWS = json.dumps({"name": "step", "channel": "news", "data": "1"}).encode()
SMUGGLED = json.dumps({"name": "step", "channel": "smuggled", "data": "1"}).encode()


def request(
    body: bytes,
    query: str | None = None,
    *headers: str,
    path: str = PATH,
    method: str = "POST",
    length: int | None = None,
) -> bytes:
    """Compose one, signed for its body unless a query says otherwise."""
    query = signed(APP, path, body, method) if query is None else query
    size = len(body) if length is None else length
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {size}", *headers))
    return f"{method} {path}?{query} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode() + body


def forged(**params: str | None) -> str:
    """Sign for a large body, with something that is not so."""
    return signed(APP, PATH, b"x" * LARGE, **params)


OLD = str(int(time.time()) - 1000)
REFUSED = {
    "wrong key": (forged(auth_key="none"), 401, "auth_key is not the app's key"),
    "another's key": (forged(auth_key=OFF.key), 401, "auth_key is not the app's key"),
    "wrong version": (forged(auth_version="2.0"), 401, "auth_version must be 1.0"),
    "stale": (forged(auth_timestamp=OLD), 401, "behind the clock here"),
    "no timestamp": (forged(auth_timestamp=None), 401, "auth_timestamp is missing"),
    "no signature": (
        forged(auth_signature="").replace("auth_signature", "signature"),
        401,
        "auth_signature is missing",
    ),
    "wrong signature": (forged(auth_signature="0" * 64), 401, "the signature does not match"),
    "no digest": (forged(body_md5=None), 401, "body_md5 does not match the body"),
    "nothing": ("", 401, "the request is not signed"),
}


@pytest.fixture(scope="module")
async def here() -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher() as here:
        yield here


@pytest.fixture(params=["short", "long"])
async def peer(here: ServedDispatcher, request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    """Yield a connection; whoever has asked aiohttp something stays with it."""
    url = URL(here.url)
    peer = Peer(*await asyncio.open_connection(url.host, url.port))
    if request.param == "long":
        await peer.say(UP)
        await peer.answer()
    yield peer
    peer.writer.transport.abort()


async def published(here: ServedDispatcher) -> int:
    return len(await here.bus.frames("smuggled"))


class TestHead:
    """What the head says is enough to refuse it."""

    @pytest.mark.parametrize("kind", REFUSED)
    @pytest.mark.parametrize("sent", [0, 100_000, LARGE - 1])
    async def test_refused(self, peer: Peer, kind: str, sent: int) -> None:
        """
        The answer comes though the body does not, and says that the connection ends.
        """
        query, status, words = REFUSED[kind]

        await peer.say(request(b"x" * sent, query, length=LARGE))

        told = await peer.answer()
        assert (told[0], words in told[1]) == (status, True), told
        assert "\r\nConnection: close\r\n" in peer.heads[-1]

    @pytest.mark.parametrize("kind", REFUSED)
    async def test_in_chunks(self, peer: Peer, kind: str) -> None:
        query, status, words = REFUSED[kind]
        head = f"POST {PATH}?{query} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

        await peer.say(head.encode() + b"5\r\nab")

        told = await peer.answer()
        assert (told[0], words in told[1]) == (status, True), told
        assert "\r\nConnection: close\r\n" in peer.heads[-1]

    @pytest.mark.parametrize("kind", REFUSED)
    async def test_who_waits_to_go_on(self, peer: Peer, kind: str) -> None:
        """
        A client that asks whether to send a body is told why not, and nothing else.
        """
        query, status, words = REFUSED[kind]

        await peer.say(request(b"", query, "Expect: 100-continue", length=100))

        told = await peer.answer()
        assert (told[0], words in told[1]) == (status, True), told
        assert "\r\nConnection: close\r\n" in peer.heads[-1]

    @pytest.mark.parametrize("path", ["/apps/1/channels/news/events", "/apps/1/batch_events"])
    async def test_other_paths(self, peer: Peer, path: str) -> None:
        query = signed(APP, path, b"x", auth_signature="0" * 64)

        await peer.say(request(b"x", query, path=path, length=LARGE))

        assert (await peer.answer())[0] == 401

    async def test_reads(self, peer: Peer) -> None:
        path = "/apps/1/channels"
        query = signed(APP, path, b"x", "GET", auth_signature="0" * 64)

        await peer.say(request(b"x", query, path=path, method="GET", length=LARGE))

        assert (await peer.answer())[0] == 401

    async def test_cloudevents(self, peer: Peer) -> None:
        wrong = basic(APP.key, "wrong")

        await peer.say(request(b"x", "", f"Authorization: {wrong}", path="/events", length=LARGE))

        assert (await peer.answer())[0] == 401

    @pytest.mark.parametrize("query", [None, "", forged(auth_signature="0" * 64)])
    async def test_too_large(self, peer: Peer, query: str | None) -> None:
        """
        What is announced longer than any may be is refused for that, whoever asks, as ever.
        """
        await peer.say(request(b"x", query, length=LARGE + 1))

        assert await peer.answer() == (
            413,
            '{"error":"the body is longer than 1048576 bytes"}',
        )
        assert "\r\nConnection: close\r\n" in peer.heads[-1]

    async def test_unknown_app(self, peer: Peer) -> None:
        """
        That there is no such app comes first, as ever.
        """
        await peer.say(request(b"x", "", path="/apps/none/events", length=LARGE + 1))

        assert await peer.answer() == (401, '{"error":"there is no app \'none\' here"}')


class TestLeft:
    """What comes behind a head that was refused is no request before the body's end."""

    @pytest.mark.parametrize("size", [1000, 64 * 1024])
    async def test_short(self, here: ServedDispatcher, peer: Peer, size: int) -> None:
        """
        A short body is dropped as it comes, and the connection stays.
        """
        inner = request(SMUGGLED)
        query = forged(auth_signature="0" * 64)
        body = inner + b"x" * (size - len(inner))

        await peer.say(request(body[:10], query, length=size))
        assert (await peer.answer())[0] == 401
        assert "Connection" not in peer.heads[-1]
        await peer.say(body[10:500], body[500:], request(NEWS))

        assert await peer.answer() == (200, "{}")
        assert await published(here) == 0

    @pytest.mark.parametrize("size", [64 * 1024 + 1, LARGE])
    async def test_long(self, here: ServedDispatcher, peer: Peer, size: int) -> None:
        """
        After a long one the connection ends.
        """
        query = forged(auth_signature="0" * 64)

        await peer.say(request(b"x", query, length=size))
        await peer.say(b"x" * (size - 1) + request(SMUGGLED))

        assert (await peer.rest()).count(b"HTTP/1.1 ") == 1
        assert await published(here) == 0

    async def test_who_waited_to_go_on(self, here: ServedDispatcher, peer: Peer) -> None:
        """
        Nor is what a client sends that was not told to go on: it may be its body, or not.
        """
        query = forged(auth_signature="0" * 64)

        await peer.say(request(b"", query, "Expect: 100-continue", length=10))
        await peer.say(b"x" * 10 + request(SMUGGLED))

        assert (await peer.rest()).count(b"HTTP/1.1 ") == 1
        assert await published(here) == 0

    async def test_in_chunks(self, here: ServedDispatcher, peer: Peer) -> None:
        query = forged(auth_signature="0" * 64)
        head = f"POST {PATH}?{query} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

        await peer.say(head.encode() + b"1\r\nx\r\n0\r\n\r\n" + request(SMUGGLED))

        assert (await peer.answer())[0] == 401
        await peer.rest()
        assert await published(here) == 0


class TestBody:
    """The body is read for whoever has proved to be an app's, and is what was signed."""

    async def test_digest(self, peer: Peer) -> None:
        query = signed(APP, PATH, NEWS, body_md5="0" * 32)

        await peer.say(request(NEWS[:10], query, length=len(NEWS)), NEWS[10:])

        assert await peer.answer() == (401, '{"error":"body_md5 does not match the body"}')

    @pytest.mark.parametrize("size", [1, 100_000, 900_000])
    async def test_in_pieces(self, peer: Peer, size: int) -> None:
        """
        However it is cut; its digest and its contents are told apart.
        """
        body = b"x" * size
        whole = request(body)

        await peer.say(*(whole[at : at + 30_000] for at in range(0, len(whole), 30_000)))

        told = await peer.answer()
        assert (told[0], "the body cannot be read" in told[1]) == (400, True)

    async def test_who_waits_to_go_on(self, peer: Peer) -> None:
        whole = request(NEWS, None, "Expect: 100-continue")

        await peer.say(whole[: -len(NEWS)])
        assert await peer.answer() == (100, "")
        await peer.say(NEWS)

        assert await peer.answer() == (200, "{}")

    async def test_chunks_of_nothing(self, peer: Peer) -> None:
        """
        Nothing needs no digest, whatever was announced.
        """
        path = "/apps/1/users/7/terminate_connections"
        query = signed(APP, path, b"", body_md5=None)
        head = f"POST {path}?{query} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

        await peer.say(head.encode() + b"0\r\n\r\n")

        assert await peer.answer() == (200, "{}")

    async def test_next(self, peer: Peer) -> None:
        """
        What comes with the end of a body is the next request.
        """
        first, second = request(NEWS), request(NEWS)

        await peer.say(first[:-5], first[-5:] + second[:50], second[50:])

        async with asyncio.timeout(DEADLINE):
            assert [await peer.answer() for _ in range(2)] == [(200, "{}")] * 2


class TestRoom:
    """What bodies take is given back when their requests are answered, whatever they are answered."""

    @pytest.mark.parametrize("end", ["whole", "other", "left", "gone"])
    async def test_given_back(self, here: ServedDispatcher, peer: Peer, end: str) -> None:
        whole = request(b"x" * 100_000)
        await peer.say(whole[:-1])
        async with asyncio.timeout(DEADLINE):
            while await held(here) != 100_000:
                await asyncio.sleep(0)

        if end == "gone":
            peer.reset()
        elif end == "left":
            peer.writer.close()
        else:
            await peer.say(b"x" if end == "whole" else b"y")
            assert (await peer.answer())[0] == (400 if end == "whole" else 401)

        async with asyncio.timeout(DEADLINE):
            while await held(here):
                await asyncio.sleep(0)


async def held(here: ServedDispatcher) -> float:
    """Read how many bytes bodies have."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{here.internal}/metrics") as response,
    ):
        families = text_string_to_metric_families(await response.text())
    return next(
        each.samples[0].value for each in families if each.name == "fanfare_http_body_bytes"
    )
