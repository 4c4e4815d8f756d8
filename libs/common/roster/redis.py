"""
The roster on Redis.  See `roster.Roster`; `roster.lua` says which keys there are.

Each partition of the channels is a roster of its own, leases and all, so that every decision is one script
on one server: a gateway renews as many leases as there are partitions, in one pipeline.  Where part of a
cluster is away, the rest goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.node import Word
from libs.common.redis.scripts import Call, Script
from libs.common.roster.port import (
    JoinAnswer,
    JoinRequest,
    LeaseLost,
    Members,
    Seat,
    TooManyMembers,
)
from libs.common.tally import redis as tally_redis

MOST_SEATS = 256  # Seats that one script handles, so that others need not wait long for the server.
REFUSED = -1  # The reply of ``roster_renew.lua`` to a gateway that was cleared.
SHARE = 64  # Gateways of a partition that one sweep handles, and seats and counts of each.

_HERE = Path(__file__).parent
# Without memory left still runs what may free some, and what keeps the gateways' leases.
JOIN = Script.joined(_HERE / "seats.lua", _HERE / "join.lua")
LEAVE = Script.joined(_HERE / "seats.lua", _HERE / "leave.lua", flags="allow-oom")
CLEAR = Script.joined(_HERE / "seats.lua", _HERE / "clear.lua", flags="allow-oom")
MEMBERS = Script.joined(_HERE / "seats.lua", _HERE / "members.lua", flags="no-writes")
SWEEP = Script.joined(_HERE / "sweep.lua", flags="allow-oom")
RENEW = Script.joined(_HERE / "renew.lua", flags="allow-oom")
RELEASE = Script.joined(_HERE / "release.lua", flags="allow-oom")

_Item = TypeVar("_Item")


class _Bench(NamedTuple):
    """What one script about seats works on."""

    channel: Channel
    gateway: str


class _Ended(NamedTuple):
    """A gateway that is cleared, in a partition where it may still hold seats or be counted."""

    partition: int
    gateway: str


class RedisRoster:
    """
    A roster that all processes of a deployment share.  See `Roster`.

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's.
    """

    def __init__(self, connection: RedisConnection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

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
                self._call(LEAVE, bench, _milliseconds(grace), *(seat.socket_id for seat in group))
                for bench, group in _grouped(seats, lambda seat: seat)
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

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """See `Roster.renew`."""
        replies = await self._everywhere(
            RENEW, ("leases", "lapsed", "cleared", "renewed"), gateway, _milliseconds(ttl)
        )
        if REFUSED in replies:
            raise LeaseLost(gateway)
        raise_first(replies)
        return all(replies)

    async def release(self, gateway: str) -> None:
        """See `Roster.release`."""
        raise_first(await self._everywhere(RELEASE, ("leases", "lapsed", "renewed"), gateway))

    async def sweep(self, *, grace: float) -> int:
        """See `Roster.sweep`."""
        judged = await self._everywhere(
            SWEEP,
            ("leases", "lapsed", "cleared", "leaving", "renewed"),
            _milliseconds(grace),
            SHARE,
        )
        reports = [(place, reply) for place, reply in enumerate(judged) if _is_answer(reply)]
        due = [_seat(text) for _, (_, seats) in reports for text in seats]
        ended = [_Ended(place, text.decode()) for place, (names, _) in reports for text in names]
        seated, counted = await self._holdings(ended)
        due += [_seat(text) for reply in seated if _is_answer(reply) for text in reply]
        done = [
            gateway
            for gateway, seats, counts in zip(ended, seated, counted, strict=True)
            if seats == counts == []
        ]
        calls = [*self._clear(due), *self._clear_counts(ended, counted)]
        cleared = await self._connection.ask_all([*calls, *map(self._settle, done)])
        raise_first([*judged, *seated, *counted, *cleared])
        return sum(cleared[: len(calls)])

    async def _holdings(self, ended: Sequence[_Ended]) -> tuple[list[Any], list[Any]]:
        """Read the seats that each gateway holds and the subjects that it has some of, its share of each."""
        counts = [
            tally_redis.held_by(self._keys, each.gateway, partition=each.partition, most=SHARE)
            for each in ended
        ]
        replies = await self._connection.ask_all([*map(self._held_by, ended), *counts])
        return replies[: len(ended)], replies[len(ended) :]

    def _held_by(self, ended: _Ended) -> Call:
        key = self._keys.partition(f"roster.held:{ended.gateway}", ended.partition)
        return Call(key, ("SRANDMEMBER", key, SHARE))

    def _clear(self, seats: Iterable[Seat]) -> list[Call]:
        return [
            self._call(CLEAR, bench, *(seat.socket_id for seat in group))
            for bench, group in _grouped(dict.fromkeys(seats), lambda seat: seat)
        ]

    def _clear_counts(self, ended: Iterable[_Ended], counted: Iterable[Any]) -> list[Call]:
        return [
            call
            for each, reply in zip(ended, counted, strict=True)
            if _is_answer(reply)
            for call in tally_redis.clear(self._keys, each.gateway, reply)
        ]

    def _settle(self, ended: _Ended) -> Call:
        """Strike out a gateway that has neither seats nor counts, and gets none, as it is refused."""
        key = self._keys.partition("roster.lapsed", ended.partition)
        return Call(key, ("ZREM", key, ended.gateway))

    def _call(self, script: Script, bench: _Bench, *args: Word) -> Call:
        partition = self._keys.index(bench.channel)
        shared = ("leaving", f"held:{bench.gateway}", "cleared", "leases")
        keys = [
            *self._channel_keys(bench.channel),
            *(self._keys.partition(f"roster.{kind}", partition) for kind in shared),
        ]
        feed = self._keys.of("feed", bench.channel)
        return script.call(keys, _name(bench.channel), feed, bench.gateway, *args)

    def _channel_keys(self, channel: Channel) -> list[str]:
        kinds = ("seats", "counts", "infos", "version")
        return [self._keys.of(f"roster.{kind}", channel) for kind in kinds]

    async def _everywhere(self, script: Script, kinds: Sequence[str], *args: Word) -> list[Any]:
        """Run a script in every partition; errors are among the replies."""
        calls = []
        for partition in range(len(self._keys.tags)):
            keys = [self._keys.partition(f"roster.{kind}", partition) for kind in kinds]
            calls.append(script.call(keys, *args))
        return await self._connection.ask_all(calls)

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
    texts = [text.decode() for text in infos]
    return Members(int(version), dict(zip(texts[::2], texts[1::2], strict=True)))


def _name(channel: Channel) -> str:
    return f"{channel.app}/{channel.name}"


def _seat(text: bytes) -> Seat:
    """Read a seat as the scripts write it."""
    gateway, socket_id, channel = text.decode().split(" ", 2)
    app, _, name = channel.rpartition("/")
    return Seat(Channel(app, name), socket_id, gateway)


def _milliseconds(seconds: float) -> int:
    return ceil(seconds * 1000)  # A short grace must not become none.


def _is_answer(reply: Any) -> bool:
    return not isinstance(reply, Exception)
