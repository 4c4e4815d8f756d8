"""
How a process is, as it tells it on the board.

Pure.  A reader may be older or newer than who told: what it does not know it leaves out.
"""

from typing import Literal

import msgspec

from libs.common.board.port import LONGEST
from libs.common.json_text import write

Phase = Literal["starting", "ready", "draining"]

MOST_REASON = 200  # Characters of why a backend is away.
MOST_AWAY = 20  # Backends, identity servers and the like that are told.


class AwayBackend(msgspec.Struct, frozen=True, kw_only=True):
    """
    A backend that a process cannot use.

    Attributes:
        name: As operators know it.
        since: Since when, as far as the process can tell; UTC epoch seconds.
        reason: Why.
        is_own: Whether it is the deployment's, and no app's, as receivers of webhooks are.
    """

    name: str
    since: float
    reason: str = ""
    is_own: bool = True


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """
    A process at one moment.

    Attributes:
        node: Where it is: the machine's name, and the port of its public address.
        pid: Its number on that machine.
        version: The release.
        started_at: UTC epoch seconds.
        phase: Whether clients may come, not yet, or not any more.
        services: Those that it runs, each with numbers by name: connections, lag and the like.
        waits_for: What it must have reached once, and has not.
        away: Backends that it cannot use now.
        listen: Its public addresses.
        internal: Its internal addresses.
    """

    node: str
    pid: int = 0
    version: str = ""
    started_at: float = 0.0
    phase: Phase = "ready"
    services: dict[str, dict[str, int]] = {}
    waits_for: tuple[str, ...] = ()
    away: tuple[AwayBackend, ...] = ()
    listen: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(ProcessState)


def written(state: ProcessState, *, longest: int = LONGEST) -> bytes:
    """Write a state for the board; one that would be too long tells no names and reasons."""
    text = write(msgspec.to_builtins(state))
    if len(text) <= longest:
        return text
    short = msgspec.structs.replace(state, waits_for=(), away=(), listen=(), internal=())
    return write(msgspec.to_builtins(short))


def understood(text: bytes) -> ProcessState | None:
    """Read a state; None: a release told it that says such things otherwise."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
