"""
The writer of the log: takes lines without waiting, and writes them in a thread of its own.

Whoever reads the log may be slow, stop for a while (a pipe is full then) or be gone, and nobody
here is to notice.  What does not fit into the queue is dropped and counted, and once the reader is
back one line says how many were.
"""

import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

MOST_LINES = 2000  # Lines that may wait for the reader.
MOST_BYTES = 1 << 19  # Bytes of theirs.
CHUNK = select.PIPE_BUF  # Bytes.  A pipe takes them whole, whoever else writes to it.
NOTICES = 1.0  # Seconds from one notice of dropped lines to the next while still more are dropped.

# Takes the number of lines that were dropped, and returns one that says so, with its end.
Notice = Callable[[int], str]
# Lines, or whoever waits until those before it are written.
Entry = bytes | threading.Event


class LineWriter(io.RawIOBase):
    """
    A file that never makes its writers wait; any thread may write whole lines.

    Args:
        descriptor: Where the lines go; it stays open.
        notice: Words the line that tells of dropped ones.
        most_lines: How many lines may wait.
        most_bytes: How many bytes of lines may wait.

    Attributes:
        dropped: How many lines were lost since the start.
    """

    def __init__(
        self,
        descriptor: int,
        notice: Notice,
        *,
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.notice = notice
        self._descriptor = descriptor
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._told_at = 0.0
        self.dropped = 0
        self.restart()

    def restart(self) -> None:
        """Begin with an empty queue and a thread of one's own: a fork leaves the thread behind."""
        # Both can be entered again by the thread that is in them: the garbage collector may log.
        self._lock = threading.RLock()
        self._queue: SimpleQueue[Entry] = SimpleQueue()
        self._lines = self._bytes = self._dropped = 0  # Those that wait, and those that are lost.
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def write(self, text: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Take lines to be written; they are dropped if there is no room."""
        entry = bytes(text)
        lines = entry.count(b"\n")  # None in a piece of a line, which Python may write too.
        with self._lock:
            is_full = self._lines >= self._most_lines
            if is_full or self._bytes + len(entry) > self._most_bytes:
                self._dropped += lines
                self.dropped += lines
                return len(entry)
            self._lines += lines
            self._bytes += len(entry)
            self._queue.put(entry)
        return len(entry)

    def drain(self, timeout: float) -> bool:
        """Wait until all that was taken is written, or gone; tell if it was so in time."""
        reached = threading.Event()
        self._queue.put(reached)
        return reached.wait(timeout)

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return where the lines go."""
        return self._descriptor

    def isatty(self) -> bool:
        """Tell whether that is a terminal."""
        return os.isatty(self._descriptor)

    def _run(self) -> None:
        while True:
            for chunk in _chunks(self._waiting()):
                if isinstance(chunk, threading.Event):
                    self._tell_dropped()
                    chunk.set()
                else:
                    self._pass_on(chunk)

    def _waiting(self) -> list[Entry]:
        """Take all that waits, at least one entry."""
        entries = [self._queue.get()]
        while not self._queue.empty():  # Nobody else takes from it.
            entries.append(self._queue.get())
        return entries

    def _pass_on(self, chunk: bytes) -> None:
        is_written = self._written(chunk)
        lines = chunk.count(b"\n")
        with self._lock:
            self._lines -= lines
            self._bytes -= len(chunk)
            self._dropped += 0 if is_written else lines
            self.dropped += 0 if is_written else lines
        is_time = not self._bytes or time.monotonic() >= self._told_at + NOTICES
        if is_written and is_time:
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        dropped = self._dropped
        if dropped and self._written(self.notice(dropped).encode()):
            self._told_at = time.monotonic()
            with self._lock:
                self._dropped -= dropped

    def _written(self, chunk: bytes) -> bool:
        """Wait for the reader and write; tell if there is one."""
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # Whoever started us does not like to wait either.
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True


def _chunks(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Join neighbours, up to `CHUNK`."""
    chunk = b""
    for entry in entries:
        if isinstance(entry, threading.Event):
            yield from filter(None, [chunk])
            yield entry
            chunk = b""
        elif chunk and len(chunk) + len(entry) > CHUNK:
            yield chunk
            chunk = entry
        else:
            chunk += entry
    yield from filter(None, [chunk])
