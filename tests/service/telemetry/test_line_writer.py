"""The writer of the log, and readers that are slow, stop or go."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from libs.common.telemetry.line_writer import CHUNK, LineWriter
from tests.support.deadline import DEADLINE

MOST_LINES, MOST_CHUNKS = 40, 20


class Pipe:
    """A pipe that holds one chunk; its reader is stopped until it is told to read."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, CHUNK)
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def resume(self) -> None:
        """Read from now on."""
        self._reader.start()

    def lines(self, writer: LineWriter) -> list[str]:
        """Return all lines, once everything is written and read."""
        assert writer.drain(DEADLINE)
        os.close(self.writing)
        self._reader.join(DEADLINE)
        return self.text.splitlines()

    def close(self) -> None:
        """Close what is still open."""
        for end in (self.reading, self.writing):
            with suppress(OSError):
                os.close(end)

    def _read(self) -> None:
        while chunk := os.read(self.reading, CHUNK):
            self.text += chunk.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def writer(pipe: Pipe) -> LineWriter:
    return LineWriter(
        pipe.writing,
        lambda lines: f"dropped {lines}\n",
        most_lines=MOST_LINES,
        most_bytes=MOST_CHUNKS * CHUNK,
    )


def say(writer: LineWriter, *lines: object) -> None:
    """Write lines."""
    for line in lines:
        writer.write(f"{line}\n".encode())


def numbers(lines: list[str]) -> list[int]:
    """Return the numbers with which lines begin, those about dropped ones aside."""
    return [int(line.split(".")[0]) for line in lines if not line.startswith("dropped")]


def dropped(lines: list[str]) -> int:
    """Return how many were dropped, as the lines say."""
    return sum(int(line.split()[1]) for line in lines if line.startswith("dropped"))


LARGE = [f"{number}.".ljust(CHUNK - 1, ".") for number in range(100)]


class TestReader:
    """Who reads is never waited for."""

    def test_order(self, writer: LineWriter, pipe: Pipe) -> None:
        """All lines come as they were written."""
        pipe.resume()
        say(writer, *range(MOST_LINES))

        assert list(range(MOST_LINES)) == numbers(pipe.lines(writer))

    def test_stopped(self, writer: LineWriter, pipe: Pipe) -> None:
        """What has no room is dropped, the last ones; a line says how many, when the reader is back."""
        say(writer, *LARGE)
        assert not writer.drain(0)
        pipe.resume()

        lines = pipe.lines(writer)

        kept = len(numbers(lines))
        assert numbers(lines) == list(range(kept))
        assert MOST_CHUNKS <= kept <= MOST_CHUNKS + 1  # One is in the pipe.
        assert dropped(lines) == len(LARGE) - kept

    def test_small_lines(self, writer: LineWriter, pipe: Pipe) -> None:
        """The number of lines that wait is bounded too; lines of one call count each."""
        say(writer, *LARGE[:2])
        say(writer, *("2\n2" for _ in range(MOST_LINES)))
        pipe.resume()

        lines = pipe.lines(writer)

        assert MOST_LINES <= len(numbers(lines)) <= MOST_LINES + 2
        assert dropped(lines) + len(numbers(lines)) == 2 + 2 * MOST_LINES

    def test_pieces(self, writer: LineWriter, pipe: Pipe) -> None:
        """Pieces of a line, as Python may write, take no place that they do not give back."""
        say(writer, *LARGE[:2])  # Nothing after these is written until somebody reads.
        for piece in (b"2.", *[b"."] * (MOST_LINES - 4), b"\n"):
            writer.write(piece)
        pipe.resume()
        assert writer.drain(DEADLINE)
        say(writer, *range(3, MOST_LINES + 3))

        assert numbers(pipe.lines(writer)) == list(range(MOST_LINES + 3))

    def test_going_on(self, writer: LineWriter, pipe: Pipe) -> None:
        """After that it is as before."""
        say(writer, *LARGE)
        pipe.resume()
        assert writer.drain(DEADLINE)
        say(writer, "100.")

        lines = pipe.lines(writer)

        assert numbers(lines)[-1] == 100
        assert dropped(lines) + len(numbers(lines)) == len(LARGE) + 1

    def test_gone(self, writer: LineWriter, pipe: Pipe) -> None:
        """Where nobody reads, nothing happens."""
        os.close(pipe.reading)
        say(writer, *LARGE, *LARGE)

        assert writer.drain(DEADLINE)

    def test_unwilling(self, writer: LineWriter, pipe: Pipe) -> None:
        """A pipe that refuses to wait is waited for."""
        os.set_blocking(pipe.writing, False)
        say(writer, *LARGE[:MOST_CHUNKS])
        assert not writer.drain(0)
        pipe.resume()

        assert numbers(pipe.lines(writer)) == list(range(MOST_CHUNKS))

    def test_larger_than_all(self, writer: LineWriter, pipe: Pipe) -> None:
        """A line that never has room is dropped, and told."""
        say(writer, "." * (MOST_CHUNKS + 1) * CHUNK, "1.")
        pipe.resume()

        assert pipe.lines(writer) == ["1.", "dropped 1"]

    def test_larger_than_a_chunk(self, writer: LineWriter, pipe: Pipe) -> None:
        """Else it comes as a whole, however long."""
        long = "1.".ljust(3 * CHUNK, ".")
        say(writer, "0.", long, "2.")
        pipe.resume()

        assert pipe.lines(writer) == ["0.", long, "2."]


def test_fork(writer: LineWriter, pipe: Pipe) -> None:
    """A child of the process writes its own lines, and none of those that waited in its parent."""
    say(writer, *LARGE[:3])
    child = os.fork()
    if child == 0:  # Nothing of pytest may run here.
        writer.restart()
        say(writer, "7.")
        os._exit(0 if writer.drain(DEADLINE) else 1)
    pipe.resume()

    _, status = os.waitpid(child, 0)

    assert status == 0
    assert sorted(numbers(pipe.lines(writer))) == [0, 1, 2, 7]


class TestFile:
    """What a program expects of standard error."""

    def test_terminal(self) -> None:
        ours, theirs = os.openpty()
        try:
            assert LineWriter(theirs, str).isatty()
        finally:
            os.close(ours)
            os.close(theirs)

    def test_pipe(self, writer: LineWriter, pipe: Pipe) -> None:
        assert not writer.isatty()
        assert writer.writable()
        assert writer.fileno() == pipe.writing
