"""
Answers as bytes, as aiohttp would write them, but for what it tells of itself.

Pure, but that they carry the date (RFC 9110, 6.6.1).
"""

from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

from libs.common.web import http

TOO_SLOW = "the head of the request took longer than {seconds:g} s to arrive"
NO_TLS = "this address speaks plain HTTP"
FULL = "no memory is left here for more clients"
TOO_LONG = "the head of the request is longer than {size} bytes"


def wire(response: web.Response) -> bytes:
    """Compose an answer whose body is there."""
    body = response.body
    content = body if isinstance(body, bytes) else b""
    lines = "".join([f"{name}: {text}\r\n" for name, text in response.headers.items()])
    return (
        f"HTTP/1.1 {response.status} {response.reason}\r\n{lines}"
        f"Content-Length: {len(content)}\r\n"
        f"Date: {rfc822_formatted_time()}\r\n\r\n"
    ).encode() + content


def switching(accept: str) -> bytes:
    """Compose the answer to an upgrade."""
    return (
        f"HTTP/1.1 101 {HTTPStatus.SWITCHING_PROTOCOLS.phrase}\r\n"
        f"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
        f"Date: {rfc822_formatted_time()}\r\n\r\n"
    ).encode()


def goodbye(status: HTTPStatus, error: str) -> bytes:
    """Compose the refusal of what is no request yet; the connection ends with it."""
    headers = {str(hdrs.CONNECTION): "close"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers[str(hdrs.RETRY_AFTER)] = "1"
    return wire(http.answer({"error": error}, status=status, headers=headers))
