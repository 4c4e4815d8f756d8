"""
The tables of docs/scale.md: what the model makes of what was measured.

``python -m tests.support.documents.scale`` writes them anew between the marks of the page, ``<!-- name -->``
and ``<!-- end -->``; `make docs` does that, and a test holds it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.scale.constants import Constants, read
from bench.scale.gathering import REDIS, gather
from bench.scale.needs import FULL, Load, channel_limit, classic_share, idle, needs
from tests.support.documents.tree import ROOT

PAGE = ROOT / "docs" / "scale.md"
FAN_OUT = 10
SIZES = [(n, e) for n in (10_000, 100_000, 1_000_000) for e in (1_000, 10_000, 100_000)]
FOLLOWING = (1, 10, 100, 1_000)
MEMBERS = (100, 1_000, 10_000)
ROSTER_GATEWAYS = 10
# A month of 730 hours.
VCPU_HOUR, GIB_HOUR, HOURS = 0.04, 0.005, 730
# Name, dollars a month, connections, messages a day, as published in 2026.
TIERS = (
    ("Startup", 49, 500, 1),
    ("Pro", 99, 2_000, 4),
    ("Business", 299, 5_000, 10),
    ("Premium", 499, 10_000, 20),
    ("Growth", 699, 15_000, 40),
    ("Plus", 899, 20_000, 60),
    ("Growth Plus", 1_199, 30_000, 90),
)

_MADE = re.compile(r"(<!-- (?!end)(\w+) -->\n)(?:(?!<!-- ).)*(<!-- end -->)", re.DOTALL)


def made(text: str, constants: Constants) -> str:
    """Put the tables of these constants into a page."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}{TABLES[found[2]](constants)}\n{found[3]}"

    return _MADE.sub(table, text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float) -> str:
    """Print two digits that count, and thousands apart."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _us(seconds: float) -> str:
    return f"{_number(seconds * 1e6)} µs"


def _bytes(value: float) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= size:
            return f"{_number(value / size)} {unit}"
    return f"{_number(value)} B"


def place(constants: Constants) -> str:
    """Say where and when it was measured."""
    at = constants.place
    return (
        f"Measured on {at.date}: {at.cpus} virtual CPUs ({at.model}), Linux {at.linux}, Python {at.python}, "
        f"Redis {at.redis}; the load average of the last quarter of an hour was {at.load:.1f}."
    )


def costs(constants: Constants) -> str:
    """List what was measured."""
    gateway, redis, services = constants.gateway, constants.redis, constants.services
    rows = [
        ("gateway: events that Redis brings together, once", _us(gateway.fan_out.call)),
        ("gateway: the same, besides, after 10 ms of nothing", _us(gateway.fan_out.waking)),
        ("gateway: each of them", _us(gateway.fan_out.event)),
        ("gateway: each channel among them", _us(gateway.room)),
        ("gateway: each subscriber written to, single", _us(gateway.fan_out.write)),
        ("gateway: each further event for the same subscriber", _us(gateway.fan_out.message)),
        ("gateway: a ping", _us(gateway.ping)),
        ("gateway: a client that connects and subscribes", _us(gateway.arrival)),
        ("gateway: the position of a silent channel", _us(gateway.check)),
        ("gateway: a second of nothing", _us(gateway.standing)),
        ("gateway: memory of a connection", _bytes(gateway.connection)),
        ("gateway: memory of a channel of its own besides", _bytes(gateway.channel)),
        ("gateway: memory without connections", _bytes(gateway.process)),
        ("Redis: events of one pipeline, once", _us(redis.publish.call)),
        ("Redis: the same, besides, after 10 ms of nothing", _us(redis.publish.waking)),
        ("Redis: each of them (the publish script)", _us(redis.publish.event)),
        ("Redis: each gateway that follows, however many events at once", _us(redis.publish.write)),
        ("Redis: each event and gateway that follows", _us(redis.publish.message)),
        ("Redis: the position of a silent channel", _us(redis.check)),
        ("Redis: memory of a channel with one event", _bytes(redis.channel)),
        ("Redis: memory of each further event", _bytes(redis.entry)),
        ("Redis: memory of a channel and gateway that follows", _bytes(redis.feed)),
        ("dispatcher: a record from Kafka to Redis", _us(services.dispatcher)),
        ("auth: a decision", _us(services.auth)),
        ("presence: a webhook", _us(services.presence)),
    ]
    return _table(("what", "CPU or memory"), rows)


def trials(constants: Constants) -> str:
    """Show real runs beside the simulation."""
    rows = [
        (
            f"{each.name}, a {'member' if each.name == 'joins' else 'delivery'}",
            str(each.gateways),
            f"{each.redis * 1e6:.3g} µs",
            f"{each.redis_ratio:.2f}",
            f"{each.gateway * 1e6:.3g} µs",
            f"{each.gateway_ratio:.2f}",
        )
        for each in constants.trials
    ]
    head = (
        "run, CPU by",
        "gateways",
        "Redis, measured",
        "model / measured",
        "all gateways, measured",
        "model / measured",
    )
    return _table(head, rows)


def cluster(constants: Constants) -> str:
    """Show both kinds of pub/sub on clusters of several sizes."""
    rows = [
        (
            str(each.nodes),
            str(each.together),
            _us(each.classic),
            _us(each.sharded),
            f"{each.classic / each.sharded:.1f}",
        )
        for each in constants.cluster_trials
    ]
    return _table(("nodes", "messages at once", "classic", "sharded", "classic / sharded"), rows)


def sizes(constants: Constants) -> str:
    """Say what each size needs."""
    rows = []
    for connections, events in SIZES:
        load = Load(connections=connections, events=events, fan_out=FAN_OUT)
        found = needs(constants, load)
        rows.append(
            (
                f"{connections:,}",
                f"{events:,}",
                f"{found.gateways:,}",
                f"{found.shown:.0%}",
                _bytes(found.gateway_bytes),
                f"{found.nodes:,}",
                f"{found.classic_nodes:,}" if found.classic_nodes else "none is enough",
                _bytes(found.redis_bytes),
                f"{found.dispatchers:,}",
                f"{found.auths:,}",
                f"{_number(found.from_redis * 8 / 1e9)} / {_number(found.to_clients * 8 / 1e9)}",
            )
        )
    head = (
        "connections",
        "events/s",
        "gateways",
        "CPU that each shows",
        "their memory",
        "Redis nodes, sharded",
        "classic",
        "their memory",
        "dispatchers, partitions",
        "auth",
        "Gbit/s from Redis / to clients",
    )
    return _table(head, rows)


def bottlenecks(constants: Constants) -> str:
    """Say what is full first at each size."""
    rows = []
    for connections, events in SIZES:
        found = needs(constants, Load(connections=connections, events=events, fan_out=FAN_OUT))
        ones = [f"{name} {_number(cpus)}" for name, cpus in found.one_of_each.items()]
        rows.append(
            (
                f"{connections:,}",
                f"{events:,}",
                ", ".join(ones),
                found.first,
                ", ".join(found.rest) or "nothing",
            )
        )
    head = ("connections", "events/s", "CPUs, were there one of each", "full first", "then")
    return _table(head, rows)


def bus(constants: Constants) -> str:
    """Say how much of a node's CPU classic pub/sub takes, however many nodes there are."""
    rows = []
    for nodes in (1, 3, 10, 30):
        load = Load(connections=0, events=100_000, fan_out=1)
        share = classic_share(constants, load, alone=0, nodes=nodes)
        rows.append((str(nodes), f"{share:.2f}"))
    return _table(("nodes", "CPUs of each node for the cluster's bus, at 100,000 events/s"), rows)


