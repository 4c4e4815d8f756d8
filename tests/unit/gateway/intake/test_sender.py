"""How a slice of what a client has sent is worked on."""

import pytest

from services.gateway.intake.sender import work
from tests.support.clients.raw_client import PING, TEXT, masked
from tests.unit.gateway.intake.clients import Client

SIGNED = b'{"event":"pusher:subscribe","data":{"auth":"key:0f","channel":"private-a"}}'
NOTHING, SAME, ANOTHER = 0, 1, 2  # What a client is amid.


def fed(*data: bytes) -> Client:
    client = Client()
    client.reader.feed(b"".join(data))
    return client


class TestUnits:
    """How much is worked on."""

    def test_all(self) -> None:
        """All that there is, if it is little."""
        client = fed(masked(b"a"), masked(b"", PING))

        assert work(client, 8, now=0.0) == (2, 2, NOTHING)
        assert client.heard == [b"a", b""]

    def test_slice(self) -> None:
        """No more than a slice; the rest the next time, in order."""
        client = fed(*(masked(b"%d" % number) for number in range(10)))

        assert work(client, 8, now=0.0)[0] == 8
        assert client.heard == [b"%d" % number for number in range(8)]
        assert work(client, 8, now=0.0)[0] == 2
        assert client.heard == [b"%d" % number for number in range(10)]

    def test_large(self) -> None:
        """A large message is as much work as several small ones, and counts as one frame."""
        client = fed(masked(b"x" * 32 * 1024), masked(b"a"))

        units, frames, _ = work(client, 8, now=0.0)

        assert units >= 8
        assert frames == 1
        assert len(client.heard) == 1

    def test_fragments(self) -> None:
        """Each fragment counts."""
        client = fed(masked(b"a", final=False), masked(b"b", 0, final=False), masked(b"c", 0))

        assert work(client, 8, now=0.0)[:2] == (3, 3)
        assert client.heard == [b"abc"]

    @pytest.mark.parametrize("text, frames", [(SIGNED, 5), (b"x" * len(SIGNED), 1)])
    def test_signature(self, text: bytes, frames: int) -> None:
        """A signature counts as five frames."""
        assert work(fed(masked(text)), 8, now=0.0)[1] == frames


class TestEnd:
    """When there is nothing more to work on."""

    def test_closed(self) -> None:
        """Nothing is worked on of a connection that was closed."""
        client = fed(masked(b"a"), masked(b"b"))
        client.is_open = False

        assert work(client, 8, now=0.0) == (0, 0, NOTHING)
        assert client.heard == []

    def test_violation(self) -> None:
        """The connection learns that the protocol was broken, after what came before that."""
        client = fed(masked(b"a"), b"\x00\x00")

        work(client, 8, now=0.0)

        assert client.heard == [b"a"]
        assert client.broken == 1002


class TestAmid:
    """Whether a client is amid a message, and whether that is another one than before."""

    def test_piece_of_frame(self) -> None:
        client = fed(masked(b"abc")[:4])
        assert work(client, 8, now=0.0)[2] == SAME

        client.reader.feed(b"\x00")
        assert work(client, 8, now=0.0)[2] == SAME

    def test_next_frame(self) -> None:
        """A frame came whole, and another one begins."""
        assert work(fed(masked(b"abc"), b"\x81"), 8, now=0.0)[2] == ANOTHER

    def test_control_between(self) -> None:
        """A ping between two fragments does not end the message."""
        client = fed(masked(b"a", TEXT, final=False))
        assert work(client, 8, now=0.0)[2] == SAME

        client.reader.feed(masked(b"", PING))
        assert work(client, 8, now=0.0)[2] == SAME

    def test_next_message(self) -> None:
        """One message in fragments ends, and another one begins."""
        client = fed(masked(b"a", final=False))
        work(client, 8, now=0.0)

        client.reader.feed(masked(b"b", 0) + masked(b"c", final=False))
        assert work(client, 8, now=0.0)[2] == ANOTHER

    def test_finished(self) -> None:
        client = fed(masked(b"a", final=False))
        work(client, 8, now=0.0)

        client.reader.feed(masked(b"b", 0))
        assert work(client, 8, now=0.0)[2] == NOTHING
