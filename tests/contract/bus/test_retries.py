"""
Whoever publishes from a log and repeats what failed loses nothing, doubles nothing, and keeps the order.

A simulation on a real Redis: a dispatcher reads a log and publishes it in calls; publications of a call fail
one by one, replies are lost, the dispatcher dies and another one begins at what was committed, while the
former one may go on as a zombie.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.common.bus.messages import Publication
from libs.common.bus.port import Bus
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call
from tests.support.ports.buses import event, heard, kept, texts

FAILURES = 0.08  # Of publications.
LOST_REPLIES = 0.1  # Of calls.
TAKEOVERS = 0.05  # Of steps.
ZOMBIES = 0.5  # Of takeovers: the former dispatcher goes on.
MOST_STEPS = 4000
CHANNELS = [Channel("1", f"retries-{number}") for number in range(4)]


class FaultyConnection(RedisConnection):
    """
    A connection on which single calls never arrive, and replies get lost.

    Args:
        checked: Without it the predecessor of a publication is kept from the script.
    """

    def __init__(self, url: str, dice: random.Random, *, checked: bool) -> None:
        super().__init__(Url(url), "bus")
        self._dice = dice
        self._checked = checked

    async def ask_all(self, calls: Sequence[Call], *, shared: bool = False) -> list[Any]:
        arriving = [n for n in range(len(calls)) if self._dice.random() >= FAILURES]
        sent = [calls[n] if self._checked else _unchecked(calls[n]) for n in arriving]
        answered = dict(zip(arriving, await super().ask_all(sent, shared=shared), strict=True))
        if self._dice.random() < LOST_REPLIES:
            answered = {}
        return [answered.get(number, Unavailable("bus")) for number in range(len(calls))]


def _unchecked(call: Call) -> Call:
    return call._replace(command=(*call.command[:-2], "", ""))


class Dispatcher:
    """Publishes a log from an offset on, in calls of various length."""

    def __init__(self, log: Sequence[Publication], offset: int, bus: Bus) -> None:
        self._log = log
        self._bus = bus
        self.offset = offset

    @property
    def is_done(self) -> bool:
        return self.offset >= len(self._log)

    async def step(self, length: int) -> None:
        """Publish a call; when it fails the next step begins where this one did."""
        call = self._log[self.offset : self.offset + length]
        try:
            await self._bus.publish(call)
        except Unavailable:
            return
        self.offset += len(call)


def write_log(dice: random.Random, *, name: str, since: float, length: int) -> list[Publication]:
    """Make the records of a partition, with timestamps that do not always rise."""
    return [
        event(dice.choice(CHANNELS), f"{name}{n}", ("k", n, since + n + dice.uniform(0, 3)))
        for n in range(length)
    ]


async def dispatch(log: Sequence[Publication], bus: Bus, dice: random.Random) -> None:
    """Publish a whole log, through deaths and zombies."""
    owner, zombies = Dispatcher(log, 0, bus), list[Dispatcher]()
    committed = 0
    for _ in range(MOST_STEPS):
        at_work = [owner, *zombies]
        async with asyncio.TaskGroup() as tasks:
            for dispatcher in dice.sample(at_work, dice.randint(1, len(at_work))):
                tasks.create_task(dispatcher.step(dice.randint(1, 12)))
        if owner.is_done:
            return
        if dice.random() < 0.7:
            committed = owner.offset
        if dice.random() < TAKEOVERS:
            if dice.random() < ZOMBIES:
                zombies.append(owner)
            owner = Dispatcher(log, committed, bus)
    raise AssertionError("the log was not published")


async def repeated(request: Sequence[Publication], bus: Bus) -> int:
    """Publish a request until it succeeds, as a back end does; return how often it failed."""
    for failures in range(MOST_STEPS):
        try:
            await bus.publish(request)
        except Unavailable:
            continue
        return failures
    raise AssertionError("the request was not published")


def rolled(seed: int) -> random.Random:
    """Take dice that fall the same way each time."""
    return random.Random(seed)  # noqa: S311 - for a simulation.


@asynccontextmanager
async def simulation(
    url: str, prefix: str, dice: random.Random, *, checked: bool
) -> AsyncIterator[tuple[Bus, Bus]]:
    """Open the bus as dispatchers have it, and as a reader without faults has it."""
    async with (
        FaultyConnection(url, dice, checked=checked) as faulty,
        RedisConnection(Url(url), "bus") as sound,
    ):
        keys = Keys(prefix)
        yield RedisBus(faulty, keys), RedisBus(sound, keys)


def expected(log: Sequence[Publication]) -> dict[Channel, list[str]]:
    """Tell what each channel's history must have: the log's, in order."""
    return {
        channel: [p.broadcast.frame.decode() for p in log if p.channel == channel]
        for channel in CHANNELS
    }


async def histories(bus: Bus) -> dict[Channel, list[str]]:
    return {channel: await kept(bus, channel) for channel in CHANNELS}


class TestRetries:
    """Of one channel and source, no publication was applied whose predecessor was not."""

    @pytest.mark.parametrize("url", ["redis_url", "redis_cluster_url"], indirect=True)
    async def test_nothing_lost_doubled_or_moved(self, url: str, prefix: str) -> None:
        """Each channel's history is what the log has for it, whatever failed on the way."""
        for seed in range(40):
            dice = rolled(seed)
            log = write_log(dice, name="", since=1e9, length=120)
            async with simulation(url, f"{prefix}.{seed}", dice, checked=True) as (faulty, sound):
                await dispatch(log, faulty, dice)

                assert await histories(sound) == expected(log), f"seed {seed}"

    @pytest.mark.parametrize("url", ["redis_url"], indirect=True)
    async def test_log_made_anew(self, url: str, prefix: str) -> None:
        """The same holds when the log is deleted and begins anew with lower sequences."""
        for seed in range(20):
            dice = rolled(seed)
            old = write_log(dice, name="old", since=1e9, length=80)
            new = write_log(dice, name="new", since=2e9, length=60)
            async with simulation(url, f"{prefix}.{seed}", dice, checked=True) as (faulty, sound):
                await dispatch(old, faulty, dice)
                await dispatch(new, faulty, dice)

                assert await histories(sound) == expected([*old, *new]), f"seed {seed}"

    @pytest.mark.parametrize("url", ["redis_url", "redis_cluster_url"], indirect=True)
    async def test_tokens(self, url: str, prefix: str) -> None:
        """Of requests with tokens, each repeated until it succeeds, every publication stands there once."""
        for seed in range(20):
            dice = rolled(seed)
            requests = [
                [event(dice.choice(CHANNELS), f"{n}.{i}", token=f"{n}/{i}") for i in range(8)]
                for n in range(20)
            ]
            async with simulation(url, f"{prefix}.{seed}", dice, checked=True) as (faulty, sound):
                repetitions = [await repeated(request, faulty) for request in requests]
                told = {of: sorted(frames) for of, frames in (await histories(sound)).items()}

            sent = expected([publication for request in requests for publication in request])
            assert told == {channel: sorted(frames) for channel, frames in sent.items()}
            assert sum(repetitions) > 0

    @pytest.mark.parametrize("url", ["redis_url"], indirect=True)
    async def test_announced_as_appended(self, url: str, prefix: str) -> None:
        """A listener hears exactly the history, in order, while all this happens."""
        dice = rolled(7)
        log = write_log(dice, name="", since=1e9, length=200)
        async with (
            simulation(url, prefix, dice, checked=True) as (faulty, sound),
            sound.listen() as listener,
        ):
            await listener.follow(CHANNELS)
            await dispatch(log, faulty, dice)
            deliveries = await heard(listener, len(log))

        assert {channel: texts(deliveries, channel) for channel in CHANNELS} == expected(log)

    @pytest.mark.parametrize("url", ["redis_url"], indirect=True)
    async def test_the_simulation_finds_faults(self, url: str, prefix: str) -> None:
        """Without the look at the predecessor, the same simulation loses publications."""
        harmed = 0
        for seed in range(10):
            dice = rolled(seed)
            log = write_log(dice, name="", since=1e9, length=120)
            async with simulation(url, f"{prefix}.{seed}", dice, checked=False) as (faulty, sound):
                await dispatch(log, faulty, dice)
                harmed += await histories(sound) != expected(log)

        assert harmed == 10


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return str(request.getfixturevalue(request.param))
