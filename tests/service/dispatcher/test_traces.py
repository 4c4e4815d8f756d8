"""The dispatcher and traces: spans of what is watched, and what is passed on."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from libs.common.bus.messages import Position
from libs.common.channels import Channel
from libs.common.eventlog.records import NewRecord
from libs.common.telemetry.tracing.queue import SpanQueue
from libs.common.telemetry.tracing.tracer import Tracer
from services.dispatcher.settings import Route
from tests.support.clients.back_ends import BackEnd, back_end, basic, cloudevent
from tests.support.ports.eventlogs import until
from tests.support.services.dispatcher import APP, ServedDispatcher, served_dispatcher
from tests.unit.dispatcher.examples import OTHER_TRACE, TRACE

BODY = b'{"name": "moved", "data": "{}", "channels": ["a"]}'
ROUTES = [
    Route(name="all", app=APP.id, channels=("a",), event="moved", type="step.taken"),
    Route(name="one", app=APP.id, channels=("{data.room}",), event="moved", type="step.lost"),
]


@pytest.fixture
def spans() -> SpanQueue:
    return SpanQueue()


@pytest.fixture
async def here(spans: SpanQueue) -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher(routes=ROUTES, tracer=Tracer(spans, {})) as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


async def traces(here: ServedDispatcher) -> list[str]:
    """Return what stands in the envelopes of the channel."""
    channel = Channel(APP.id, "a")
    top = (await here.bus.inner.tops([channel]))[channel]
    history = await here.bus.inner.history(channel, Position(top.epoch, 0), limit=100)
    assert history.entries is not None
    return [entry.broadcast.trace for entry in history.entries]


async def ended(spans: SpanQueue, count: int) -> list[ReadableSpan]:
    """Wait until so many spans have ended."""
    taken: list[ReadableSpan] = []

    def are_there() -> bool:
        taken.extend(spans.take(10))
        return len(taken) >= count

    await until(are_there)
    return taken


class TestPublished:
    """The Pusher API."""

    async def test_sampled(
        self, here: ServedDispatcher, backend: BackEnd, spans: SpanQueue
    ) -> None:
        """
        One span a request, which its broadcasts name; it is in the trace that came.
        """
        path = f"/apps/{APP.id}/events"
        answer = await backend.post(here.url, path, BODY, {"traceparent": TRACE})

        (span,) = spans.take(10)
        assert answer.status == 200
        assert span.context.trace_id == int(TRACE[3:35], 16)
        assert (span.attributes or {})["messaging.destination.name"] == "a"
        assert await traces(here) == [f"{TRACE[:36]}{span.context.span_id:016x}-01"]

    @pytest.mark.parametrize("trace", [OTHER_TRACE, "nonsense", ""])
    async def test_unsampled(
        self, trace: str, here: ServedDispatcher, backend: BackEnd, spans: SpanQueue
    ) -> None:
        """
        No span is made, and nothing goes into the envelope.
        """
        await backend.post(here.url, f"/apps/{APP.id}/events", BODY, {"traceparent": trace})

        assert spans.take(10) == []
        assert await traces(here) == [""]

    async def test_failed(self, here: ServedDispatcher, backend: BackEnd, spans: SpanQueue) -> None:
        """
        The span has the kind of the failure.
        """
        here.faults.left["publish"] = 1
        path = f"/apps/{APP.id}/events"
        answer = await backend.post(here.url, path, BODY, {"traceparent": TRACE})

        (span,) = spans.take(10)
        assert answer.status == 503
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "Unavailable"

    async def test_refused(self, here: ServedDispatcher, spans: SpanQueue) -> None:
        """
        Who is no back end of ours makes no spans.
        """
        url = f"{here.url}/apps/{APP.id}/events?auth_key=x"
        async with (
            aiohttp.ClientSession(headers={"traceparent": TRACE}) as http,
            http.post(url, data=BODY) as response,
        ):
            assert response.status == 401

        assert spans.take(10) == []


class TestPosted:
    """``/events``, and the record that comes of it."""

    async def test_to_the_channel(self, here: ServedDispatcher, spans: SpanQueue) -> None:
        """
        The request is a span, the record a span below it, and the broadcast names that one.
        """
        headers = {
            "Authorization": basic(APP.key, APP.secrets[0].reveal()),
            "Content-Type": "application/cloudevents+json",
            "traceparent": TRACE,
        }
        body = json.dumps(cloudevent({"n": 1})).encode()
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{here.url}/events", data=body) as response,
        ):
            assert response.status == 202

        sent, processed = await ended(spans, 2)
        assert (sent.name, processed.name) == ("send posted", "process posted")
        assert processed.parent is not None
        assert processed.parent.span_id == sent.context.span_id
        assert await traces(here) == [f"{TRACE[:36]}{processed.context.span_id:016x}-01"]

    async def test_dead(self, here: ServedDispatcher, spans: SpanQueue) -> None:
        """
        A record that cannot be routed is a span that failed, and says how.
        """
        bad = cloudevent({}, type="step.lost", traceparent=TRACE)
        headers = (("content-type", b"application/cloudevents+json"),)
        with capture_logs() as lines:
            await here.events.inner.append(
                [NewRecord("posted", json.dumps(bad).encode(), None, headers)]
            )
            (span,) = await ended(spans, 1)

        assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
            "record.dead_lettered"
        ]
        assert (span.attributes or {})["error.type"] == "Unroutable"

    @pytest.mark.parametrize("trace, count", [(TRACE, 1), (OTHER_TRACE, 0), ("\udcff", 0)])
    async def test_unreadable(
        self, trace: str, count: int, here: ServedDispatcher, spans: SpanQueue
    ) -> None:
        """
        So is a record that cannot be read, if its header says that it is watched.
        """
        headers = (("TraceParent", trace.encode(errors="surrogateescape")),)
        await here.events.inner.append(
            [NewRecord("posted", b"{", None, headers), NewRecord("posted", b"[]", None, headers)]
        )
        await until(lambda: here.events.inner.committed("fanfare", "posted") == 2)
        taken = await ended(spans, 2 * count)

        assert [span.name for span in taken] == ["process posted"] * 2 * count
        for span in taken:
            assert span.parent is not None
            assert span.parent.trace_id == int(TRACE[3:35], 16)
            assert span.status.status_code is StatusCode.ERROR
            assert (span.attributes or {})["error.type"] == "Undecodable"
