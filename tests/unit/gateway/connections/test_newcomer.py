"""Clients that are not served: not yet, or not at all."""

import asyncio
from typing import cast

from libs.common.web.door.short_request import ShortRequest
from services.gateway.connections.newcomer import MOST, MOST_DROPPED, Newcomer, Parting
from services.gateway.connections.socket import Socket
from services.gateway.quotas.limiter import Entering
from tests.support.clients.raw_client import CLOSE, masked


class _Transport(asyncio.Transport):
    """Notes what is done with it."""

    def __init__(self) -> None:
        super().__init__({"sslcontext": object()})
        self.written: list[bytes] = []
        self.done: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.done.append(type(protocol).__name__)

    def is_closing(self) -> bool:
        return "close" in self.done

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def close(self) -> None:
        self.done.append("close")


class _Entering:
    """Notes that it is cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


def upgraded() -> tuple[Newcomer, _Transport]:
    transport = _Transport()
    socket = Socket(transport, max_unsent=MOST)
    return Newcomer(cast(ShortRequest, {}), socket, answer=b"101", rest=b""), transport


def refused() -> tuple[Parting, _Transport, list[Parting]]:
    transport, gone = _Transport(), list[Parting]()
    return Parting(Socket(transport, max_unsent=MOST), gone.append), transport, gone


class TestNewcomer:
    """Not yet."""

    def test_waits(self) -> None:
        """
        It knows that it is upgraded, once, and is not read from until it is served.
        """
        newcomer, transport = upgraded()

        newcomer.pause()
        newcomer.wait_for(cast(Entering, _Entering()))
        assert b"".join(transport.written) == b"101"
        assert newcomer.upgrade() == b""
        newcomer.become(asyncio.Protocol())

        assert transport.done == ["pause", "Protocol", "resume"]

    def test_gone(self) -> None:
        """
        One that goes waits for room no longer.
        """
        newcomer, _ = upgraded()
        entering = _Entering()
        newcomer.wait_for(cast(Entering, entering))

        newcomer.connection_lost(None)

        assert newcomer.is_gone
        assert entering.is_cancelled


class TestParting:
    """Not at all."""

    def test_close_frame(self) -> None:
        """
        Once it has answered, it is gone; that is told once.
        """
        parting, transport, gone = refused()
        parting.data_received(masked(b"a"))
        assert not gone

        parting.data_received(masked(b"", CLOSE))
        parting.connection_lost(None)

        assert gone == [parting]
        assert transport.done == ["close"]

    def test_talks_on(self) -> None:
        """
        One that says more than anybody needs to is waited for no longer.
        """
        parting, _, gone = refused()
        parting.data_received(masked(b"a") * MOST_DROPPED)
        assert not gone

        parting.data_received(masked(b"a"))

        assert gone == [parting]

    def test_malformed(self) -> None:
        """
        So is one that speaks no WebSocket.
        """
        parting, _, gone = refused()

        parting.data_received(b"GET / HTTP/1.1\r\n")

        assert gone == [parting]
