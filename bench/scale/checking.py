"""Whether the model of docs/scale.md still says what real gateways do, in a small run."""

from bench.deployment import Deployment
from bench.figures import Sample
from bench.scale import gateway_costs, redis_costs, roster_costs, trials
from bench.scale.constants import GatewayCosts
from bench.scale.trials import QUIET
from tests.support.servers import Server

ROUNDS = 2
EVENTS_AT = 3  # Gateways.
JOINS_AT = 2


async def measure(server: Server, deployment: Deployment) -> Sample:
    """Measure the constants anew, and real runs beside the simulation with them."""
    async with deployment.bus() as bus:
        redis = await redis_costs.measure(server, bus, rounds=ROUNDS)
        fan_out = await gateway_costs.fan_out(deployment, bus, rounds=ROUNDS)
        gateway = GatewayCosts(
            fan_out=fan_out,
            room=await gateway_costs.room(deployment, bus, fan_out, rounds=ROUNDS),
            standing=await gateway_costs.standing(deployment),
            ping=0.0,
            arrival=0.0,
            check=0.0,
            connection=0.0,
            channel=0.0,
            process=0.0,
        )
        known = roster_costs.Known(redis.publish, fan_out, redis.standing, gateway.standing)
        roster = await roster_costs.measure(server, deployment, known, rounds=ROUNDS)
        events = await trials.spreading(
            server, deployment, bus, gateways=EVENTS_AT, costs=(redis, gateway), pace=QUIET
        )
        costs = redis, gateway, roster
        joins = await trials.gathering(server, deployment, gateways=JOINS_AT, costs=costs)
    return {
        "scale_events_redis": events.redis_ratio,
        "scale_events_gateway": events.gateway_ratio,
        "scale_joins_redis": joins.redis_ratio,
        "scale_joins_gateway": joins.gateway_ratio,
    }
