"""The typists of a single process: the reference implementation of `typists.port.Typists`."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases, due
from libs.common.typists.port import USUAL, Report, Typing, TypingBounds

_Source = tuple[str, str]  # Who says so, and of which user.


class _Telling(NamedTuple):
    """What was announced last, until when that is known, and if it was another list since then."""

    typed: Typed
    at: float
    until: float
    is_changed: bool = False


class _Ends:
    """
    When users' typing was ended everywhere, in each channel.

    Args:
        bounds: Of how many users that is known, and for how long.
    """

    def __init__(self, bounds: TypingBounds) -> None:
        self._bounds = bounds
        self._ends: dict[Channel, dict[str, float]] = {}
        self._noted: dict[Channel, float] = {}  # When the last was; the oldest comes first.

    def note(self, report: Report, now: float) -> None:
        """Know that a report ends a user's typing everywhere."""
        ends, said_at = self._ends.setdefault(report.channel, {}), now - report.age
        ends[report.user_id] = max(said_at, ends.get(report.user_id, said_at))
        if len(ends) > self._bounds.typists:
            del ends[min(ends, key=lambda user_id: ends[user_id])]
        self._noted.pop(report.channel, None)
        self._noted[report.channel] = now

    def came_since(self, report: Report, now: float) -> bool:
        """Tell whether the end came after the user said what is reported."""
        ended_at = self._ends.get(report.channel, {}).get(report.user_id, -math.inf)
        return now - report.age < ended_at

    def forget(self, now: float) -> None:
        """Forget what is too long ago."""
        while self._noted and next(iter(self._noted.values())) <= now - self._bounds.ended_for:
            channel = next(iter(self._noted))
            del self._noted[channel], self._ends[channel]


