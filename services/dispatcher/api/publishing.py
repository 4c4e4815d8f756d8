"""
HTTP for back ends that tell: the Pusher API, and CloudEvents at ``/events``.

What is posted to the Pusher API is on the bus when the answer leaves; what is posted to ``/events``
is stored in the event log, and routed from there like every other domain event.  What back ends ask
is in `reads`.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from logging import DEBUG
from typing import Any

import structlog
from aiohttp import web

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.bus.port import Bus
from libs.common.channels import Channel, check_user_id
from libs.common.control.commands import Command
from libs.common.control.port import Control, TooManyCommands
from libs.common.errors import Invalid
from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import NewRecord
from libs.common.fairness.turns import in_turns
from libs.common.rates.limited import counting
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act, Rates
from libs.common.rates.throttle import Throttle
from libs.common.roster.port import Roster
from libs.common.tally.port import Tally
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.tracing import names
from libs.common.telemetry.tracing.context import valid_trace
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer, onward
from libs.common.web import http
from libs.common.web.authentication import APPS, AppAuthenticator, AppCall
from libs.common.web.door.ways import ShortWay
from libs.common.web.paths import PREFIX
from services.dispatcher.api.queries import Attributes
from services.dispatcher.api.reads import Reads
from services.dispatcher.api.requests import Post, Reader, read_batch, read_event, read_former
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.cloudevents import records_of
from services.dispatcher.senders import Senders
from services.dispatcher.settings import DispatcherSettings

log = structlog.get_logger()

TERMINATE_TTL = 300.0  # Seconds that a gateway may be cut off and still hear of a termination.
MOST_CHANNELS = 10  # Of one request in the log.
LONGEST_TOKEN = 255  # Characters of an ``X-Idempotency-Key``.

# What of a query proves who asks, and says nothing about what for (`signatures.check_head`).
_PROOFS = {"auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"}


class IdempotencyKeyUsed(Invalid):
    """An idempotency key was used for another request before."""

    status = 409

    def __init__(self) -> None:
        super().__init__("this X-Idempotency-Key was used for another request")


class BadIdempotencyKey(Invalid):
    """An idempotency key is too long."""

    def __init__(self) -> None:
        super().__init__(f"X-Idempotency-Key may have {LONGEST_TOKEN} characters")


class NoEventLog(Invalid):
    """A domain event was posted to a deployment that has no log of them."""

    status = 404

    def __init__(self) -> None:
        super().__init__("no domain events are taken here, for backends.events is none")


class PublishingApi:
    """
    The handlers.

    Args:
        settings: Bounds of requests.
        apps: The tenants, whose back ends may post.
        bus: Takes events of the Pusher API.
        events: Takes CloudEvents; None: nobody does.
        control: Takes commands to gateways.
        roster: Tells which users are in a presence channel.
        tally: Tells how many subscribe to a channel.
        rates: Counts what apps do.
        senders: Told which users have sent something.
        counters: What was posted.
        warnings: Says of CloudEvents which will not be sent, and why.
        tracer: Makes spans of requests that are watched.
    """

    def __init__(
        self,
        settings: DispatcherSettings,
        apps: Apps,
        *,
        bus: Bus,
        events: EventLog | None,
        control: Control,
        roster: Roster,
        tally: Tally,
        rates: Rates,
        senders: Senders,
        counters: DispatcherCounters,
        warnings: Callable[[Sequence[NewRecord]], Sequence[str]],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._warnings = warnings
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._authenticator = AppAuthenticator(apps, settings.read_timeout)
        self._bus = bus
        self._events = events
        self._control = control
        self._throttle = Throttle(rates)
        self._own_throttle = Throttle(MemoryRates())  # What only bounds a store is counted here.
        self._reads = Reads(self._authenticator, bus, roster, tally=tally, throttle=self._throttle)
        self._senders = senders
        self._counters = counters
        self._tracer = tracer

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve the API under any prefix, and ``/events``."""
        prefix = f"{PREFIX}{APPS}/{{app_id}}"
        return [
            web.post(prefix + "/events", self._post_event),
            web.post(prefix + "/batch_events", self._post_batch),
            web.post(prefix + "/channels/{channel}/events", self._post_former),
            *self._reads.routes(prefix),
            web.post(prefix + "/users/{user_id}/terminate_connections", self._terminate),
            # The Python SDK leaves the app out of the path (docs/protocol.md, "HTTP API").
            web.post("/users/{user_id}/terminate_connections", self._terminate),
            web.post("/events", self._post_cloudevents),
        ]

    def short_ways(self) -> Iterable[ShortWay]:
        """Answer without the framework what comes most often."""
        return [
            ShortWay(f"{APPS}/{{app_id}}/events", self._post_event),
            ShortWay(f"{APPS}/{{app_id}}/batch_events", self._post_batch),
        ]

    async def _post_event(self, request: web.Request) -> web.Response:
        post = await self._publish(request, read_event)
        if not any(post.asked):
            return http.answer({})
        return http.answer({"channels": await self._described(post)})

    async def _post_batch(self, request: web.Request) -> web.Response:
        post = await self._publish(request, read_batch)
        if not any(post.asked):
            return http.answer({})
        told = await self._described(post)
        # Index by index: two events for one channel may ask for different things.
        batch = [
            {name: fact for name, fact in told[publication.channel.name].items() if name in asked}
            for publication, asked in zip(post.publications, post.asked, strict=True)
        ]
        return http.answer({"batch": batch})

    async def _post_former(self, request: web.Request) -> web.Response:
        """Publish as the first version of the API did, which Pusher calls deprecated."""
        channel, query = request.match_info["channel"], request.query
        await self._publish(request, partial(read_former, channel=channel, query=query))
        return http.answer({}, status=202)

    async def _publish(self, request: web.Request, read: Reader) -> Post:
        call = await self._authenticator.signed(request)
        trace = _trace(request)
        if not self._tracer.wants(trace):
            return await self._take(request, call, read, trace=onward(None, trace))
        with self._tracer.spanning(names.publishing(call.app.id), trace) as span:
            post = await self._take(request, call, read, trace=onward(span, trace))
            channels = [each.channel.name for each in post.publications]
            span.set_attributes(names.channels_of(channels))
            return post

    async def _take(self, request: web.Request, call: AppCall, read: Reader, *, trace: str) -> Post:
        """Publish what a request says; `trace` goes with it."""
        token = _token(request)
        post = read(call.app, call.body, now=call.now, token=token)
        if trace:
            post = post.traced(trace)
        cost = len(post.publications)
        if rate := call.app.limits.publishes:
            await self._throttle.check(Act(call.app.id, "publishes"), rate=rate, cost=cost)
        if token:
            await self._claim(request, call, token, cost=cost)
        began = time.monotonic()
        await self._bus.publish(post.publications)
        self._counters.publish_seconds.record(time.monotonic() - began)
        if post.senders:
            await self._senders.sent(post.senders)
        self._counters.posted["events"] += cost
        if self._log.is_enabled_for(DEBUG):
            channels = [each.channel.name for each in post.publications[:MOST_CHANNELS]]
            self._log.debug(
                "event.published", app=call.app.id, channels=channels, publications=cost
            )
        return post

    async def _claim(self, request: web.Request, call: AppCall, token: str, *, cost: int) -> None:
        """Have a token stand for a request, as long as it is remembered."""
        act, rate = Act(call.app.id, "idempotency_keys"), call.app.limits.idempotency_keys
        await self._own_throttle.check(act, rate=rate, cost=cost)
        if not await self._bus.claim(call.app.id, token, _digest(request, call.body)):
            raise IdempotencyKeyUsed

    async def _described(self, post: Post) -> dict[str, dict[str, Any]]:
        wanted: dict[Channel, Attributes] = {}
        for publication, asked in zip(post.publications, post.asked, strict=True):
            wanted[publication.channel] = wanted.get(publication.channel, frozenset()) | asked
        return await self._reads.descriptions(list(wanted), list(wanted.values()))

    async def _terminate(self, request: web.Request) -> web.Response:
        call = await self._authenticator.signed(request)
        user_id, limits = request.match_info["user_id"], call.app.limits
        check_user_id(user_id)
        await self._throttle.check(Act(call.app.id, "terminations"), rate=limits.terminations)
        command = Command("terminate", call.app.id, user_id, call.now, call.now + TERMINATE_TTL)
        with counting("commands", TooManyCommands):
            await self._control.send(command, most=limits.commands)
        self._counters.posted["terminations"] += 1
        audit_log.info("audit.terminated", app=call.app.id, user=user_id)
        return http.answer({})

    async def _post_cloudevents(self, request: web.Request) -> web.Response:
        app = self._authenticator.named(request)
        if self._events is None:
            raise NoEventLog
        # A trace may begin when the record is read: here it would be twice as likely.
        trace = _trace(request)
        if not self._tracer.wants(trace, may_begin=False):
            return await self._store(request, app, self._events, trace=trace)
        with self._tracer.spanning(names.storing(app.id, app.events_topic), trace) as span:
            return await self._store(request, app, self._events, trace=onward(span, trace))

    async def _store(
        self, request: web.Request, app: App, events: EventLog, *, trace: str
    ) -> web.Response:
        """Append the events of a request; `trace` goes with them."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        made = records_of(
            app.events_topic,
            content_type=request.headers.get("Content-Type", ""),
            headers=headers | {"traceparent": trace},
            body=await self._authenticator.body(request, app),
            most=app.limits.events_batch,
        )
        records = [record async for record in in_turns(made)]
        act = Act(app.id, "publishes")
        await self._throttle.check(act, rate=app.limits.publishes, cost=len(records))
        await events.append(records)
        self._counters.posted["cloudevents"] += len(records)
        answer: dict[str, Any] = {"accepted": len(records)}
        if warnings := self._warnings(records):
            answer["warnings"] = warnings
        return http.answer(answer, status=202)


def _trace(request: web.Request) -> str:
    return valid_trace(request.headers.get("traceparent", ""))


def _token(request: web.Request) -> str:
    token = request.headers.get("X-Idempotency-Key", "")
    if len(token) > LONGEST_TOKEN:
        raise BadIdempotencyKey
    return token


def _digest(request: web.Request, body: bytes) -> str:
    """Tell requests apart by what they ask for; each repetition is signed anew."""
    query = sorted(pair for pair in request.query.items() if pair[0].lower() not in _PROOFS)
    digest = sha256(ascii((request.path, query)).encode() + b"\n")
    digest.update(body)
    return digest.hexdigest()
