"""As much of WebSocket as measuring needs."""

import pytest

from bench.websocket import Decoder, framed
from services.gateway.connections.socket import frame

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
class TestSizes:
    """The three ways in which a frame tells its length (RFC 6455, 5.2)."""

    def test_framed(self, size: int) -> None:
        """
        What a subscriber receives is counted as the gateway writes it.
        """
        assert framed(size) == len(frame(b"x" * size))

    def test_decoded(self, size: int) -> None:
        """
        What the gateway writes is read, however it is cut.
        """
        decoder, written = Decoder(), HEAD + frame(b"x" * size)

        payloads = decoder.feed(written[:-1]) + decoder.feed(written[-1:])

        assert payloads == [b"x" * size]
