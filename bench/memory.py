"""What a connection that says nothing costs: the slope of the gateway's resident memory."""

from bench.deployment import APP, Deployment
from bench.descriptors import connections
from bench.figures import Sample
from bench.workers import clients, resident_bytes

FIRST, LAST = 1000, 10_000  # Connections between which the slope is taken.


async def measure(deployment: Deployment) -> Sample:
    """Measure connections without and with a subscription, each on a fresh gateway."""
    return {
        "idle": await _slope(deployment, "upgrade {}"),
        "idle_subscribed": await _slope(deployment, "subscribe {} bench"),
    }


async def _slope(deployment: Deployment, order: str) -> float:
    """Return the bytes that each connection adds; the first ones also pay for what all share."""
    more = connections(LAST) - FIRST
    async with (
        deployment.running("gateway") as gateway,
        clients(gateway.port, APP.key) as crowd,
    ):
        await crowd.ask(order.format(FIRST))
        before = resident_bytes(gateway.process.pid)
        await crowd.ask(order.format(more))
        return (resident_bytes(gateway.process.pid) - before) / more
