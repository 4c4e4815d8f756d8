"""What dispatcher, auth and presence spend on a record, a decision and a fact."""

import asyncio
import secrets
from statistics import median

from bench import authorising, journey, webhooks, websocket
from bench.deployment import APP, Deployment
from bench.scale.constants import ServiceCosts
from bench.stream import Stream
from bench.workers import cpu_seconds
from tests.support.servers import kafka_server, postgres_server


async def measure(deployment: Deployment, *, rounds: int) -> ServiceCosts:
    """Measure each in a process of its own."""
    async with postgres_server() as postgres:
        await authorising.prepare(postgres.url)
        auth = [await authorising.decide(deployment, postgres.url) for _ in range(rounds)]
    presence = (await webhooks.measure(deployment))["webhook_cpu"]
    async with kafka_server() as kafka:
        dispatcher = [await _records(deployment, kafka.url) for _ in range(rounds)]
    return ServiceCosts(dispatcher=median(dispatcher), auth=median(auth), presence=presence)


async def _records(deployment: Deployment, kafka: str) -> float:
    """Return the CPU seconds of a record, after the first ones of a process."""
    topic = f"scale-{secrets.token_hex(4)}"
    await journey.fill(kafka, topic)
    async with (
        asyncio.timeout(journey.LIMIT),
        deployment.running("gateway") as gateway,
        Stream.connected(gateway.port) as stream,
    ):
        stream.write(websocket.upgrade(APP.key))
        await stream.expect("pusher:connection_established")
        stream.write(websocket.subscribe(journey.CHANNEL))
        await stream.expect("pusher_internal:subscription_succeeded")
        async with journey.dispatching(deployment, kafka, topic) as dispatcher:
            before = 0.0
            for number in range(journey.EVENTS):
                await stream.expect("bench.event")
                if number == journey.WARM_UP - 1:
                    before = cpu_seconds(dispatcher.process.pid)
            spent = cpu_seconds(dispatcher.process.pid) - before
    return spent / (journey.EVENTS - journey.WARM_UP)
