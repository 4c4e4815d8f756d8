"""
Heads of requests: parsed by the parser of the framework, so that both ways mean the same.

Pure, but that aiohttp's parser wants to know a loop, of which it makes no use here.
"""

import asyncio
import base64
import binascii
import hashlib
from functools import lru_cache

from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage
from yarl import URL

LINE = 8190  # Bytes of the first line, and of a header: what aiohttp takes by default.
KEPT = 64  # Clients repeat their headers: of so many POSTs they are kept.
LONGEST_KEPT = 2048  # Bytes of a head whose headers are kept.

_ANY_POST = b"POST / HTTP/1.1\r\n"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3.
_VERSIONS = frozenset({"13", "8", "7"})  # The drafts differ in nothing that we use.


class Heads:
    """
    Parses heads, each on its own; headers that were the same before are not parsed again.

    Args:
        loop: The loop that the listener is on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._protocol = BaseProtocol(loop)
        self._with_headers = lru_cache(KEPT)(self._parsed_headers)

    def parsed(self, head: bytes) -> RawRequestMessage | None:
        """
        Parse a head, up to the empty line.

        Returns:
            It; None for what is malformed, or not what may stand in a request (RFC 9112).
        """
        parser = HttpRequestParser(
            self._protocol, self._loop, 2**16, max_line_size=LINE, max_field_size=LINE
        )
        try:
            messages, _, _ = parser.feed_data(head)
        except HttpProcessingError:
            return None
        return messages[0][0] if messages else None

    def posted(self, head: bytes, target: bytes) -> RawRequestMessage | None:
        """
        Parse the head of a POST by HTTP/1.1, as `parsed` does.

        Args:
            head: Up to the empty line.
            target: What stands in its first line: a path and perhaps a query, in visible ASCII,
                with no fragment.
        """
        if len(head) > LONGEST_KEPT:
            return self.parsed(head)
        message = self._with_headers(head[len(target) + len(_ANY_POST) - 1 :])
        if message is None:
            return None
        text = target.decode()
        path, _, query = text.partition("?")
        return message._replace(
            path=text, url=URL.build(path=path, query_string=query, encoded=True)
        )

    def _parsed_headers(self, headers: bytes) -> RawRequestMessage | None:
        return self.parsed(_ANY_POST + headers)


def body_size(message: RawRequestMessage) -> int | None:
    """
    Tell how many bytes of body follow a head.

    Returns:
        The number; None where that is not known beforehand, the body is encoded, the client waits
        to be told to go on, or the connection ends with this request.
    """
    headers = message.headers
    if message.chunked or message.should_close or message.upgrade or hdrs.EXPECT in headers:
        return None
    if hdrs.CONTENT_ENCODING in headers or hdrs.TRANSFER_ENCODING in headers:
        return None
    length = headers.get(hdrs.CONTENT_LENGTH)
    return None if length is None else int(length)


def accept_key(message: RawRequestMessage) -> str | None:
    """
    Tell what a WebSocket's client must be answered (RFC 6455, 4.2).

    Returns:
        Its ``Sec-WebSocket-Accept``; None for what is no upgrade in good order.
    """
    headers = message.headers
    if (
        message.method != hdrs.METH_GET
        or message.version[0] != 1
        or headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket"
        or "upgrade" not in headers.get(hdrs.CONNECTION, "").lower()
        or headers.get(hdrs.SEC_WEBSOCKET_VERSION, "") not in _VERSIONS
        or message.chunked
        or headers.get(hdrs.CONTENT_LENGTH, "0") != "0"
    ):
        return None
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "")
    try:
        is_good = len(base64.b64decode(key)) == 16
        return _accepted(key) if is_good else None
    except (binascii.Error, ValueError):  # The latter for a key that is no ASCII.
        return None


def _accepted(key: str) -> str:
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
