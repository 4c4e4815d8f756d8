"""
What a service wants of the front door: requests that take the short way, and WebSockets.

Pure.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from libs.common.web.door.short_request import ShortRequest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Spelled so, a path means the same to everybody; whatever else goes the long way.
_SEGMENT = r"[A-Za-z0-9._~-]+"
_NAME = re.compile(r"\\\{([a-z_]+)\\\}")


class Upgrader(Protocol):
    """Takes connections whose clients ask for a WebSocket in good order."""

    def is_full(self) -> bool:
        """Tell whether newcomers must be refused before they are upgraded."""

    def upgraded(
        self, request: ShortRequest, transport: asyncio.Transport, *, answer: bytes, rest: bytes
    ) -> None:
        """
        Serve a client from now on: write the answer, and set the transport's protocol.

        Args:
            request: What it asks for.
            transport: Its connection.
            answer: Says that it is upgraded; nothing was written yet.
            rest: What it has sent after the head.
        """


@dataclass(frozen=True, slots=True)
class ShortWay:
    """
    A route whose requests are answered without the framework, where they are in no way unusual.

    The same handler must be given to the framework for all others.

    Attributes:
        path: What follows any prefix, such as ``apps/{app_id}/events``.
        handler: Answers a POST.
    """

    path: str
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        names = _NAME.sub(rf"(?P<\1>{_SEGMENT})", re.escape(self.path))
        pattern = re.compile(rf"/(?P<prefix>(?:{_SEGMENT}/)*){names}")
        object.__setattr__(self, "pattern", pattern)


@dataclass(frozen=True, slots=True)
class Ways:
    """
    What goes past the framework.

    Attributes:
        short: The short ways.
        upgrader: Takes WebSockets; None: nobody does.
        accept_rate: Connections a second that are taken; 0 or -1: any number.
    """

    short: tuple[ShortWay, ...] = ()
    upgrader: Upgrader | None = None
    accept_rate: float = 0.0

    @classmethod
    def joined(cls, ways: Iterable["Ways"]) -> "Ways":
        """Join those of several services, of which one takes WebSockets at most."""
        each = tuple(ways)
        short = tuple(way for one in each for way in one.short)
        upgraders = (one.upgrader for one in each if one.upgrader is not None)
        rates = [one.accept_rate for one in each if one.accept_rate > 0]
        return cls(short, next(upgraders, None), min(rates, default=0.0))


NO_WAYS = Ways()
