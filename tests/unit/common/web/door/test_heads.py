"""Heads of requests, as the parser reads them, and what of them decides whose they are."""

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp.http import RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st

from libs.common.web.door.heads import KEPT, LINE, LONGEST_KEPT, Heads, accept_key, body_size

POST = "POST /apps/1/events HTTP/1.1\r\nHost: a\r\n"
GET = "GET /app/k HTTP/1.1\r\nHost: a\r\n"
UPGRADE = (
    GET + "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PIECES = (
    "POST /a HTTP/1.1",
    "GET http://b/a?c#d HTTP/1.1",
    "GET /\xff HTTP/1.0",
    "Host: a",
    "Host",
    "Content-Length: 3",
    "Content-Length: 3, 3",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: x, chunked",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Connection: close",
    "X : y",
    " folded",
    "X: \x00",
    ": x",
)


@pytest.fixture(scope="module")
def heads() -> Iterator[Heads]:
    with asyncio.Runner() as runner:
        yield Heads(runner.get_loop())


def read(heads: Heads, text: str) -> RawRequestMessage:
    """Read a head that is in order."""
    message = heads.parsed(text.encode() + b"\r\n")
    assert message is not None
    return message


class TestParsed:
    """One head, on its own."""

    def test_fields(self, heads: Heads) -> None:
        message = read(heads, POST + "X: y\r\n")

        assert (message.method, message.url.path) == ("POST", "/apps/1/events")
        assert message.headers["x"] == "y"

    def test_one_after_another(self, heads: Heads) -> None:
        """A head leaves nothing behind, be it malformed."""
        assert heads.parsed(b"\x00\r\n\r\n") is None
        assert heads.parsed(POST.encode() + b"Content-Length: 5\r\n\r\n") is not None
        assert read(heads, GET).method == "GET"

    @given(
        st.lists(st.sampled_from(PIECES), max_size=6),
        st.sampled_from(["\r\n", "\n", "\r"]),
        st.text(st.characters(max_codepoint=255), max_size=8),
    )
    def test_anything(self, heads: Heads, pieces: list[str], end: str, noise: str) -> None:
        """Whatever it is, it is a head or none, and no exception; where it is one, its end is known."""
        text = end.join([*pieces, noise]) + "\r\n\r\n"

        message = heads.parsed(text.encode("latin-1"))

        if message is not None and (size := body_size(message)) is not None:
            assert message.headers.getall("Content-Length") == [str(size)]
            assert "Transfer-Encoding" not in message.headers


class TestPosted:
    """A POST, whose headers may have come before."""

    @given(
        st.text("/abc.~%2e:;@!$&'()*+,=\"<>[]^`{|}", max_size=12),
        st.text('abc?/=&%2e+~."<>[]^`{|}', max_size=12),
        st.lists(st.sampled_from(PIECES[3:]), max_size=4),
    )
    def test_as_parsed(self, heads: Heads, path: str, query: str, headers: list[str]) -> None:
        """It is read as if it had been parsed in whole."""
        lines = "\r\n".join([*headers, "", ""])
        for target in (f"/{path}", f"/{path}?{query}"):
            head = f"POST {target} HTTP/1.1\r\n{lines}".encode()

            message = heads.posted(head, target.encode())

            assert repr(message) == repr(heads.parsed(head))

    @pytest.mark.parametrize("size", [LONGEST_KEPT, 2 * LINE])
    def test_long(self, heads: Heads, size: int) -> None:
        """What is long is parsed in whole, and refused where the parser refuses it."""
        target = "/" + "a" * size
        head = POST.replace("/apps/1/events", target).encode() + b"\r\n"

        assert repr(heads.posted(head, target.encode())) == repr(heads.parsed(head))

    def test_others(self, heads: Heads) -> None:
        """However many send others, each has its own."""
        for number in [*range(KEPT * 2)] * 2:
            head = POST.encode() + f"X: {number}\r\n\r\n".encode()

            message = heads.posted(head, b"/apps/1/events")

            assert message is not None
            assert message.headers["X"] == str(number)


class TestBodySize:
    """How many bytes follow, if that is known and nothing is unusual."""

    @pytest.mark.parametrize("text,size", [("0", 0), ("7", 7), ("0012", 12), ("9999999", 9999999)])
    def test_length(self, heads: Heads, text: str, size: int) -> None:
        assert body_size(read(heads, POST + f"Content-Length: {text}\r\n")) == size

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Transfer-Encoding: chunked\r\n",
            "Content-Length: 1\r\nExpect: 100-continue\r\n",
            "Content-Length: 1\r\nContent-Encoding: gzip\r\n",
            "Content-Length: 1\r\nConnection: close\r\n",
            "Content-Length: 1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        ],
    )
    def test_unusual(self, heads: Heads, header: str) -> None:
        assert body_size(read(heads, POST + header)) is None

    def test_http_1_0(self, heads: Heads) -> None:
        """The connection ends with it, unless it asks for more."""
        text = POST.replace("1.1", "1.0") + "Content-Length: 1\r\n"

        assert body_size(read(heads, text)) is None


class TestAcceptKey:
    """RFC 6455, 4.2."""

    def test_sample(self, heads: Heads) -> None:
        """The sample of RFC 6455, 1.3."""
        assert accept_key(read(heads, UPGRADE)) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    @pytest.mark.parametrize(
        "old,new",
        [
            ("GET", "POST"),
            ("Upgrade: WebSocket", "Upgrade: h2c"),
            ("Upgrade: WebSocket", "Upgrade: websocket, h2c"),
            ("Upgrade: WebSocket\r\n", ""),
            (", Upgrade", ""),
            ("Version: 13", "Version: 12"),
            ("Version: 13", "Version: "),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "ä"),
            ("Host: a", "Host: a\r\nContent-Length: 1"),
            ("Host: a", "Host: a\r\nTransfer-Encoding: chunked"),
            ("HTTP/1.1", "HTTP/2.0"),
            ("HTTP/1.1", "HTTP/0.9"),
        ],
    )
    def test_not_in_order(self, heads: Heads, old: str, new: str) -> None:
        assert accept_key(read(heads, UPGRADE.replace(old, new))) is None

    @pytest.mark.parametrize("old,new", [("13", "8"), ("13", "7"), ("HTTP/1.1", "HTTP/1.0")])
    def test_old(self, heads: Heads, old: str, new: str) -> None:
        """Drafts, and proxies that speak HTTP/1.0, are taken."""
        assert accept_key(read(heads, UPGRADE.replace(old, new))) is not None
