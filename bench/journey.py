"""
How many events a second go all the way: Kafka, dispatcher, Redis, gateway, one subscriber.

All records wait in Kafka before the dispatcher starts, so nothing but the way itself sets the pace,
and the subscriber checks that each event arrives once and in order.
"""

import asyncio
import secrets
import time
from contextlib import AbstractAsyncContextManager

import msgspec

from bench import websocket
from bench.deployment import APP, Deployment
from bench.figures import Sample
from bench.stream import Stream
from bench.websocket import Unexpected
from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.records import NewRecord
from tests.support.deployments.program import Program

EVENTS = 10_000
WARM_UP = 1000  # Events before the clock starts.
TEXT = "x" * 185  # Makes the data, {"n":1234,"text":"…"}, some 200 bytes.
APPENDED = 1000  # Records at a time.
LIMIT = 60.0  # Seconds for a run.
CHANNEL = "journey"
EVENT = "bench.event"

SECTIONS = """
[dispatcher]
group = "{topic}"

[[routes]]
name = "journey"
topic = "{topic}"
type = "bench.*"
channels = ["journey"]
event = "{{type}}"
"""


async def measure(deployment: Deployment, kafka: str) -> Sample:
    """Measure one journey of `EVENTS` events, through processes of their own."""
    topic = f"bench-{secrets.token_hex(4)}"
    await fill(kafka, topic)
    dispatcher = dispatching(deployment, kafka, topic)
    async with (
        asyncio.timeout(LIMIT),
        deployment.running("gateway") as gateway,
        Stream.connected(gateway.port) as stream,
    ):
        stream.write(websocket.upgrade(APP.key))
        await stream.expect("pusher:connection_established")
        stream.write(websocket.subscribe(CHANNEL))
        await stream.expect("pusher_internal:subscription_succeeded")
        async with dispatcher:
            return {"journey": await _rate(stream)}


def dispatching(
    deployment: Deployment, kafka: str, topic: str
) -> AbstractAsyncContextManager[Program]:
    """Run a dispatcher that reads a topic."""
    backends, more = f'events = "{kafka}"', SECTIONS.format(topic=topic)
    return deployment.running("dispatcher", backends=backends, more=more)


async def fill(kafka: str, topic: str) -> None:
    """Append CloudEvents in binary mode, all to one partition."""
    async with KafkaEventLog(Url(kafka), KafkaSettings()) as log:
        for start in range(0, EVENTS, APPENDED):
            await log.append([_record(topic, start + number) for number in range(APPENDED)])


async def create(kafka: str, topic: str) -> None:
    """Have a topic there before it is read: append a record that no route takes."""
    async with KafkaEventLog(Url(kafka), KafkaSettings()) as log:
        await log.append([_record(topic, 0, event="other.event")])


def data(number: int) -> bytes:
    """Return the data of an event."""
    return msgspec.json.encode({"n": number, "text": TEXT})


def _record(topic: str, number: int, *, event: str = EVENT) -> NewRecord:
    attributes = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": str(number),
        "ce_source": "/bench",
        "ce_type": event,
    }
    headers = tuple((name, text.encode()) for name, text in attributes.items())
    return NewRecord(topic, data(number), key=b"one", headers=headers)


async def _rate(stream: Stream) -> float:
    """Receive all events, and return how many a second came after the first `WARM_UP`."""
    began = 0.0
    for number in range(EVENTS):
        message = websocket.read(await stream.expect(EVENT))
        if msgspec.json.decode(message["data"])["n"] != number:
            raise Unexpected(f"event {number} is missing, late or double")
        if number == WARM_UP - 1:
            began = time.monotonic()
    return (EVENTS - WARM_UP) / (time.monotonic() - began)
