"""What straight writes rely on, of asyncio's transports: a real server, and a client that sees every frame."""

import asyncio
import ssl

import pytest
from aiohttp import ClientSession

from services.gateway.connections.socket import frame, join, write_all
from services.gateway.timers import Timers
from tests.support.clients.raw_client import CLOSE, PING, PONG, TEXT, Frame
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates
from tests.support.services.listener import BLOCK, MAX_UNSENT, Listener, fill, listening


class TestFrames:
    """RFC 6455, 5.2."""

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
    async def test_sizes(self, listener: Listener, size: int) -> None:
        """
        A frame of any size has the shortest header for it, and arrives whole.
        """
        line, client = await listener.connect()
        payload = bytes(range(256)) * (size // 256) + bytes(size % 256)

        line.socket.send(payload)

        assert await client.frame() == Frame(TEXT, payload)

    async def test_joined(self, listener: Listener) -> None:
        """
        Frames that are written together arrive one by one, in order.
        """
        line, client = await listener.connect()
        payloads = [b"a", b"", b"b" * 200, BLOCK, b"c"]

        assert line.socket.write(join(payloads))

        assert [await client.frame() for _ in payloads] == [Frame(TEXT, each) for each in payloads]

    async def test_control_frames(self, listener: Listener) -> None:
        """
        Pings and pongs are control frames.
        """
        line, client = await listener.connect()

        line.socket.ping()
        line.socket.pong(b"mark")

        assert await client.frame() == Frame(PING, b"")
        assert await client.frame() == Frame(PONG, b"mark")


class TestWriteAll:
    """One write for many."""

    async def test_everybody(self, listener: Listener) -> None:
        """
        All connections get the frames; one that was closed gets nothing.
        """
        lines, clients = zip(*[await listener.connect() for _ in range(3)], strict=True)
        lines[1].socket.close(4200, "going")

        write_all([line.socket for line in lines], join([b"a", b"b"]))

        for client in (clients[0], clients[2]):
            assert await client.frame() == Frame(TEXT, b"a")
            assert await client.frame() == Frame(TEXT, b"b")
        assert (await clients[1].frame()).opcode == CLOSE
        await clients[1].send(b"\x10\x68", CLOSE)
        assert await clients[1].rest() == b""

    async def test_ended(self, listener: Listener) -> None:
        """
        Nothing is written to a connection that ended, nor to one that took over its file descriptor.
        """
        ended, client = await listener.connect()
        client.reset()
        await ended.end()
        line, client = await listener.connect()

        write_all([ended.socket], join([b"a"]))

        write_all([line.socket], join([b"b"]))
        assert await client.frame() == Frame(TEXT, b"b")

    async def test_backlog(self, listener: Listener) -> None:
        """
        What the kernel takes in part or not at all arrives later, whole and in order.
        """
        line, client = await listener.connect(receives=4096)
        payloads: list[bytes] = []

        while line.transport.get_write_buffer_size() < MAX_UNSENT // 2:
            payloads.append(str(len(payloads)).encode() + BLOCK)
            write_all([line.socket], join([payloads[-1]]))

        assert [await client.frame() for _ in payloads] == [Frame(TEXT, each) for each in payloads]

    async def test_behind_a_backlog(self, listener: Listener) -> None:
        """
        What waits in the buffer is not overtaken when the kernel has room again.
        """
        line, client = await listener.connect(receives=4096)
        count = fill(line)
        client.take()

        write_all([line.socket], join([b"last"]))

        for _ in range(count):
            assert await client.frame() == Frame(TEXT, BLOCK)
        assert await client.frame() == Frame(TEXT, b"last")

    async def test_too_slow(self, listener: Listener) -> None:
        """
        One whose buffer is full is closed, and the others have their frame.
        """
        slow, _ = await listener.connect(receives=4096)
        quick, client = await listener.connect()
        while slow.socket.send(BLOCK):
            pass

        write_all([slow.socket, quick.socket], join([b"a"]))

        assert await client.frame() == Frame(TEXT, b"a")

    async def test_tls(self, certificates: Certificates) -> None:
        """
        Nothing passes an encrypted transport by.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        async with listening(context) as listener, ClientSession() as http:
            url = f"https://127.0.0.1:{listener.port}/"
            client = await http.ws_connect(url, ssl=certificates.client_context())
            line = await listener.accepted()
            await client.receive_str()

            write_all([line.socket], join([b"a", b"b"]))

            async with asyncio.timeout(DEADLINE):
                assert [await client.receive_str() for _ in range(2)] == ["a", "b"]
                await client.close()


class TestHeld:
    """What may not be told yet is held, and everything after it."""

    async def test_in_order(self, listener: Listener) -> None:
        """
        Each release lets go what was held since its hold, and the last one all that follows.
        """
        line, client = await listener.connect()

        line.socket.hold()
        line.socket.send(b"1")
        line.socket.hold()
        write_all([line.socket], join([b"2"]))
        line.transport.write(frame(b"none of ours", PING))
        assert line.socket.unsent == len(join([b"1", b"2"]))
        line.socket.release()
        line.transport.write(frame(b"before the second", PING))
        line.socket.release()
        write_all([line.socket], join([b"3"]))

        payloads = [(await client.frame()).payload for _ in range(5)]
        assert payloads == [b"none of ours", b"1", b"before the second", b"2", b"3"]
        assert line.socket.unsent == 0

    async def test_closed(self, listener: Listener) -> None:
        """
        It stands before the Close frame, and a release that comes after that changes nothing.
        """
        line, client = await listener.connect()
        line.socket.hold()
        line.socket.send(b"1")
        line.socket.hold()
        line.socket.send(b"2")

        line.socket.close(4200, "going")
        line.socket.release()
        line.socket.release()

        assert [(await client.frame()).payload for _ in range(2)] == [b"1", b"2"]
        assert (await client.frame()).code == 4200
        await client.send(b"\x10\x68", CLOSE)
        assert await client.rest() == b""

    async def test_held_when_closed(self, listener: Listener) -> None:
        """
        A socket that is closed may be held and released all the same.
        """
        line, client = await listener.connect()
        line.socket.close(4200, "going")

        line.socket.hold()
        assert not line.socket.send(b"1")
        line.socket.release()

        write_all([line.socket], join([b"2"]))
        assert (await client.frame()).code == 4200
        await client.send(b"\x10\x68", CLOSE)
        assert await client.rest() == b""

    async def test_too_much(self, listener: Listener) -> None:
        """
        For what is held the bound of the write buffer holds, too.
        """
        line, client = await listener.connect()
        line.socket.hold()
        count = 0
        while line.socket.send(BLOCK):
            count += 1

        assert len(BLOCK) * count <= MAX_UNSENT + 2 * len(BLOCK)
        for _ in range(count):
            assert await client.frame() == Frame(TEXT, BLOCK)
        assert (await client.frame()).code == 4100


class TestClose:
    """architecture.md, 5: the Close frame is the last, and nobody is waited for."""

    async def test_by_us(self, listener: Listener) -> None:
        """
        The client gets one Close frame, with our code, after everything that was written before.
        """
        line, client = await listener.connect()
        line.socket.send(b"last words")

        line.socket.close(4200, "going")

        assert await client.frame() == Frame(TEXT, b"last words")
        close = await client.frame()
        assert (close.opcode, close.code, close.payload[2:]) == (CLOSE, 4200, b"going")
        await client.send(close.payload, CLOSE)
        assert await client.rest() == b""
        await line.end()
        assert line.socket.closed_with == (4200, "going")

    @pytest.mark.parametrize("late", [b"late words", b"no text: \xff"])
    async def test_nothing_after_it(self, listener: Listener, late: bytes) -> None:
        """
        After a Close frame nothing is written any more, and a second one changes nothing.
        """
        line, client = await listener.connect()
        line.socket.close(4200, "going")

        line.socket.close(4100, "other")
        write_all([line.socket], join([b"x"]))

        assert not line.socket.send(b"x")
        assert not line.socket.write(join([b"x"]))
        assert not line.socket.ping()
        assert not line.socket.pong(b"")
        assert (await client.frame()).code == 4200
        await client.send(late)
        await client.send(b"\x10\x68", CLOSE)
        assert await client.rest() == b""

    async def test_long_reason(self, listener: Listener) -> None:
        """
        A reason is cut to what fits, between two characters: half a one is a protocol error to clients.
        """
        line, client = await listener.connect()

        line.socket.close(4001, "é" * 100)

        payload = (await client.frame()).payload
        assert payload[2:].decode() == "é" * 61

    async def test_by_both(self, listener: Listener) -> None:
        """
        When both close at once, the client gets our frame, and no second one.
        """
        line, client = await listener.connect()

        line.socket.close(4200, "going")
        await client.send((1001).to_bytes(2, "big"), CLOSE)

        assert (await client.frame()).code == 4200
        assert await client.rest() == b""

    async def test_silent_peer(self, listener: Listener) -> None:
        """
        A peer that does not answer our Close frame is not waited for.
        """
        listener.timers = Timers(closing=0.1)
        line, client = await listener.connect()

        line.socket.close(4200, "going")

        await line.end()
        assert (await client.frame()).code == 4200
        assert await client.rest() == b""
