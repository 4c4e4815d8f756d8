"""
A client's connection, as the intake knows it, and how a slice of what it has sent is worked on.

Pure, but that it tells the connection.
"""

import asyncio
from typing import Protocol

from libs.common.apps.app import App
from services.gateway.intake.allowance import SHORT, SIGNED, is_signed
from services.gateway.intake.turns import UNIT
from services.gateway.protocol.reader import TEXT, Frame, FrameReader, Violation


class OfApp(Protocol):
    """Something of an app's, as it is now."""

    app: App


class Outlet(Protocol):
    """The writing side of a connection."""

    straight: int  # Not negative: none wait.
    transport: asyncio.Transport

    @property
    def unsent(self) -> int:
        """Count the bytes that wait for the client to read."""


class Sender(Protocol):
    """
    A client's connection.

    Attributes:
        is_open: Whether it can still be read from.
        waits: Whether nothing more is read from it for now.
        frames_earned_at: When all that it has sent will have been earned, in monotonic seconds.
        reader: What came, as far as it was not worked on.
        socket: Its writing side.
    """

    is_open: bool
    waits: bool
    frames_earned_at: float
    reader: FrameReader

    @property
    def session(self) -> OfApp:
        """Return what knows whose client it is."""

    @property
    def socket(self) -> Outlet:
        """Return its writing side."""

    def receive(self, message: Frame, now: float) -> None:
        """Work on a message."""

    def violated(self, violation: Violation) -> None:
        """Close it: nothing more of it can be read."""

    def expel(self, reason: str) -> None:
        """Close it, so that it may return, and read what it still sends, to drop it."""


def work(sender: Sender, most: int, *, now: float) -> tuple[int, int, int]:
    """
    Work on what a client has sent, in order.

    Args:
        sender: Its connection.
        most: Units of work to stop at, see `turns`; if fewer were done, there is nothing more to
            work on.
        now: The present instant, in monotonic seconds.

    Returns:
        How many units were worked on; for how many frames they count, see `allowance`; and what
        the client is amid now: 0, no message; 1, the same as before; 2, another one.
    """
    reader, units, frames = sender.reader, 0, 0
    fragments, begun = reader.fragments, reader.begun
    try:
        while units < most and sender.is_open and (message := reader.next()) is not None:
            opcode, payload = message
            size = len(payload)
            units += 1 + (size >> UNIT)
            frames += SIGNED if size > SHORT and opcode == TEXT and is_signed(payload) else 1
            sender.receive(message, now)
            if reader.is_idle:
                break
    except Violation as violation:
        sender.violated(violation)
    amid = 0
    if not reader.is_idle and reader.is_partial:
        # Between the fragments of a message others may come, but no other message.
        amid = 2 if units and (reader.begun != begun or not reader.is_joining) else 1
    pieces = reader.fragments - fragments
    return units + pieces, frames + pieces, amid
