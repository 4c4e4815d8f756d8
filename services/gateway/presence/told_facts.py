"""
Facts that no script decides: what clients say to each other, and caches that were found empty.

They are recorded as they come, those of all apps in turn, in batches, and nobody waits for them:
what finds the backend away, or the queue full, is dropped and counted, as client events themselves
are.
"""

import asyncio

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.fairness.fair_queue import FairQueue
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.port import Lifecycle, Wanted
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.protocol.effects import Relay

BATCH = 500  # Facts of one call.


class ToldFacts:
    """
    Records facts that somebody wants.

    Args:
        lifecycle: Keeps them.
        wanted: Which are worth recording.
        counters: Counts those that were dropped.
    """

    LIMIT = 10_000

    def __init__(self, lifecycle: Lifecycle, wanted: Wanted, counters: Counters) -> None:
        self._lifecycle = lifecycle
        self._wanted = wanted
        self._counters = counters
        self._waiting: FairQueue[Fact] = FairQueue(self.LIMIT)
        self._arrived = asyncio.Event()

    def client_event(self, connection: Connection, relay: Relay) -> None:
        """Note what a client said to the others of a channel."""
        app = connection.session.app.id
        if not self._wanted(app, "client_event"):
            return
        fact = Fact(
            kind="client_event",
            app=app,
            channel=relay.channel,
            event=relay.event,
            data=relay.data,
            socket_id=connection.socket_id,
            user=relay.user_id,
        )
        self._note(fact)

    def cache_miss(self, channel: Channel) -> None:
        """Note that a newcomer was told that a cache channel keeps nothing."""
        if self._wanted(channel.app, "cache_miss"):
            self._note(Fact(kind="cache_miss", app=channel.app, channel=channel.name))

    def _note(self, fact: Fact) -> None:
        if self._waiting.put(fact.app, fact) is not None:
            self._counters.facts_dropped += 1
        self._arrived.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                some = [self._waiting.pop() for _ in range(min(BATCH, len(self._waiting)))]
                await self._record(some)

    async def _record(self, facts: list[Fact]) -> None:
        try:
            await self._lifecycle.record(facts)
        except Unavailable:
            self._counters.facts_dropped += len(facts)
