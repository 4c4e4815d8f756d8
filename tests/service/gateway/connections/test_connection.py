"""A connection, between aiohttp and its session: what a client may send, and how it ends."""

import pytest

from tests.support.clients.pusher import read
from tests.support.clients.raw_client import BINARY, CLOSE, PING, PONG, TEXT, Frame, masked
from tests.support.services.listener import MAX_MESSAGE, Listener


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

    async def test_characters_in_pieces(self, listener: Listener) -> None:
        """
        Pieces may end within a character, for only the whole message must be UTF-8.
        """
        _, client = await listener.connect()
        text = '{"event":"pusher:ping","data":"\N{SNOWMAN}\N{PILE OF POO}"}'.encode()

        for number, byte in enumerate(text):
            opcode = TEXT if number == 0 else 0
            await client.send(bytes([byte]), opcode, final=number == len(text) - 1)

        assert read((await client.frame()).payload)["event"] == "pusher:pong"

    @pytest.mark.parametrize("payload", [b"{}", b""])
    async def test_binary(self, listener: Listener, payload: bytes) -> None:
        """
        What is not text is told, and the client stays.
        """
        _, client = await listener.connect()

        await client.send(payload, BINARY)
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
        "pieces",
        [
            [b"\xff\xfe"],
            [b'{"event":"pusher:ping","data":"\xff"}'],
            [b'{"event":"pusher:ping","more":"\xed\xa0\x80"}'],
            [b'{"event":"pusher:ping"}', b"\xce"],
        ],
        ids=["no JSON", "data", "a surrogate in what is not read", "pieces"],
    )
    async def test_no_text(self, listener: Listener, pieces: list[bytes]) -> None:
        """
        A text that is not UTF-8 gets one Close frame that says so, after the answers to what came before it.
        """
        line, client = await listener.connect()

        await client.send(b'{"event":"pusher:ping"}')
        for number, piece in enumerate(pieces):
            opcode = TEXT if number == 0 else 0
            await client.send(piece, opcode, final=number == len(pieces) - 1)

        assert read((await client.frame()).payload)["event"] == "pusher:pong"
        assert (await client.frame()).code == 1007
        assert await client.rest() == b""
        await line.end()
        assert line.socket.closed_with is not None
        assert line.socket.closed_with[0] == 1007

    @pytest.mark.parametrize(
        "data",
        [b"\x83\x80aaaa", b"\x88\x81aaaax", masked(b"\x00\x01", CLOSE)],
        ids=["opcode", "half a code", "code"],  # Masks are random, but workers must agree.
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

    async def test_by_the_client_without_a_code(self, listener: Listener) -> None:
        """
        A client that closes without a code is answered with that of an ordinary end.
        """
        _, client = await listener.connect()

        await client.send(b"", CLOSE)

        assert (await client.frame()).code == 1000
        assert await client.rest() == b""

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535])
    async def test_by_the_client_with_a_code_for_no_frame(
        self, listener: Listener, code: int
    ) -> None:
        """
        A code that may not stand in a frame is a fault, and not repeated.
        """
        _, client = await listener.connect()

        await client.send(code.to_bytes(2, "big"), CLOSE)

        assert (await client.frame()).code == 1002
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
