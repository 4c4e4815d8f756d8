"""
Leases on Redis.  See `leases.port.Leases`; the scripts beside this module say which keys there are.

Each partition keeps leases of its own, beside what is held in it, so that every decision is one
script on one server: a gateway renews as many leases as there are partitions, in one pipeline.
Where part of a cluster is away, the rest goes on.  The keys are named for the roster, as they were
before leases were apart from it.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from libs.common.leases.port import LeaseLost
from libs.common.redis.commands import Word
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call, Script, milliseconds
from libs.common.redis.unreadable import readable

Forget = Callable[[bytes], Call]  # Takes a text that nobody can read from where it stands.

REFUSED = -1  # The reply of ``renew.lua`` to a gateway that was cleared.
SHARE = 64  # Gateways of a partition that one sweep handles, and how much of what each holds.

_HERE = Path(__file__).parent
# Without memory left still runs what keeps leases, and what ends them, which frees some.
SWEEP = Script.joined(_HERE / "sweep.lua", flags="allow-oom")
RENEW = Script.joined(_HERE / "renew.lua", flags="allow-oom")
PROLONG = Script.joined(_HERE / "prolong.lua", flags="allow-oom")
RELEASE = Script.joined(_HERE / "release.lua", flags="allow-oom")
OVERDUE = Script.joined(_HERE / "overdue.lua", flags="no-writes")


class Ended(NamedTuple):
    """A gateway that was cleared, in a partition where it may still hold something."""

    partition: int
    gateway: str


class Search(NamedTuple):
    """
    A question for what a gateway holds, and what to do with the answer.

    Attributes:
        call: Replies with a list of texts.
        clear: Makes calls of them, of which each replies how much it took away.
    """

    call: Call
    clear: Callable[[Sequence[bytes]], list[Call]]


class RedisHoldings(Protocol):
    """What gateways hold on Redis, in the partitions of their leases, while these last."""

    def held_by(self, ended: Ended, *, most: int) -> Search:
        """Look for so much of what a gateway holds; an empty reply says that it holds nothing."""


class RedisTerms(Protocol):
    """What is over by its own time, though the gateway that it came from lives."""

    @property
    def due(self) -> str:
        """The kind of a key of each partition: a sorted set, of texts -> when each is over."""

    def end(self, texts: Sequence[bytes], forget: Forget) -> list[Call]:
        """Make calls of at most `SHARE` texts, of which each replies how much it took away."""


class RedisLeases:
    """
    Leases that all processes of a deployment share.  See `Leases`.

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
        holdings: What is taken from gateways that are cleared.
        terms: What is ended when its time is over.

    Attributes:
        given_up: See `Leases.given_up`.
    """

    def __init__(
        self,
        connection: RedisConnection,
        keys: Keys,
        *,
        holdings: Sequence[RedisHoldings],
        terms: Sequence[RedisTerms],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._holdings = holdings
        self._terms = terms
        self.given_up = 0

    async def check(self) -> None:
        """See `Leases.check`."""
        await self._connection.check(self._keys.probes("leases"))

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.renew`."""
        kinds = ("leases", "lapsed", "cleared", "renewed")
        replies = await self._everywhere(RENEW, kinds, gateway, milliseconds(ttl))
        if REFUSED in replies:
            raise LeaseLost(gateway)
        raise_first(replies)
        return all(replies)

    async def prolong(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.prolong`."""
        kinds = ("leases", "lapsed", "renewed")
        replies = await self._everywhere(PROLONG, kinds, gateway, milliseconds(ttl))
        raise_first(replies)
        return all(replies)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator["RedisLeases"]:
        """See `Leases.apart`."""
        async with self._connection.another() as connection:
            yield RedisLeases(connection, self._keys, holdings=self._holdings, terms=self._terms)

    async def release(self, gateway: str) -> None:
        """See `Leases.release`."""
        raise_first(await self._everywhere(RELEASE, ("leases", "lapsed", "renewed"), gateway))

    async def sweep(self, *, grace: float) -> int:
        """See `Leases.sweep`."""
        judged = await self._judge(grace)
        ended, strange = self._ended(judged)
        overdue, searches = self._overdue(), self._held_by(ended)
        replies = await self._connection.ask_all([*overdue, *(each.call for _, each in searches)])
        found, held = replies[: len(overdue)], replies[len(overdue) :]
        clearing = self._endings(found)
        for (_, search), reply in zip(searches, held, strict=True):
            clearing += search.clear(_texts(reply))
        holding = {each for (each, _), reply in zip(searches, held, strict=True) if reply != []}
        settling = [self._settle(each) for each in ended if each not in holding]
        cleared = await self._connection.ask_all([*clearing, *settling, *strange])
        raise_first([*judged, *replies, *cleared])
        return sum(cleared[: len(clearing)])

    def _ended(self, judged: Sequence[Any]) -> tuple[list[Ended], list[Call]]:
        """Read the names of gateways that ended, and have those forgotten that are none."""
        ended: list[Ended] = []
        strange: list[Call] = []
        for partition, reply in enumerate(judged):
            names, others = readable("entry", bytes.decode, _texts(reply))
            ended += [Ended(partition, name) for name in names]
            strange += map(forgets("ZREM", self._lapsed(partition)), others)
        return ended, strange

    async def _judge(self, grace: float) -> list[Any]:
        """Name for each partition the gateways that ended there; errors are among the replies."""
        kinds = ("leases", "lapsed", "cleared", "renewed")
        replies = await self._everywhere(SWEEP, kinds, milliseconds(grace), SHARE)
        if not isinstance(replies[0], Exception):
            # Each gateway ends in all partitions; where it does in the first, it is counted.
            self.given_up += replies[0][1]
        return [each if isinstance(each, Exception) else each[0] for each in replies]

    def _overdue(self) -> list[Call]:
        """Look in every partition for what is over by its own time."""
        calls = []
        for partition in range(len(self._keys.tags)):
            keys = [self._keys.partition(terms.due, partition) for terms in self._terms]
            calls.append(OVERDUE.call(keys, SHARE))
        return calls

    def _endings(self, found: Sequence[Any]) -> list[Call]:
        """Make the calls that end what was found, for each partition and each of the terms."""
        return [
            call
            for partition, reply in enumerate(found)
            for terms, texts in zip(self._terms, _texts(reply), strict=False)
            for call in terms.end(texts, self._forgets_due(terms, partition))
        ]

    def _held_by(self, ended: Iterable[Ended]) -> list[tuple[Ended, Search]]:
        return [
            (each, holdings.held_by(each, most=SHARE))
            for each in ended
            for holdings in self._holdings
        ]

    def _settle(self, ended: Ended) -> Call:
        """Strike out a gateway that holds nothing, and gets nothing, as it is refused."""
        key = self._lapsed(ended.partition)
        return Call(key, ("ZREM", key, ended.gateway))

    def _forgets_due(self, terms: RedisTerms, partition: int) -> Forget:
        return forgets("ZREM", self._keys.partition(terms.due, partition))

    def _lapsed(self, partition: int) -> str:
        return self._keys.partition("roster.lapsed", partition)

    async def _everywhere(self, script: Script, kinds: Sequence[str], *args: Word) -> list[Any]:
        """Run a script in every partition; errors are among the replies."""
        calls = []
        for partition in range(len(self._keys.tags)):
            keys = [self._keys.partition(f"roster.{kind}", partition) for kind in kinds]
            calls.append(script.call(keys, *args))
        return await self._connection.ask_all(calls)


def forgets(command: str, key: str) -> Forget:
    """Make what takes a text from a set."""
    return lambda text: Call(key, (command, key, text))


def _texts(reply: Any) -> Sequence[Any]:
    """Return what a reply names: nothing, if it is an error."""
    return () if isinstance(reply, Exception) else reply
