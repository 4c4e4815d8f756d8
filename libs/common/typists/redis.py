"""
Typists on Redis.  See `typists.port.Typists`; `typists.lua` says which keys there are.

A channel's typists lie beside its members, in the partition of its feed, so that one script
decides and announces.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from libs.common.channels import Channel
from libs.common.leases.redis import SHARE, Forget
from libs.common.redis.commands import Word
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call, Script, milliseconds
from libs.common.redis.unreadable import readable
from libs.common.typists.port import USUAL, Report, Typing, TypingBounds

MOST_REPORTS = 256  # That one script handles, so that others need not wait long for the server.

_HERE = Path(__file__).parent
_TYPISTS = _HERE / "typists.lua"
REPORT = Script.joined(_TYPISTS, _HERE / "report.lua")
# Without memory left still runs what frees some.  Not so what ends all sources' word: it is
# remembered, also of users of whom nobody knew.
REPORT_STOPS = Script.joined(_TYPISTS, _HERE / "report.lua", flags="allow-oom")
END = Script.joined(_TYPISTS, _HERE / "end.lua", flags="allow-oom")
TYPING = Script.joined(_TYPISTS, _HERE / "typing.lua", flags="no-writes")

_KEYS = "typists.sources", "typists.told", "typists.ended", "roster.counts", "feed"

_Numbered = tuple[int, Report]


class RedisTypists:
    """
    Typists that all processes of a deployment share.  See `Typists`.

    The sweep of the leases that the same Redis keeps (`RedisLeases`) ends what is over.

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
        bounds: Of each channel.
        pubsub: How lists are announced.
    """

    due = "typists.due"

    def __init__(
        self,
        connection: RedisConnection,
        keys: Keys,
        bounds: TypingBounds = USUAL,
        *,
        pubsub: Pubsub = Pubsub.CLASSIC,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._pubsub = pubsub
        self._bounds = (
            bounds.typists,
            bounds.listed,
            milliseconds(bounds.pause),
            milliseconds(bounds.told_for),
            milliseconds(bounds.ended_for),
        )

    async def check(self) -> None:
        """See `Typists.check`."""
        await self._connection.check(self._keys.probes("typists"))

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        """See `Typists.report`."""
        groups = list(_grouped(reports))
        replies = await self._connection.ask_all([self._report(group) for group in groups])
        raise_first(replies)
        taken = {
            place: bool(reply)
            for group, each in zip(groups, replies, strict=True)
            for (place, _), reply in zip(group, each, strict=True)
        }
        return [taken[place] for place in range(len(reports))]

    def _report(self, group: Sequence[_Numbered]) -> Call:
        frees = all(report.lasts <= 0 and not report.everywhere for _, report in group)
        script = REPORT_STOPS if frees else REPORT
        words = [word for _, report in group for word in _words(report)]
        return self._call(script, group[0][1].channel, *words)

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        """See `Typists.typing`."""
        replies = await self._connection.ask_all(
            [self._call(TYPING, channel) for channel in channels]
        )
        raise_first(replies)
        return [_typing(*reply) for reply in replies]

    def end(self, names: Sequence[bytes], forget: Forget) -> list[Call]:
        """See `RedisTerms.end`.  Nothing is counted, unless there may be more to look at."""
        counted = int(len(names) >= SHARE)
        channels, others = readable("entry", _channel, names)
        calls = [self._call(END, channel, counted) for channel in channels]
        return [*calls, *map(forget, others)]

    def _call(self, script: Script, channel: Channel, *args: Word) -> Call:
        *keys, feed = self._keys.several(_KEYS, channel)
        keys.append(self._keys.partition(self.due, self._keys.index(channel)))
        name = f"{channel.app}/{channel.name}"
        return script.announcing(self._pubsub).call(keys, name, feed, *self._bounds, *args)


def _grouped(reports: Sequence[Report]) -> Iterator[Sequence[_Numbered]]:
    """Put together what one script handles: reports of a channel, in order, with their places."""
    groups: dict[Channel, list[_Numbered]] = {}
    for place, report in enumerate(reports):
        groups.setdefault(report.channel, []).append((place, report))
    for group in groups.values():
        for start in range(0, len(group), MOST_REPORTS):
            yield group[start : start + MOST_REPORTS]


def _words(report: Report) -> tuple[Word, ...]:
    lasts, age = (milliseconds(max(each, 0.0)) for each in (report.lasts, report.age))
    return report.source, report.user_id, lasts, int(report.everywhere), age


def _channel(name: bytes) -> Channel:
    """Read the name of a channel as `RedisTypists` writes it."""
    app, _, channel = name.decode().rpartition("/")
    return Channel(app, channel)


def _typing(count: int, ids: Sequence[bytes] | None, was_told: Any) -> Typing:
    user_ids = None if ids is None else tuple(readable("entry", bytes.decode, ids)[0])
    return Typing(count, user_ids, bool(was_told))
