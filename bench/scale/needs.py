"""
What a deployment needs for a load, and which part of it is full first.

Pure.  Everything is extrapolated from what was measured on one small machine; docs/scale.md says
what that means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import msgspec

from bench.scale.constants import Constants
from bench.scale.costs import Cost
from bench.scale.spreading import share
from libs.common.bus.settings import HistorySettings
from services.gateway.settings import GatewaySettings

# Of what a process can bear at most; above it, what comes at once waits for long.  A process that
# takes what waits together shows more of a CPU than that: it spends what it has on shorter waits.
FULL = 0.6
MOST_GATEWAYS = 100_000
GATEWAY, HISTORY = GatewaySettings(), HistorySettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """
    What a deployment has to bear.

    Attributes:
        connections: At the same time; each is in a channel of its own besides those of the events.
        events: A second, each published by itself.
        fan_out: Subscribers of each event, spread at random over the gateways.
        session: Seconds that a connection lasts; each new one asks auth about one channel.
    """

    connections: int
    events: int
    fan_out: int
    session: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """
    What that takes.

    Attributes:
        gateways: Processes, a CPU each.
        following: Gateways to which each event goes.
        nodes: Masters of Redis, with sharded pub/sub.
        classic_nodes: The same with classic pub/sub; 0: no number of nodes is enough.
        dispatchers: Processes; the topic has at least as many partitions.
        auths: Processes.
        gateway_bytes: Memory of all gateways.
        redis_bytes: Memory of all nodes.
        from_redis: Bytes a second from Redis to the gateways.
        to_clients: Bytes a second to clients, with WebSocket's and without TCP's headers.
        shown: The share of its CPU that each gateway shows.
        one_of_each: CPUs that each part would need, were it one process: by its name.
    """

    gateways: int
    following: float
    nodes: int
    classic_nodes: int
    dispatchers: int
    auths: int
    gateway_bytes: float
    redis_bytes: float
    from_redis: float
    to_clients: float
    shown: float
    one_of_each: Mapping[str, float]

    @property
    def first(self) -> str:
        """The part that is full first when there is one of each."""
        return max(self.one_of_each, key=lambda name: self.one_of_each[name])

    @property
    def rest(self) -> list[str]:
        """The others of which one is not enough, the fullest before."""
        order = sorted(self.one_of_each, key=lambda name: -self.one_of_each[name])
        return [name for name in order[1:] if self.one_of_each[name] > FULL]


def following(gateways: int, subscribers: float) -> float:
    """Return how many gateways have at least one of so many subscribers, who come anywhere."""
    missed: float = (1 - 1 / gateways) ** subscribers
    return gateways * (1 - missed)


def idle(constants: Constants, connections: float) -> float:
    """Return the share of a gateway's CPU that silent connections take, each with a channel."""
    gateway = constants.gateway
    each = gateway.ping / GATEWAY.activity_timeout + gateway.check / GATEWAY.position_check
    return gateway.standing + connections * each


def gateway_load(constants: Constants, load: Load, gateways: int) -> float:
    """Return how full each of so many gateways is: 1 is the most that it can bear."""
    rate, subscribers = heard(load, gateways)
    return steady(constants, load, gateways) + rate * roomed(constants).marginal(subscribers)


def gateway_shows(constants: Constants, load: Load, gateways: int) -> float:
    """Return the share of its CPU that each shows, which is more."""
    rate, subscribers = heard(load, gateways)
    resting = steady(constants, load, gateways)
    if not rate:
        return resting
    return min(1.0, resting + share(roomed(constants), rate=rate, readers=subscribers))


def heard(load: Load, gateways: int) -> tuple[float, float]:
    """Return the events a second that each gateway hears, and the subscribers it has for each."""
    reach = following(gateways, load.fan_out)
    return load.events * reach / gateways, load.fan_out / reach


def steady(constants: Constants, load: Load, gateways: int) -> float:
    """Return the share of a gateway's CPU that does not depend on events."""
    coming = load.connections / load.session / gateways * constants.gateway.arrival
    return idle(constants, load.connections / gateways) + coming


def roomed(constants: Constants) -> Cost:
    """Return what events cost a gateway that come for a channel each."""
    cost = constants.gateway.fan_out
    return msgspec.structs.replace(cost, event=cost.event + constants.gateway.room)


def gateways_for(constants: Constants, load: Load) -> int:
    """Return the fewest gateways of which none is full."""
    low, high = 0, 1
    while gateway_load(constants, load, high) > FULL and high < MOST_GATEWAYS:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if gateway_load(constants, load, middle) > FULL:
            low = middle
        else:
            high = middle
    return high


def redis_load(constants: Constants, load: Load, gateways: int) -> float:
    """Return how full Redis is, were it one node, without what a cluster passes on."""
    redis, reach = constants.redis, following(gateways, load.fan_out)
    checks = load.connections / GATEWAY.position_check * redis.check
    return checks + load.events * redis.publish.marginal(reach)


def nodes_for(constants: Constants, load: Load, gateways: int) -> tuple[int, int]:
    """Return how many nodes are needed with sharded pub/sub, and with classic; 0: never enough."""
    alone = redis_load(constants, load, gateways)
    sharded = max(1, ceil(alone / FULL))
    for nodes in range(sharded, 4 * sharded + 64):
        if classic_share(constants, load, alone=alone, nodes=nodes) <= FULL:
            return sharded, nodes
    return sharded, 0


def classic_share(constants: Constants, load: Load, *, alone: float, nodes: int) -> float:
    """Return the share of its CPU that each node needs where every message goes to all nodes."""
    cluster, own = constants.cluster, load.events / nodes
    sending = own * (nodes - 1) * (cluster.classic.write + cluster.classic.message)
    hearing = (load.events - own) * cluster.passed_on.event
    return alone / nodes + sending + hearing


def needs(constants: Constants, load: Load) -> Needs:
    """Return what a load takes."""
    gateways = gateways_for(constants, load)
    reach = following(gateways, load.fan_out)
    nodes, classic = nodes_for(constants, load, gateways)
    services, gateway, redis = constants.services, constants.gateway, constants.redis
    decisions = load.connections / load.session
    own = gateway.connection + gateway.channel
    kept = load.events * HISTORY.max_age
    ones = {
        "gateway": gateway_load(constants, load, 1),
        "Redis": redis_load(constants, load, 1),
        "dispatcher": load.events * services.dispatcher,
        "auth": decisions * services.auth,
    }
    return Needs(
        gateways=gateways,
        following=reach,
        nodes=nodes,
        classic_nodes=classic,
        dispatchers=max(1, ceil(ones["dispatcher"] / FULL)),
        auths=max(1, ceil(ones["auth"] / FULL)),
        gateway_bytes=gateways * gateway.process + load.connections * own,
        redis_bytes=kept * redis.entry + load.connections * (redis.feed + redis.channel),
        from_redis=load.events * reach * constants.envelope,
        to_clients=load.events * load.fan_out * constants.frame,
        shown=gateway_shows(constants, load, gateways),
        one_of_each=ones,
    )


def channel_limit(constants: Constants, gateways: int) -> float:
    """
    Return the events a second that one channel may have, which so many gateways follow.

    What comes together goes to the same gateways, in one write to each.
    """
    publish = constants.redis.publish
    return FULL / (publish.event + gateways * publish.message)
