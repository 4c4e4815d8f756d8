"""
What was measured, where and when: the file from which the model takes every number.

Pure, but for the file.  `bench.scale` writes it; nobody writes it by hand.
"""

from pathlib import Path

import msgspec

from bench.scale.costs import Cost

FILE = Path(__file__).parent / "constants.json"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where and when it was measured.

    Attributes:
        date: The day, as in ISO 8601.
        cpus: How many CPUs, for the servers, the clients and the bench together.
        model: What the CPUs call themselves.
        python: The version of Python.
        linux: The version of Linux.
        redis: The version of Redis.
        load: The load average of a quarter of an hour: what else ran, and this.
    """

    date: str
    cpus: int
    model: str
    python: str
    linux: str
    redis: str
    load: float


class GatewayCosts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a gateway spends: CPU seconds, and bytes of resident memory.

    Attributes:
        fan_out: Of events that Redis brings together, to subscribers.
        room: Each channel that has events among them, but for the subscribers.
        standing: A second in which nothing happens.
        ping: An idle client that asks, and is answered.
        arrival: A client that connects and subscribes to a channel of its own.
        check: A silent channel whose position is compared with the bus once.
        connection: Bytes of a connection.
        channel: Bytes that a channel of its own adds to a connection.
        process: Bytes of a gateway without connections.
    """

    fan_out: Cost
    room: float
    standing: float
    ping: float
    arrival: float
    check: float
    connection: float
    channel: float
    process: float


class RedisCosts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What Redis spends: CPU seconds, and bytes of its memory.

    Attributes:
        publish: Of publications in one pipeline, to gateways that follow the channel.
        standing: A second in which nothing happens.
        check: A channel whose position is read.
        channel: Bytes of a channel with one entry.
        entry: Bytes of each further entry.
        feed: Bytes of a channel that a gateway follows.
    """

    publish: Cost
    standing: float
    check: float
    channel: float
    entry: float
    feed: float


class ClusterCosts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What pub/sub costs the nodes of a cluster: PUBLISH and SPUBLISH; readers are other nodes.

    Attributes:
        classic: The node where it is published, which passes it on to every other one.
        passed_on: Each other node, without subscribers: CPU seconds by events together.
        sharded: The node where it is published, which passes it on to none.
        silent: Each other node with sharded pub/sub.
    """

    classic: Cost
    passed_on: Cost
    sharded: Cost
    silent: Cost


class RosterCosts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one presence channel costs: CPU seconds, and bytes.

    Attributes:
        join: Redis, a call of the join script.
        seat: Redis, each seat that the call takes.
        online: Redis, a user who comes online with it: a call for a channel of its own.
        listed: Redis, each member in a reply: of a join, or of a list.
        leave: Redis, a departure.
        size: Redis, the number of members.
        asked: The gateway, a reading of the members, but for the members themselves.
        newcomer: The gateway, a client that joins, but for the members it is shown.
        read: The gateway, each member of a reading.
        shown: The gateway, each member that a newcomer is shown.
        member: Redis, bytes of a member.
        shown_bytes: Bytes that a newcomer is sent for each member.
    """

    join: float
    seat: float
    online: float
    listed: float
    leave: float
    size: float
    asked: float
    newcomer: float
    read: float
    shown: float
    member: float
    shown_bytes: float


class ServiceCosts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the other services spend, in CPU seconds.

    Attributes:
        dispatcher: A record from Kafka, routed and published.
        auth: A decision about one channel.
        presence: A fact that is sent as a webhook, one a request.
    """

    dispatcher: float
    auth: float
    presence: float


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """
    A real run, and what the simulation says of the same: CPU seconds by what was delivered.

    Attributes:
        name: What ran.
        gateways: How many gateways.
        redis: What Redis spent.
        redis_simulated: What it spends in the simulation.
        gateway: What all gateways together spent.
        gateway_simulated: What they spend in the simulation.
    """

    name: str
    gateways: int
    redis: float
    redis_simulated: float
    gateway: float
    gateway_simulated: float

    @property
    def redis_ratio(self) -> float:
        """The simulation by the real run."""
        return self.redis_simulated / self.redis

    @property
    def gateway_ratio(self) -> float:
        """The simulation by the real run, of the gateways."""
        return self.gateway_simulated / self.gateway


class ClusterTrial(msgspec.Struct, frozen=True, kw_only=True):
    """
    A cluster that passes messages on: CPU seconds a message.

    Attributes:
        nodes: How many nodes.
        together: Messages of one pipeline.
        classic: Spent by all nodes together, with PUBLISH.
        sharded: The same with SPUBLISH.
    """

    nodes: int
    together: int
    classic: float
    sharded: float


class Constants(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything that was measured in one run.

    Attributes:
        place: Where and when.
        frame: Bytes that a subscriber receives of an event.
        envelope: Bytes that a gateway receives from Redis of an event.
        gateway: What a gateway spends.
        redis: What a Redis server spends.
        cluster: What pub/sub adds in a cluster.
        roster: What a presence channel costs.
        services: What the other services spend.
        trials: Real runs beside the simulation.
        cluster_trials: Clusters of several sizes.
    """

    place: Place
    frame: int
    envelope: int
    gateway: GatewayCosts
    redis: RedisCosts
    cluster: ClusterCosts
    roster: RosterCosts
    services: ServiceCosts
    trials: tuple[Trial, ...]
    cluster_trials: tuple[ClusterTrial, ...]


def read(path: Path = FILE) -> Constants:
    """
    Read what was measured.

    Raises:
        msgspec.ValidationError: The file is of another version of the bench.
    """
    return msgspec.json.decode(path.read_bytes(), type=Constants)


def write(constants: Constants, path: Path = FILE) -> None:
    """Keep what was measured, with four digits of each number: the rest is noise."""
    rounded = _rounded(msgspec.to_builtins(constants))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n")


def _rounded(value: object) -> object:
    match value:
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case float():
            return float(f"{value:.4g}")
    return value
