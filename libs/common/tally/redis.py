"""
The tally on Redis.  See `tally.port.Tally`; `numbers.lua` says which keys there are.

Each subject belongs to a partition, a channel's count to that of its feed, and is counted there by
one script.  Leases are those of the same partition (`leases.redis`).
"""

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, get_args

from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.leases.redis import Ended, Forget, Search, forgets
from libs.common.lifecycle.facts import Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Wanted, nobody
from libs.common.lifecycle.redis import FACTS, letters, names
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys, Place
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call, Script
from libs.common.redis.unreadable import readable
from libs.common.tally.port import Count, Kind, Outcome, Subject

LAPSED = -1  # The reply of ``report.lua`` where the lease of another gateway has lapsed.
PIECE = 256  # Names of channels that one reading of a partition returns.
SHARED = 4096  # Partitions, each with an app and a gateway, whose keys are kept by name.
OF_ALL = 4  # Of those keys, so many first ones are needed for every subject.

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}

_KEYS = {kind: (f"tally.{kind}", "tally.counted", "feed") for kind in _KINDS}

_HERE = Path(__file__).parent
_NUMBERS = (FACTS, _HERE / "numbers.lua")
REPORT = Script.joined(*_NUMBERS, _HERE / "report.lua")
# To report 0 frees memory.
REPORT_NONE = Script.joined(*_NUMBERS, _HERE / "report.lua", flags="allow-oom")
CLEAR = Script.joined(*_NUMBERS, _HERE / "clear.lua", flags="allow-oom")
TOTAL = Script.joined(*_NUMBERS, _HERE / "total.lua", flags="no-writes")


class RedisTally:
    """
    A tally for many processes.  See `Tally`.

    Its counts are holdings of the leases that the same Redis keeps (`RedisLeases`).

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
        wanted: Which facts are recorded of what it decides.
        bounds: How many of them are kept.
        pubsub: How counts are announced.
    """

    def __init__(
        self,
        connection: RedisConnection,
        keys: Keys,
        wanted: Wanted = nobody,
        *,
        bounds: Bounds = BOUNDS,
        pubsub: Pubsub = Pubsub.CLASSIC,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._wanted = wanted
        self._bounds = bounds
        self._pubsub = pubsub

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        wanted = {app: letters(self._wanted, app) for app in {each.subject.app for each in counts}}
        calls = [self._report(gateway, each, wanted[each.subject.app]) for each in counts]
        return [_outcome(gateway, reply) for reply in await self._connection.ask_all(calls)]

    def _report(self, gateway: str, count: Count, wanted: str) -> Call:
        script = REPORT if count.number > 0 else REPORT_NONE
        words = count.number, count.limit, int(count.announced)
        return self._call(script, gateway, count.subject, *words, wanted=wanted)

    async def totals(self, subjects: Sequence[Subject]) -> list[int]:
        """See `Tally.totals`."""
        calls = []
        for subject in subjects:
            partition = self._keys.index(_place(subject))
            cleared = self._keys.partition("roster.cleared", partition)
            calls.append(TOTAL.call([_numbers(self._keys, subject), cleared]))
        replies = await self._connection.ask_all(calls)
        raise_first(replies)
        return replies

    async def channels(self, app: str, *, prefix: str, limit: int) -> list[str]:
        """See `Tally.channels`.  Those of a cleared gateway are named until they are swept."""
        partitions = range(len(self._keys.tags))
        keys = [self._keys.partition(f"tally.channels:{app}", index) for index in partitions]
        starts = dict.fromkeys(keys, b"[" + prefix.encode())
        end = b"(" + prefix.encode() + b"\xff"  # Which no name has, as all are UTF-8.
        names: list[bytes] = []
        while starts and len(names) < limit:
            most = min(PIECE, limit - len(names))
            replies = await self._connection.ask_all(
                [
                    Call(key, ("ZRANGEBYLEX", key, start, end, "LIMIT", 0, most))
                    for key, start in starts.items()
                ]
            )
            raise_first(replies)
            found = dict(zip(starts, replies, strict=True))
            names += [name for piece in replies for name in piece]
            starts = {key: b"(" + piece[-1] for key, piece in found.items() if len(piece) == most}
        return sorted(readable("entry", bytes.decode, names)[0])[:limit]

    def held_by(self, ended: Ended, *, most: int) -> Search:
        """See `RedisHoldings.held_by`: the subjects that a gateway has some of."""
        key = self._keys.partition(f"tally.held:{ended.gateway}", ended.partition)
        clear = partial(self._clear, ended.gateway, forgets("SREM", key))
        return Search(Call(key, ("SRANDMEMBER", key, most)), clear)

    def _clear(self, gateway: str, forget: Forget, subjects: Sequence[bytes]) -> list[Call]:
        known, others = readable("entry", _subject, subjects)
        calls = [
            self._call(CLEAR, gateway, subject, wanted=letters(self._wanted, subject.app))
            for subject in known
        ]
        return [*calls, *map(forget, others)]

    def _call(
        self, script: Script, gateway: str, subject: Subject, *args: int, wanted: str
    ) -> Call:
        place, app, is_channel = _place(subject), subject.app, subject.kind == "channel"
        numbers, counted, feed = self._keys.several(_KEYS[subject.kind], place)
        shared = _shared(self._keys, gateway, app, self._keys.index(place))
        keys = (numbers, *shared, counted) if is_channel else (numbers, *shared[:OF_ALL])
        about = gateway, _text(subject), subject.name, feed, app, wanted if is_channel else ""
        return script.announcing(self._pubsub).call(keys, *about, *self._bounds, *args)


@lru_cache(maxsize=SHARED)
def _shared(keys: Keys, gateway: str, app: str, partition: int) -> tuple[str, ...]:
    """Name the keys of a partition: for all subjects, then those that only channels need."""
    of_all = "roster.cleared", "roster.leases", "roster.renewed", f"tally.held:{gateway}"
    kinds = *of_all, f"tally.channels:{app}"
    named = [keys.partition(kind, partition) for kind in kinds]
    return *named, *names(keys, Stream(app, partition))


def _numbers(keys: Keys, subject: Subject) -> str:
    return keys.of(f"tally.{subject.kind}", _place(subject))


def _place(subject: Subject) -> Place:
    """Tell whose partition a subject belongs to: a channel's own, or that of one of such a name."""
    return subject.app, subject.name


def _text(subject: Subject) -> str:
    """Write a subject; with the length of the app's id, as names may have any characters."""
    return f"{subject.kind} {len(subject.app)} {subject.app}/{subject.name}"


def _subject(text: bytes) -> Subject:
    """Read a subject as `_text` writes it."""
    kind, length, rest = text.decode().split(" ", 2)
    end = int(length)
    subject = Subject(_KINDS[kind], rest[:end], rest[end + 1 :])
    if _text(subject) != text.decode():
        raise ValueError("a subject that is spelled in another way")
    return subject


def _outcome(gateway: str, reply: Any) -> Outcome | Unavailable:
    if isinstance(reply, Unavailable):
        return reply
    raise_first([reply])
    if not reply:
        return LeaseLost(gateway)
    held, total, silence = reply
    return Outcome(held, total, math.inf if silence == LAPSED else silence / 1000)
