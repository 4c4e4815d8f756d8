"""Answers as bytes."""

from http import HTTPStatus

from aiohttp import web

from libs.common.web.door.answers import goodbye, switching, wire


def parts(text: bytes) -> tuple[str, dict[str, str], bytes]:
    """Take an answer apart: its first line, its headers, its body."""
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


class TestWire:
    """
    As aiohttp writes them: tests/service/dispatcher/test_ways.py compares the two.

    What wrote them is not among the headers.
    """

    def test_body(self) -> None:
        first, headers, body = parts(wire(web.json_response({"a": "ä"})))

        assert (first, body) == ("HTTP/1.1 200 OK", b'{"a": "\\u00e4"}')
        assert [*headers] == ["Content-Type", "Content-Length", "Date"]
        assert headers["Content-Length"] == str(len(body))

    def test_empty(self) -> None:
        first, headers, body = parts(wire(web.Response(status=503, headers={"Retry-After": "7"})))

        assert (first, body) == ("HTTP/1.1 503 Service Unavailable", b"")
        assert (headers["Retry-After"], headers["Content-Length"]) == ("7", "0")


def test_switching() -> None:
    first, headers, body = parts(switching("key"))

    assert (first, body) == ("HTTP/1.1 101 Switching Protocols", b"")
    assert (headers["Upgrade"], headers["Connection"]) == ("websocket", "upgrade")
    assert headers["Sec-WebSocket-Accept"] == "key"


def test_goodbye() -> None:
    """The connection ends with it, and it says why."""
    first, headers, body = parts(goodbye(HTTPStatus.REQUEST_TIMEOUT, "too slow"))

    assert (first, body) == ("HTTP/1.1 408 Request Timeout", b'{"error":"too slow"}')
    assert headers["Connection"] == "close"
