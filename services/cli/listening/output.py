"""What `fanfare listen` prints, a line for each event, and whether somebody still reads it."""

import asyncio
import io
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from libs.common.findings.words import printable


class Output:
    """
    Standard output.

    Args:
        most: Events that are printed; 0: any number.

    Attributes:
        printed: How many were printed.
        is_read: Whether it is not known that the reader has gone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.printed = 0
        self.is_read = True

    def print(self, frame: Mapping[str, Any]) -> bool:
        """Print an event, and tell whether more are wanted; raises BrokenPipeError: not read."""
        print(line_of(frame, datetime.now(UTC)), flush=True)
        self.printed += 1
        return self.printed != self._most

    @contextmanager
    def watched(self, deadline: asyncio.Timeout) -> Iterator[None]:
        """Let a deadline be over when the reader of a pipe goes, even if nothing more arrives."""
        pipe = _pipe()
        if pipe is None:
            yield
            return
        loop = asyncio.get_running_loop()

        def end() -> None:
            self.is_read = False
            loop.remove_reader(pipe)
            deadline.reschedule(loop.time())

        # Of the end of a pipe that is written to, all that can be told is that it has broken.
        loop.add_reader(pipe, end)
        try:
            yield
        finally:
            loop.remove_reader(pipe)


def line_of(frame: Mapping[str, Any], now: datetime) -> str:
    """
    Put an event into a line, whatever is in it.

    Args:
        frame: As it came, with a channel.
        now: When, in UTC.
    """
    time = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = frame.get("data", "")
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    columns = time, str(frame["channel"]), str(frame["event"]), _one_line(text)
    return "\t".join(map(printable, columns))


def _one_line(text: str) -> str:
    """Write JSON that has line breaks without them; of any other text show where they are."""
    if text.isprintable():
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def say(words: str) -> None:
    """Tell people something, on standard error."""
    print(f"fanfare: {printable(words)}", file=sys.stderr, flush=True)


def _pipe() -> int | None:
    """Return the descriptor of standard output, if it is a pipe."""
    try:
        descriptor = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (AttributeError, OSError, io.UnsupportedOperation):  # Closed, or in memory.
        return None
    return descriptor if is_pipe else None
