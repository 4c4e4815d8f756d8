"""Webhooks as sinks of facts: one for each that the apps have now."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

from libs.common.apps.app import App
from libs.common.apps.port import known_app
from libs.common.config.address import Network
from libs.common.egress.client import EgressClient
from libs.common.egress.policy import Egress
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Kind, Recorded
from services.presence.bell import Bell
from services.presence.webhooks.batches import Batches
from services.presence.webhooks.delivery import Courier, WebhookTools
from services.presence.webhooks.lanes import Lanes, Turn
from services.presence.webhooks.payloads import delivery_of
from services.presence.webhooks.window import Share, Window

# Calls with facts of one stream: what is held back or tried again must not keep other channels
# waiting, and what waits is bounded.
DEPTH = 10
NAMED = 5  # Webhooks that fail which an operator is told of by name.
FIRST, MOST = 100, 2000  # Turns of channels and users that are worked on at once, see `Window`.


def receivers(allow: Sequence[Network]) -> EgressClient:
    """
    Make the client that calls receivers.

    It has a pool of connections for each; how many there are at once is each `Courier`'s to say.
    """
    return EgressClient("webhook", Egress(allow), connections=0, per_host=0)


class Webhook:
    """
    A webhook of an app, as a sink.  See `services.presence.lifecycle.sinks.Sink`.

    Of one stream several calls of `take` may be under way: what is said of one channel or user goes
    in the order of the calls.

    Args:
        app_id: Whose it is.
        webhook: The webhook's name.
        tools: What it is delivered with.
    """

    def __init__(self, app_id: str, webhook: str, *, tools: WebhookTools) -> None:
        settings = tools.settings
        self.name = f"webhook:{app_id}:{webhook}"
        self.courier = Courier(app_id, webhook, tools=tools)
        self._names = app_id, webhook
        self._lanes = Lanes(settings.vacated_delay, clock=tools.clock, timer=tools.timer)
        self._window = Window(FIRST, MOST)
        self._batches = Batches(
            self._deliver, most=settings.webhook_batch, delay=settings.webhook_batch_delay
        )

    @property
    def depth(self) -> int:
        """See `Sink.depth`: what cannot be worked on now had better wait where it is kept."""
        return DEPTH if self._window.is_open else 1

    @property
    def room(self) -> Bell:
        """See `Sink.room`."""
        return self._window.opened

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        settings = self.courier.settings()
        return settings is not None and kind in settings.watched

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`."""
        settings = self.courier.settings()
        if settings is None:
            return
        turns = self._lanes.enter(each for each in records if settings.concerns(each.fact))
        if not turns:
            return
        try:
            async with self._window.entered(len(turns)) as share, asyncio.TaskGroup() as tasks:
                for turn in turns:
                    tasks.create_task(self._tell(turn, share))
        finally:  # A task that is cancelled before it begins does not even begin.
            for turn in turns:
                self._lanes.leave(turn)

    async def _tell(self, turn: Turn, share: Share) -> None:
        batched: list[str] = []
        try:
            await self._lanes.come(turn)
            for record, held in turn.items:
                if await self._lanes.stands(held):
                    await self._pass_on(record, batched)
            self._lanes.leave(turn)
            await self._batches.sent(batched)
        finally:
            self._batches.forget(batched)
        share.leave(1)
        if self.courier.is_away:
            self._window.fail()
        else:
            self._window.succeed(1)

    async def _pass_on(self, record: Recorded, batched: list[str]) -> None:
        settings = self.courier.settings()
        if settings is None or not settings.takes(record.fact):
            return
        if settings.batching:
            self._batches.add(record)
            batched.append(record.id)
        else:
            await self._deliver([record])

    async def _deliver(self, records: Sequence[Recorded]) -> None:
        app_id, webhook = self._names
        await self.courier.deliver(delivery_of(records, app=app_id, webhook=webhook))


class Webhooks:
    """
    The webhooks of all apps, as they are now.

    Args:
        tools: What they are delivered with; its client is opened by `opened`.
    """

    def __init__(self, tools: WebhookTools) -> None:
        self._tools = tools
        self._sinks: dict[str, tuple[App, list[Webhook]]] = {}
        self._former: Counter[str] = Counter()  # Of webhooks that are no more.

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold connections to receivers while the context is open."""
        async with self._tools.client.opened():
            yield

    def of(self, app_id: str) -> Sequence[Webhook]:
        """Return the webhooks of an app; the same objects as long as it has them."""
        app = known_app(self._tools.apps, app_id)
        before, sinks = self._sinks.get(app_id, (None, []))
        if app is None:
            self._sinks.pop(app_id, None)
            self._forget(sinks)
            return ()
        if app is not before:
            known = {sink.name: sink for sink in sinks}
            made = (Webhook(app_id, each.name, tools=self._tools) for each in app.webhooks)
            kept = [known.get(sink.name, sink) for sink in made]
            self._forget(sink for sink in sinks if sink not in kept)
            self._sinks[app_id] = app, kept
            return kept
        return sinks

    def _forget(self, sinks: Iterable[Webhook]) -> None:
        for sink in sinks:
            self._former += sink.courier.counts

    @property
    def counts(self) -> Counter[str]:
        """What became of requests, see `Courier`; of all webhooks, former ones included."""
        return sum((sink.courier.counts for sink in self._all()), self._former)

    @property
    def away(self) -> int:
        """How many webhooks' last request failed."""
        return sum(sink.courier.is_away for sink in self._all())

    def _all(self) -> Iterator[Webhook]:
        return (sink for _, sinks in self._sinks.values() for sink in sinks)

    async def check(self) -> None:
        """
        Say which of them failed when they were last told something; nothing is sent.

        Raises:
            Unavailable: One did; since when, and in the cause which, at most `NAMED`, and why.
        """
        failing = {sink.courier: sink.courier.lost_at for sink in self._all()}
        lost = sorted((at, courier.trouble) for courier, at in failing.items() if at is not None)
        if lost:
            error = Unavailable("webhook")
            error.since = lost[0][0]
            raise error from ConnectionError(_worded([trouble for _, trouble in lost]))


def _worded(troubles: Sequence[str]) -> str:
    named = "; ".join(troubles[:NAMED])
    if len(troubles) == 1:
        return named
    more = "; …" if len(troubles) > NAMED else ""
    return f"{len(troubles)} webhooks fail: {named}{more}"
