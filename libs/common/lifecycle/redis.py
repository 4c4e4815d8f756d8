"""
The streams on Redis: one of each app in each partition, beside the keys of the roster and tally.

See `lifecycle.port.Lifecycle`; ``facts.lua`` says which keys there are.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Fenced, Page, Wanted
from libs.common.redis.commands import Word
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call, Script, milliseconds
from libs.common.redis.unreadable import pass_over, readable

BACKEND = "roster"  # Whose Redis it is.
FACTS = Path(__file__).parent / "facts.lua"

# How scripts are told which kinds are wanted of what they decide.
LETTERS: Mapping[Kind, str] = {
    "member_added": "a",
    "member_removed": "r",
    "channel_occupied": "o",
    "channel_vacated": "v",
    "subscription_count": "c",
    "user_online": "n",
    "user_offline": "f",
}

_HERE = Path(__file__).parent
_RECORD = Script.joined(FACTS, _HERE / "record.lua")
# Without memory left still runs what may free some.
_ATTEND = Script.joined(_HERE / "attend.lua", flags="allow-oom")
_TAKE = Script.joined(_HERE / "take.lua", flags="allow-oom")
_RELEASE = Script.joined(_HERE / "release.lua", flags="allow-oom")
_READ = Script.joined(_HERE / "read.lua", flags="no-writes")
_ADVANCE = Script.joined(_HERE / "advance.lua", flags="allow-oom")
_SETTLE = Script.joined(_HERE / "settle.lua", flags="allow-oom")


class RedisLifecycle:
    """
    Streams that all processes of a deployment share.  See `Lifecycle`.

    Args:
        connection: To the Redis of the roster; the caller opens and closes it.
        keys: The deployment's names.
        bounds: How many facts are kept.
    """

    def __init__(self, connection: RedisConnection, keys: Keys, *, bounds: Bounds = BOUNDS) -> None:
        self._connection = connection
        self._keys = keys
        self._bounds = bounds
        self._living = keys.single("lifecycle.living")

    @property
    def partitions(self) -> int:
        """See `Lifecycle.partitions`."""
        return len(self._keys.tags)

    async def record(self, facts: Sequence[Fact]) -> None:
        """See `Lifecycle.record`."""
        by_stream: dict[Stream, list[Fact]] = {}
        for fact in facts:
            partition = self._keys.index((fact.app, fact.channel or fact.user))
            by_stream.setdefault(Stream(fact.app, partition), []).append(fact)
        calls = [
            _RECORD.call(names(self._keys, stream), *self._bounds, stream.app, *_words(some))
            for stream, some in by_stream.items()
        ]
        raise_first(await self._connection.ask_all(calls), backend=BACKEND)

    async def attend(self, owner: str, *, ttl: float) -> Collection[str]:
        """See `Lifecycle.attend`."""
        names = await self._connection.ask(_ATTEND.call([self._living], owner, milliseconds(ttl)))
        return readable("entry", bytes.decode, names)[0]

    async def leave(self, owner: str) -> None:
        """See `Lifecycle.leave`."""
        await self._connection.ask(Call(self._living, ("ZREM", self._living, owner)))

    async def take(
        self, owner: str, partitions: Collection[int], *, ttl: float
    ) -> Mapping[int, int]:
        """See `Lifecycle.take`."""
        wanted = list(partitions)
        calls = [_TAKE.call([self._owner(each)], owner, milliseconds(ttl)) for each in wanted]
        fences = await self._of_those_there(wanted, calls)
        return {partition: fence for partition, fence in fences.items() if fence}

    async def release(self, owner: str, partitions: Collection[int]) -> None:
        """See `Lifecycle.release`."""
        calls = [_RELEASE.call([self._owner(each)], owner) for each in partitions]
        raise_first(await self._connection.ask_all(calls), backend=BACKEND)

    async def heads(self, partitions: Collection[int]) -> Mapping[Stream, int]:
        """See `Lifecycle.heads`."""
        wanted = list(partitions)
        keys = [self._keys.partition("lifecycle.heads", each) for each in wanted]
        replies = await self._of_those_there(wanted, [Call(key, ("HGETALL", key)) for key in keys])
        heads: list[tuple[Stream, int]] = []
        for partition, fields in replies.items():
            pairs = [b" ".join(pair) for pair in zip(fields[::2], fields[1::2], strict=True)]
            heads += readable("entry", partial(_head, partition), pairs)[0]
        return dict(heads)

    async def read(
        self, stream: Stream, sink: str, *, limit: int, after: Recorded | None = None
    ) -> Page:
        """See `Lifecycle.read`."""
        keys = [*names(self._keys, stream), self._places(stream)]
        begun = (after.epoch, after.number) if after else ()
        call = _READ.call(keys, stream.app, sink, limit, *begun)
        epoch, had, entries, before = await self._connection.ask(call)
        records = [
            _record(stream, epoch.decode(), entry, after_gap=place < before)
            for place, entry in enumerate(entries)
        ]
        place = int(had)
        return Page.after(None if place < 0 else place, records)

    async def advance(self, record: Recorded, sink: str, *, fence: int) -> None:
        """See `Lifecycle.advance`."""
        stream = record.stream
        keys = [self._owner(stream.partition), self._places(stream)]
        call = _ADVANCE.call(keys, fence, sink, record.epoch, record.number)
        if not await self._connection.ask(call):
            raise Fenced(stream.partition)

    async def settle(self, stream: Stream, sinks: Collection[str], *, fence: int) -> None:
        """See `Lifecycle.settle`."""
        keys = [self._owner(stream.partition), *names(self._keys, stream), self._places(stream)]
        if not await self._connection.ask(_SETTLE.call(keys, fence, stream.app, *sinks)):
            raise Fenced(stream.partition)

    def _owner(self, partition: int) -> str:
        return self._keys.partition("lifecycle.owner", partition)

    def _places(self, stream: Stream) -> str:
        return self._keys.partition(f"lifecycle.places:{stream.app}", stream.partition)

    async def _of_those_there(
        self, partitions: Sequence[int], calls: Sequence[Call]
    ) -> dict[int, Any]:
        """Return the reply of each partition that answers; raise if none does."""
        replies = await self._connection.ask_all(calls)
        answered = {
            partition: reply
            for partition, reply in zip(partitions, replies, strict=True)
            if not isinstance(reply, Unavailable)
        }
        if not answered:
            raise_first(replies, backend=BACKEND)
        raise_first(answered.values(), backend=BACKEND)
        return answered


def names(keys: Keys, stream: Stream) -> list[str]:
    """Name the keys of a stream that every script which records needs, as ``facts.lua`` does."""
    app = stream.app
    kinds = f"facts:{app}", "heads", f"subjects:{app}", f"latest:{app}"
    return [keys.partition(f"lifecycle.{kind}", stream.partition) for kind in kinds]


def letters(wanted: Wanted, app: str) -> str:
    """Say which kinds somebody wants of an app, as scripts read it."""
    return "".join(letter for kind, letter in LETTERS.items() if wanted(app, kind))


def _words(facts: Iterable[Fact]) -> Iterable[Word]:
    """Write facts as ``record.lua`` reads them."""
    for fact in facts:
        fields: dict[str, Word] = {
            "kind": fact.kind,
            "channel": fact.channel,
            "user": fact.user,
            "event": fact.event,
            "data": fact.data,
            "socket_id": fact.socket_id,
            "count": fact.count,
        }
        words = [word for item in fields.items() if item[1] for word in item]
        yield len(words)
        yield from words


def _head(partition: int, text: bytes) -> tuple[Stream, int]:
    """Read the head of a stream, behind the name of its app."""
    app, _, number = text.decode().rsplit(" ", 2)
    return Stream(app, partition), int(number)


def _record(stream: Stream, epoch: str, entry: Any, *, after_gap: bool) -> Recorded:
    """Read an entry; one that cannot be read is of a kind that nobody wants, and has its place."""
    entry_id, texts = entry
    try:
        fact = _fact(stream.app, texts)
    except (ValueError, LookupError) as error:
        pass_over("fact", type(error).__name__, app=stream.app)
        # No kind that there is: readers pass over it, as over those that they do not know.
        fact = Fact(kind="unreadable", app=stream.app, at=time.time())  # type: ignore[arg-type]
    return Recorded(stream, int(entry_id.partition(b"-")[0]), epoch, fact, after_gap)


def _fact(app: str, texts: Sequence[bytes]) -> Fact:
    """Read a fact as ``facts.lua`` writes it."""
    fields = {
        name.decode(): value.decode() for name, value in zip(texts[::2], texts[1::2], strict=True)
    }
    return Fact(
        kind=fields["kind"],  # type: ignore[arg-type]  # Readers pass over kinds that they do not know.
        app=app,
        at=int(fields["at"]) / 1000,
        channel=fields.get("channel", ""),
        user=fields.get("user", ""),
        event=fields.get("event", ""),
        data=fields.get("data", ""),
        socket_id=fields.get("socket_id", ""),
        count=int(fields.get("count", 0)),
    )