class MemoryTypists:
    """
    Typists for one process.  See `Typists`.

    Args:
        announce: Puts who types on the bus.
        leases: Whose sweep ends what is over, by the clock of these leases.
        members: Tells how many members a presence channel has.
        bounds: Of each channel.
    """

    SWEEP_LIMIT = 1000  # Channels that one sweep looks at.

    def __init__(
        self,
        announce: Callable[[Typed], None],
        leases: MemoryLeases,
        members: Callable[[Channel], int],
        *,
        bounds: TypingBounds = USUAL,
    ) -> None:
        self._announce = announce
        self._clock = leases.clock
        self._members = members
        self._bounds = bounds
        self._sources: dict[Channel, dict[_Source, float]] = {}  # To when it is over.
        self._told: dict[Channel, _Telling] = {}  # That to be forgotten first comes first.
        self._due: dict[Channel, float] = {}  # When a channel must be looked at.
        self._ends = _Ends(bounds)
        leases.keep(self)

    async def check(self) -> None:
        """See `Typists.check`: it is this process."""

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        """See `Typists.report`."""
        were_typists = {one.channel: bool(self._sources.get(one.channel)) for one in reports}
        taken, changed = [], set[Channel]()
        for report in reports:
            is_taken, is_changed = self._take(report)
            taken.append(is_taken)
            if is_changed:
                changed.add(report.channel)
        for channel, were in were_typists.items():
            if channel in changed:
                self._settle(channel, were_typists=were)
        return taken

    def _take(self, report: Report) -> tuple[bool, bool]:
        """Tell whether the report is taken, and whether it changes anything."""
        sources, now = self._sources.get(report.channel, {}), self._clock()
        is_late = report.lasts > 0 and self._ends.came_since(report, now)
        if report.lasts > 0 and not is_late:
            return self._go_on(report, sources, now)
        is_everywhere = report.everywhere and not is_late
        if is_everywhere:
            self._ends.note(report, now)
        # A source whose last word was said before all was ended has none any more.
        ended = _stop(report, sources, is_everywhere=is_everywhere)
        has_ended = min(ended, default=math.inf) <= now
        return not is_late, bool(ended) and self._change(report.channel, has_ended=has_ended)

    def _go_on(
        self, report: Report, sources: dict[_Source, float], now: float
    ) -> tuple[bool, bool]:
        channel, source, is_changed = report.channel, (report.source, report.user_id), False
        former = sources.get(source)
        if former is None and len(sources) >= self._bounds.typists:
            if not _drop_ended(sources, now):
                return False, False
            is_changed = self._change(channel, has_ended=True)
        has_ended = min(sources.values(), default=math.inf) <= now
        over_at = sources[source] = now + report.lasts
        self._sources[channel] = sources
        if former is None or former <= now:
            is_changed = self._change(channel, has_ended=has_ended)
        elif over_at < former:
            self._due[channel] = min(over_at, self._due.get(channel, over_at))
        return True, is_changed

    def _change(self, channel: Channel, *, has_ended: bool = False) -> bool:
        """
        Remember, if need be, that the list was another; say that it is.

        What must wait may be undone meanwhile, and what has ended unannounced may be: who reads in
        between must hear of that.
        """
        told = self._telling(channel)
        if told is not None and (has_ended or self._is_held(told)):
            self._told[channel] = told._replace(is_changed=True)
        return True

    def _is_held(self, told: _Telling) -> bool:
        return self._clock() < told.at + self._bounds.pause

    def _settle(self, channel: Channel, *, were_typists: bool) -> None:
        """Announce who types now, or as soon as may be."""
        told, sources = self._telling(channel), self._sources.get(channel, {})
        if told is not None and self._is_held(told):
            self._due[channel] = told.at + self._bounds.pause
        else:
            _drop_ended(sources, self._clock())
            self._tell(channel, told, were_typists=were_typists)
            self._look_again(channel, sources)
        if not sources:
            self._sources.pop(channel, None)

    def _look_again(self, channel: Channel, sources: dict[_Source, float]) -> None:
        if sources:
            self._due[channel] = min(sources.values())
        else:
            self._due.pop(channel, None)

    def _tell(self, channel: Channel, told: _Telling | None, *, were_typists: bool) -> None:
        """
        Announce who types, if anything changed since the last time.

        Where nothing is known of that, somebody may have been told of typists if there were any.
        """
        now, typed = self._clock(), Typed(channel, *self._typing(channel))
        is_known = told is not None and told.typed == typed and not told.is_changed
        is_news = not is_known and (told is not None or were_typists or typed.count > 0)
        if is_news:
            self._announce(typed)
        if is_news or typed.count > 0:
            at = told.at if told is not None and is_known else now
            self._told.pop(channel, None)
            self._told[channel] = _Telling(typed, at, now + self._bounds.told_for)

    def _telling(self, channel: Channel) -> _Telling | None:
        told = self._told.get(channel)
        return told if told is not None and self._clock() < told.until else None

    def _typing(self, channel: Channel) -> tuple[int, tuple[str, ...] | None]:
        now, listed = self._clock(), self._bounds.listed
        sources = self._sources.get(channel, {})
        users = {user for (_, user), over_at in sources.items() if over_at > now}
        if len(users) > listed or self._members(channel) > listed:
            return len(users), None
        return len(users), tuple(sorted(users, key=str.encode))

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        """See `Typists.typing`."""
        return [
            Typing(*self._typing(channel), was_told=self._telling(channel) is not None)
            for channel in channels
        ]

    def clear(self, gateways: Sequence[str]) -> int:  # noqa: ARG002 - the port's
        """See `MemoryHoldings.clear`; 0, unless there may be more to look at."""
        now = self._clock()
        self._ends.forget(now)
        while self._told and next(iter(self._told.values())).until <= now:
            del self._told[next(iter(self._told))]
        channels = due(self._due, now)
        for channel in channels[: self.SWEEP_LIMIT]:
            self._settle(channel, were_typists=True)
        return int(len(channels) > self.SWEEP_LIMIT)


def _stop(report: Report, sources: dict[_Source, float], *, is_everywhere: bool) -> list[float]:
    """Tell until when those would have typed who have stopped."""
    stopped = [
        (source, user)
        for source, user in sources
        if user == report.user_id and (is_everywhere or source == report.source)
    ]
    return [sources.pop(source) for source in stopped]


def _drop_ended(sources: dict[_Source, float], now: float) -> bool:
    """Tell whether anybody's time was over."""
    ended = due(sources, now)
    for source in ended:
        del sources[source]
    return bool(ended)
