"""A back end's connection."""

import socket
from collections.abc import Iterator

import pytest

from bench.load.publishers import Publisher
from bench.websocket import Unexpected

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def ends() -> Iterator[tuple[Publisher, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = Publisher(server.getsockname()[1])
        accepted, _ = server.accept()
        with accepted, publisher.socket:
            yield publisher, accepted


class TestAnswer:
    """What an answer is, however it comes."""

    @pytest.mark.parametrize("cut", [1, ANSWER.index(b"\r\n\r\n"), len(ANSWER) - 1])
    def test_in_parts(self, ends: tuple[Publisher, socket.socket], cut: int) -> None:
        """
        It is not there before its last byte.
        """
        publisher, server = ends

        server.sendall(ANSWER[:cut])
        first = publisher.is_answered()
        server.sendall(ANSWER[cut:])

        assert (first, publisher.is_answered()) == (False, True)

    def test_next(self, ends: tuple[Publisher, socket.socket]) -> None:
        """
        The next one is another.
        """
        publisher, server = ends

        for _ in range(2):
            server.sendall(ANSWER)

            assert publisher.is_answered()

    def test_refused(self, ends: tuple[Publisher, socket.socket]) -> None:
        """
        What is refused would be cheap, and is no publish.
        """
        publisher, server = ends
        server.sendall(ANSWER.replace(b"200 OK", b"413 Too Large"))

        with pytest.raises(Unexpected, match="413"):
            publisher.is_answered()

    def test_ended(self, ends: tuple[Publisher, socket.socket]) -> None:
        publisher, server = ends
        server.close()

        with pytest.raises(Unexpected):
            publisher.is_answered()


def test_has_ended(ends: tuple[Publisher, socket.socket]) -> None:
    """A connection that the server has ended meanwhile is told from one that is silent."""
    publisher, server = ends

    before = publisher.has_ended
    server.close()
    publisher.socket.recv(1)  # Until the end is here.

    assert (before, publisher.has_ended) == (False, True)
