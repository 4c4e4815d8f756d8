"""
Client events on their way to the bus: at most once, and nobody waits for them.

They are sent in turn, one of each app that has some, so that an app whose clients say more than the
bus takes is the only one to lose any, and its clients alone wait.
"""

import asyncio
import time
from logging import DEBUG

import structlog

from libs.common.bus.messages import Broadcast, Whisper
from libs.common.bus.port import Bus
from libs.common.errors import Unavailable
from libs.common.fairness.fair_queue import FairQueue
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.overflow import Overflow
from services.gateway.protocol.effects import Relay, error_told
from services.gateway.protocol.limits import TooManyOfApp

log = structlog.get_logger()


class Whispers:
    """
    Sends client events, those of an app in order.

    Holds up to `LIMIT`; when it is full, the app that has most loses one, and the client that sent
    it is told, if it is the one that finds it full.  What finds the bus away is dropped too.  Both
    are counted.
    """

    LIMIT = 10_000

    def __init__(self, bus: Bus, counters: Counters) -> None:
        self._bus = bus
        self._counters = counters
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._waiting: FairQueue[Whisper] = FairQueue(self.LIMIT)
        self._overflow = Overflow()
        self._arrived = asyncio.Event()

    def relay(self, connection: Connection, relay: Relay) -> None:
        """Pass a client event on to all but the connection that sent it."""
        broadcast = Broadcast(relay.frame, time.time(), excluded=(connection.socket_id,))
        if self._log.is_enabled_for(DEBUG):
            self._log.debug(
                "client_event.relayed",
                app=connection.session.app.id,
                socket_id=connection.socket_id,
                channel=relay.channel,
            )
        whisper = Whisper(connection.channel(relay.channel), broadcast)
        dropped = self._waiting.put(whisper.channel.app, whisper)
        if dropped is not None:
            self._note_dropped(dropped[0])
        if dropped is not None and dropped[1] is whisper:
            connection.perform([error_told(TooManyOfApp())])
        else:
            self._arrived.set()

    def _note_dropped(self, app: str) -> None:
        self._counters.whispers_dropped += 1
        if self._overflow.begins():
            waiting = len(self._waiting)
            log.warning("client_events.exceeded", app=app, waiting=waiting, pace_by=app)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._send(self._waiting.pop())
            self._overflow.ends()

    async def _send(self, whisper: Whisper) -> None:
        try:
            await self._bus.whisper(whisper.channel, whisper.broadcast)
        except Unavailable:
            self._counters.whispers_dropped += 1
