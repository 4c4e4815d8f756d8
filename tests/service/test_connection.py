"""A connection, between aiohttp and its session: what a client may send, and how it ends."""

import pytest

from tests.support.listener import MAX_MESSAGE, Listener
from tests.support.pusher import read
from tests.support.rawclient import BINARY, CLOSE, PING, PONG, TEXT, Frame, masked


class TestReceived:
    """What a client may send."""

    async def test_native_ping(self, listener: Listener) -> None:
        """
        A ping is answered with its payload.
        """
        _, client = await listener.connect()

        await client.send(b"mark", PING)

        assert await client.frame() == Frame(PONG, b"mark")

    async def test_fragmented(self, listener: Listener) -> None:
        """
        A message may come in pieces, with a ping between them, which is answered at once.
        """
        _, client = await listener.connect()

        await client.send(b'{"event":"pus', final=False)
        await client.send(b"mark", PING)
        await client.send(b'her:ping","data', 0, final=False)
        await client.send(b'":{}}', 0)

        assert await client.frame() == Frame(PONG, b"mark")
        assert read((await client.frame()).payload)["event"] == "pusher:pong"

    @pytest.mark.parametrize(
        "payload,opcode",
        [(b"\xff\xfe", TEXT), (b'{"event":"\xff"}', TEXT), (b"{}", BINARY), (b"", BINARY)],
    )
    async def test_told(self, listener: Listener, payload: bytes, opcode: int) -> None:
        """
        What is not UTF-8 or not text is told, and the client stays.
        """
        _, client = await listener.connect()

        await client.send(payload, opcode)
        await client.send(b'{"event":"pusher:ping"}')

        error = read((await client.frame()).payload)
        assert (error["event"], error["data"]["code"]) == ("pusher:error", 4300)
        assert read((await client.frame()).payload)["event"] == "pusher:pong"

    async def test_largest(self, listener: Listener) -> None:
        """
        A message of the allowed size is read.
        """
        _, client = await listener.connect()

        await client.send(b'{"event":"pusher:ping"}'.ljust(MAX_MESSAGE))

        assert read((await client.frame()).payload)["event"] == "pusher:pong"

    @pytest.mark.parametrize("pieces", [1, 2])
    async def test_oversized(self, listener: Listener, pieces: int) -> None:
        """
        One above it, in one piece or several, gets one Close frame, with the code after which clients return.
        """
        line, client = await listener.connect()
        size = MAX_MESSAGE // pieces + 1

        for number in range(pieces):
            opcode = TEXT if number == 0 else 0
            await client.send(b"x" * size, opcode, final=number == pieces - 1)

        assert (await client.frame()).code == 1009
        assert await client.rest() == b""
        await line.end()
        assert line.socket.closed_with is not None
        assert line.socket.closed_with[0] == 1009

    @pytest.mark.parametrize(
        "data", [b"\x83\x80aaaa", b"\x88\x81aaaax", masked(b"\x00\x01", CLOSE)]
    )
    async def test_no_websocket(self, listener: Listener, data: bytes) -> None:
        """
        What breaks RFC 6455 gets one Close frame that says so.
        """
        _, client = await listener.connect()

        await client.write(data)

        assert (await client.frame()).code == 1002
        assert await client.rest() == b""


class TestEnd:
    """RFC 6455, 5.5.1 and 7.1."""

    @pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
    async def test_by_the_client(self, listener: Listener, code: int) -> None:
        """
        A client that closes is answered with its own code, once.
        """
        line, client = await listener.connect()

        await client.send(code.to_bytes(2, "big") + b"bye", CLOSE)

        assert (await client.frame()).code == code
        assert await client.rest() == b""
        await line.end()

    @pytest.mark.parametrize("payload", [b"", (1006).to_bytes(2, "big"), (5000).to_bytes(2, "big")])
    async def test_by_the_client_with_no_code_to_echo(
        self, listener: Listener, payload: bytes
    ) -> None:
        """
        A code that may not stand in a frame is not repeated.
        """
        _, client = await listener.connect()

        await client.send(payload, CLOSE)

        assert (await client.frame()).code == 1000
        assert await client.rest() == b""

    async def test_half_closed(self, listener: Listener) -> None:
        """
        A client that sends nothing more ends the connection.
        """
        line, client = await listener.connect()

        client.end_writing()

        assert await client.rest() == b""
        await line.end()
        assert line.socket.closed_with is None
