"""Client events on their way to the bus: at most once, and nobody waits for them."""

import asyncio
import time
from collections import deque
from logging import DEBUG

import structlog

from libs.common.bus.messages import Broadcast, Whisper
from libs.common.bus.port import Bus
from libs.common.errors import Unavailable
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.protocol.effects import Relay

log = structlog.get_logger()


class Whispers:
    """
    Sends client events, in order.

    Holds up to `LIMIT`; one that finds it full, or the bus away, is dropped and counted.
    """

    LIMIT = 10_000

    def __init__(self, bus: Bus, counters: Counters) -> None:
        self._bus = bus
        self._counters = counters
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._waiting: deque[Whisper] = deque()
        self._arrived = asyncio.Event()

    def relay(self, connection: Connection, relay: Relay) -> None:
        """Pass a client event on to all but the connection that sent it."""
        if len(self._waiting) >= self.LIMIT:
            self._counters.whispers_dropped += 1
            return
        broadcast = Broadcast(relay.frame, time.time(), excluded=(connection.socket_id,))
        if self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "client_event.relayed",
                app=connection.session.app.id,
                socket_id=connection.socket_id,
                channel=relay.channel,
            )
        self._waiting.append(Whisper(connection.channel(relay.channel), broadcast))
        self._arrived.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())

    async def _send(self, whisper: Whisper) -> None:
        try:
            await self._bus.whisper(whisper.channel, whisper.broadcast)
        except Unavailable:
            self._counters.whispers_dropped += 1