def channels(constants: Constants) -> str:
    """Say what one channel may have."""
    rows = [(f"{n:,}", _number(channel_limit(constants, n))) for n in FOLLOWING]
    return _table(("gateways that follow", "events a second of one channel, at most"), rows)


def roster(constants: Constants) -> str:
    """Say what a presence channel costs by its size."""
    costs, gateway = constants.roster, constants.gateway
    rows = []
    for size in MEMBERS:
        course = gather(
            costs, constants.redis.publish, gateway.fan_out, gateways=ROSTER_GATEWAYS, members=size
        )
        redis = course.busy[REDIS]
        rows.append(
            (
                f"{size:,}",
                _us(costs.join + costs.seat + costs.online + size * costs.listed),
                _us(costs.join + size * costs.listed),
                _us(costs.leave),
                _us(costs.size),
                _bytes(size * costs.shown_bytes),
                f"{_number(size * size / 2)}",
                f"{redis:.3g} s",
                f"{sum(course.busy.values()) - redis:.3g} s",
                _bytes(size * costs.member),
            )
        )
    head = (
        "members",
        "Redis, a join",
        "a list",
        "a leave",
        "a count",
        "sent to who joins",
        "messages to members while all join",
        "Redis, all join at once",
        "ten gateways, the same",
        "memory of Redis",
    )
    return _table(head, rows)


def price(constants: Constants) -> str:
    """Set the cost of connections beside Pusher's plans."""
    rows = []
    for name, dollars, connections, millions in TIERS:
        cpus, gib = machine(constants, connections, millions * 1e6)
        cost = HOURS * (cpus * VCPU_HOUR + gib * GIB_HOUR)
        rows.append(
            (
                f"{name}: {connections:,} connections, {millions} M messages a day",
                f"${dollars:,}",
                f"{cpus:.2f}",
                f"{gib:.2f}",
                f"${cost:.2f}",
                f"{dollars / connections * 1000:.0f} / {cost / connections * 1000:.2f}",
            )
        )
    head = (
        "plan",
        "a month",
        "CPUs here",
        "GiB here",
        "a month here",
        "dollars for 1,000 connections, Pusher / here",
    )
    return _table(head, rows)


def machine(constants: Constants, connections: int, messages: float) -> tuple[float, float]:
    """
    Return the CPUs and the GiB that one gateway and one Redis need, at most `FULL`.

    Args:
        constants: What was measured.
        connections: At the same time.
        messages: A day, of which ten in eleven are deliveries, all within a tenth of the day.
    """
    events = messages / (FAN_OUT + 1) / 8640
    cost, redis = constants.gateway.fan_out, constants.redis
    gateway = idle(constants, connections) + events * (
        cost.seconds(1, FAN_OUT) + constants.gateway.room
    )
    server = redis.standing + events * redis.publish.seconds(1, 1)
    server += connections / 30 * redis.check
    held = constants.gateway.process + connections * (
        constants.gateway.connection + constants.gateway.channel + redis.channel + redis.feed
    )
    return (gateway + server) / FULL, (held + events * 120 * redis.entry) / 2**30


TABLES: Mapping[str, Callable[[Constants], str]] = {
    each.__name__: each
    for each in (
        place, costs, trials, cluster, sizes, bottlenecks, bus, channels, roster, price,
    )
}  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8"), read()), encoding="utf-8")
