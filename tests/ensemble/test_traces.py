"""One trace from whoever tells of an event to the gateways that write it, sent by OTLP by every process on its way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import visitors
from tests.support.deployments.fleet import APP, Fleet, channel, said, upstream_of
from tests.support.fakes.otlp_receiver import FakeReceiver, attributes_of
from tests.support.ports.eventlogs import create

TRACE, PRODUCER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PRODUCER}-01", f"00-{'1' * 32}-{'2' * 16}-00"


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    fake = FakeReceiver()
    async with fake.listening():
        yield fake


def environ(receiver: FakeReceiver) -> dict[str, str]:
    return {
        "FANFARE_TELEMETRY_OTLP_ENDPOINT": receiver.url,
        "FANFARE_TELEMETRY_OTLP_INTERVAL": "0.2",
    }


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


class TestKafka:
    """Kafka, a dispatcher, Redis, two gateways: four processes beside the servers."""

    async def test_one_trace(
        self, tmp_path: Path, redis_url: str, kafka_url: str, receiver: FakeReceiver
    ) -> None:
        """
        A sampled record is one span in the dispatcher, and one in each gateway; others are none.
        """
        fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
        await create(kafka_url, fleet.topic)
        traced = environ(receiver)
        async with (
            fleet.running("gateway", **traced) as one,
            fleet.running("gateway", **traced) as other,
            fleet.running("dispatcher", **traced, FANFARE_LOG_LEVEL="debug") as dispatcher,
            upstream_of(fleet) as upstream,
            visitors(APP) as visitor,
        ):
            ann, bob, eve = visitor(), visitor(), visitor()
            for guest, gateway in ((ann, one), (bob, other), (eve, other)):
                await guest.connect(gateway.url)
                await guest.join(channel("1"))
            await upstream.tell("1", [0])
            await upstream.tell("1", [1], trace=UNSAMPLED)
            await upstream.tell("1", [2], trace=SAMPLED)
            spans = await receiver.wait_for_spans(3)
            (routed,) = (line for line in said(dispatcher, "event.routed") if "trace_id" in line)

        (processed,), fanouts = named(spans, f"process {fleet.topic}"), named(spans, "fan-out")
        assert len(spans) == 3
        assert {span.trace_id.hex() for span in spans} == {TRACE}
        assert processed.parent_span_id.hex() == PRODUCER
        assert [span.parent_span_id for span in fanouts] == [processed.span_id] * 2
        assert sorted(attributes_of(span.attributes)["fanfare.recipients"] for span in fanouts) == [
            1,
            2,
        ]
        assert len({*receiver.processes}) == 3
        assert (routed["trace_id"], routed["span_id"]) == (TRACE, processed.span_id.hex())


class TestHttp:
    """The Pusher API and ``/events``, in one process on memory."""

    async def test_publish(self, tmp_path: Path, receiver: FakeReceiver, backend: BackEnd) -> None:
        """
        A request with a sampled ``traceparent`` is a span, and so is what the gateway does.
        """
        async with (
            Fleet(tmp_path).running(**environ(receiver)) as running,
            visitors(APP) as visitor,
        ):
            ann = visitor()
            await ann.connect(running.url)
            await ann.join("room")
            body = b'{"name": "step", "channels": ["room"], "data": "1"}'
            for trace in (UNSAMPLED, SAMPLED):
                path = f"/apps/{APP.id}/events"
                answer = await backend.post(running.url, path, body, {"traceparent": trace})
                assert answer.status == 200
            spans = await receiver.wait_for_spans(2)

        (published,), (fanned_out,) = named(spans, "publish"), named(spans, "fan-out")
        assert {span.trace_id.hex() for span in spans} == {TRACE}
        assert published.parent_span_id.hex() == PRODUCER
        assert fanned_out.parent_span_id == published.span_id
        assert attributes_of(fanned_out.attributes)["messaging.destination.name"] == "room"

    async def test_begun_here(
        self, tmp_path: Path, receiver: FakeReceiver, backend: BackEnd
    ) -> None:
        """
        Where operators sample themselves, an event without a trace begins one.
        """
        traced = environ(receiver) | {"FANFARE_TELEMETRY_SAMPLE_RATIO": "1"}
        async with (
            Fleet(tmp_path).running(**traced) as running,
            visitors(APP) as visitor,
        ):
            ann = visitor()
            await ann.connect(running.url)
            await ann.join(channel("1"))
            await backend.emit(running.url, {"room": "1", "n": 1})
            spans = await receiver.wait_for_spans(2)

        (processed,) = (span for span in spans if span.name.startswith("process "))
        (fanned_out,) = named(spans, "fan-out")
        assert processed.parent_span_id == b""
        assert fanned_out.parent_span_id == processed.span_id
