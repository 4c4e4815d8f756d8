"""
The roster on Redis.  See `roster.port.Roster`; `seats.lua` says which keys there are.

Each partition of the channels is a roster of its own, beside leases of its own (`leases.redis`), so
that every decision is one script on one server.  Where part of a cluster is away, the rest goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from libs.common.channels import Channel, online_user
from libs.common.errors import Unavailable
from libs.common.json_text import JsonReader
from libs.common.leases.port import LeaseLost
from libs.common.leases.redis import Ended, Forget, Search, forgets
from libs.common.lifecycle.facts import Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Wanted, nobody
from libs.common.lifecycle.redis import FACTS, letters, names
from libs.common.redis.commands import Word
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call, Script, milliseconds
from libs.common.redis.unreadable import readable
from libs.common.roster.port import (
    JoinAnswer,
    JoinRequest,
    Members,
    Seat,
    Seated,
    TooManyMembers,
)

MOST_SEATS = 256  # Seats that one script handles, so that others need not wait long for the server.

_HERE = Path(__file__).parent
# Without memory left still runs what may free some.
_SEATS = (FACTS, _HERE / "seats.lua")
JOIN = Script.joined(*_SEATS, _HERE / "join.lua")
LEAVE = Script.joined(*_SEATS, _HERE / "leave.lua", flags="allow-oom")
DESCRIBE = Script.joined(*_SEATS, _HERE / "describe.lua")
CLEAR = Script.joined(*_SEATS, _HERE / "clear.lua", flags="allow-oom")
MEMBERS = Script.joined(*_SEATS, _HERE / "members.lua", flags="no-writes")
SEATED = Script.joined(_HERE / "seated.lua", flags="no-writes")

# What goes to clients as it is must be JSON; most is looked at together.
_read_together = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_alone = JsonReader(msgspec.Raw).read

_Item = TypeVar("_Item")


class _Bench(NamedTuple):
    """What one script about seats works on."""

    channel: Channel
    gateway: str


class RedisRoster:
    """
    A roster that all processes of a deployment share.  See `Roster`.

    Its seats are holdings of the leases that the same Redis keeps (`RedisLeases`).

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
        wanted: Which facts are recorded of what it decides.
        bounds: How many of them are kept.
        pubsub: How transitions are announced.
    """

    due = "roster.leaving"

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

    async def check(self) -> None:
        """See `Roster.check`."""
        await self._connection.check(self._keys.probes("roster"))

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """See `Roster.join`."""
        groups = list(_grouped(enumerate(requests), lambda item: item[1].seat))
        calls = [
            self._call(JOIN, bench, *(word for _, request in group for word in _words(request)))
            for bench, group in groups
        ]
        replies = await self._connection.ask_all(calls)
        answers: dict[int, JoinAnswer] = {}
        for (bench, group), reply in zip(groups, replies, strict=True):
            given = _answers(bench, [request for _, request in group], reply)
            answers.update(zip((place for place, _ in group), given, strict=True))
        return [answers[place] for place in range(len(requests))]

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """See `Roster.leave`."""
        await self._perform(
            [
                self._call(LEAVE, bench, milliseconds(grace), *(seat.socket_id for seat in group))
                for bench, group in _grouped(seats, lambda seat: seat)
            ]
        )

    async def describe(self, requests: Sequence[JoinRequest]) -> None:
        """See `Roster.describe`."""
        await self._perform(
            [
                self._call(DESCRIBE, bench, *(word for each in group for word in _words(each)[:3]))
                for bench, group in _grouped(requests, lambda request: request.seat)
            ]
        )

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """See `Roster.members`."""
        replies = await self._perform(
            [MEMBERS.call(self._channel_keys(channel), _name(channel)) for channel in channels]
        )
        return [_members(*reply) for reply in replies]

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """See `Roster.sizes`."""
        keys = [self._keys.of("roster.counts", channel) for channel in channels]
        return await self._perform([Call(key, ("HLEN", key)) for key in keys])

    async def seated(self, channels: Sequence[Channel]) -> list[Seated]:
        """See `Roster.seated`."""
        kinds = ("since", "seats", "infos")
        calls = [
            SEATED.call([self._keys.of(f"roster.{kind}", channel) for kind in kinds])
            for channel in channels
        ]
        return [_seated(*reply) for reply in await self._perform(calls)]

    async def online(self, app: str, *, prefix: str, after: str, limit: int) -> list[str]:
        """See `Roster.online`."""
        start = b"(" + after.encode() if after >= prefix and after else b"[" + prefix.encode()
        end = b"(" + prefix.encode() + b"\xff"  # Which no name has, as all are UTF-8.
        partitions = range(len(self._keys.tags))
        keys = [self._keys.partition(f"roster.online:{app}", index) for index in partitions]
        replies = await self._perform(
            [Call(key, ("ZRANGEBYLEX", key, start, end, "LIMIT", 0, limit)) for key in keys]
        )
        names = sorted(name for found in replies for name in found)
        return readable("entry", bytes.decode, names[:limit])[0]

    def end(self, seats: Sequence[bytes], forget: Forget, *, gateway: str = "") -> list[Call]:
        """See `RedisTerms.end`: seats whose grace is over, or all that a gateway had."""

        def read(text: bytes) -> Seat:
            seat = _seat(text)
            if gateway and seat.gateway != gateway:
                raise ValueError("a seat of another gateway")
            return seat

        known, others = readable("entry", read, seats)
        calls = [
            self._call(CLEAR, bench, *(seat.socket_id for seat in group))
            for bench, group in _grouped(known, lambda seat: seat)
        ]
        return [*calls, *map(forget, others)]

    def held_by(self, ended: Ended, *, most: int) -> Search:
        """See `RedisHoldings.held_by`."""
        key = self._keys.partition(f"roster.held:{ended.gateway}", ended.partition)
        clear = partial(self.end, forget=forgets("SREM", key), gateway=ended.gateway)
        return Search(Call(key, ("SRANDMEMBER", key, most)), clear)

    def _call(self, script: Script, bench: _Bench, *args: Word) -> Call:
        channel = bench.channel
        partition = self._keys.index(channel)
        shared = ("leaving", f"held:{bench.gateway}", "cleared", "leases")
        keys = [
            *self._channel_keys(channel),
            *(self._keys.partition(f"roster.{kind}", partition) for kind in shared),
            self._keys.of("roster.since", channel),
            *names(self._keys, Stream(channel.app, partition)),
            self._keys.partition(f"roster.online:{channel.app}", partition),
        ]
        feed, wanted = self._keys.of("feed", channel), letters(self._wanted, channel.app)
        about = channel.app, channel.name, online_user(channel), wanted
        words = _name(channel), feed, bench.gateway, *about, *self._bounds, *args
        return script.announcing(self._pubsub).call(keys, *words)

    def _channel_keys(self, channel: Channel) -> list[str]:
        kinds = ("seats", "counts", "infos", "version")
        return [self._keys.of(f"roster.{kind}", channel) for kind in kinds]

    async def _perform(self, calls: Sequence[Call]) -> list[Any]:
        replies = await self._connection.ask_all(calls)
        raise_first(replies)
        return replies


def _grouped(
    items: Iterable[_Item], seat_of: Callable[[_Item], Seat]
) -> Iterator[tuple[_Bench, list[_Item]]]:
    """Put together what one script handles, in order, and not too much of it."""
    groups: dict[_Bench, list[_Item]] = {}
    for item in items:
        seat = seat_of(item)
        groups.setdefault(_Bench(seat.channel, seat.gateway), []).append(item)
    for bench, group in groups.items():
        for start in range(0, len(group), MOST_SEATS):
            yield bench, group[start : start + MOST_SEATS]


def _words(request: JoinRequest) -> tuple[Word, ...]:
    return request.seat.socket_id, request.user_id, request.info, request.limit


def _answers(bench: _Bench, requests: Sequence[JoinRequest], reply: Any) -> list[JoinAnswer]:
    if isinstance(reply, Unavailable):
        return [reply] * len(requests)
    raise_first([reply])
    if not reply:
        return [LeaseLost(bench.gateway)] * len(requests)
    version, infos, refused = reply
    members = _members(version, infos)
    return [
        TooManyMembers(request.limit) if is_refused else members
        for request, is_refused in zip(requests, refused, strict=True)
    ]


def _members(version: bytes, infos: Sequence[bytes]) -> Members:
    return Members(_number(version), _infos(infos))


def _seated(since: bytes, connections: int, infos: Sequence[bytes]) -> Seated:
    return Seated(_number(since) / 1000, connections, _infos(infos))


def _infos(texts: Sequence[bytes]) -> dict[str, str]:
    """Read ids and what is known of each; whose cannot be read is left out."""
    ids, infos = texts[::2], texts[1::2]
    try:
        if len(_read_together(b"[%b]" % b",".join(infos))) == len(ids):
            names = [user_id.decode() for user_id in ids]
            return dict(zip(names, [info.decode() for info in infos], strict=True))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return dict(readable("entry", _pair, zip(ids, infos, strict=True))[0])


def _pair(texts: tuple[bytes, bytes]) -> tuple[str, str]:
    user_id, info = texts
    try:
        _read_alone(info)
    except msgspec.DecodeError as error:
        raise ValueError("user_info that is no JSON") from error
    return user_id.decode(), info.decode()


def _number(text: bytes) -> int:
    """Read a number; one that cannot be read is 0."""
    return sum(readable("entry", int, [text])[0])


def _name(channel: Channel) -> str:
    return f"{channel.app}/{channel.name}"


def _seat(text: bytes) -> Seat:
    """Read a seat as the scripts write it."""
    gateway, socket_id, channel = text.decode().split(" ", 2)
    app, slash, name = channel.rpartition("/")
    if not slash:
        raise ValueError("a seat without a channel")
    return Seat(Channel(app, name), socket_id, gateway)
