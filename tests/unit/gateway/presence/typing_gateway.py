"""A gateway where users type, and the typists that it reports to, in plain dicts."""

from collections.abc import Sequence

from libs.common.channels import Channel, ChannelUser
from libs.common.typists.port import Report
from services.gateway.presence.typing_users import DueReport, TypingUsers

TTL = 6.0
ROOM, OTHER = Channel("1", "presence-room"), Channel("1", "presence-other")
ANN, BOB = ChannelUser(ROOM, "ann"), ChannelUser(ROOM, "bob")


class Gateway:
    """
    A gateway whose reports arrive at once, unless the typists are away.

    Attributes:
        held: Until when the typists hold that a user types.
        ended: When what a user typed was ended everywhere, as far as they know.
        reports: What was reported, in order, with the instant.
    """

    def __init__(self, most: int = 100) -> None:
        self.users: TypingUsers[str] = TypingUsers(TTL, source="g1", most=most)
        self.now = 0.0
        self.is_away = False
        self.held: dict[ChannelUser, float] = {}
        self.ended: dict[ChannelUser, float] = {}
        self.reports: list[tuple[float, DueReport]] = []
        self._waiting: dict[ChannelUser, None] = {}

    def types(self, connection: str, typist: ChannelUser = ANN) -> None:
        self._put(self.users.types(connection, typist, now=self.now))

    def stops(self, connection: str, channel: Channel = ROOM) -> None:
        self._put(self.users.stops(connection, channel))

    def has_sent(self, typist: ChannelUser = ANN) -> None:
        self._put(self.users.has_sent(typist, now=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, and look at users when they are due."""
        until = self.now + seconds
        while (due := self.users.due) <= until:
            self.now = due
            self._put(self.users.look(due))
        self.now = until

    def back(self) -> None:
        self.is_away = False
        self._put([])

    def published(self, typist: ChannelUser = ANN) -> None:
        """Have a back end publish what a user has typed."""
        self._end(typist, self.now)

    def _end(self, typist: ChannelUser, at: float) -> None:
        self.held.pop(typist, None)
        self.ended[typist] = max(at, self.ended.get(typist, at))

    def typing(self) -> set[ChannelUser]:
        """Tell who types as far as the typists know."""
        return {typist for typist, until in self.held.items() if until > self.now}

    def said(self) -> list[tuple[float, str, float]]:
        """Tell when what was reported: that a user types for so long, or has stopped here."""
        return [
            (at, one.user_id, one.lasts)
            for at, each in self.reports
            for one in each.reports
            if not one.everywhere
        ]

    def _put(self, typists: Sequence[ChannelUser]) -> None:
        self._waiting.update(dict.fromkeys(typists))
        while self._waiting:
            typist = next(iter(self._waiting))
            report = self.users.take_report(typist, now=self.now)
            if report is not None and self.is_away:
                return
            del self._waiting[typist]
            if report is not None:
                self.reports.append((self.now, report))
                taken = [self._takes(typist, each) for each in report.reports]
                left = self.users.reported(report, is_taken=all(taken))
                self._waiting.update(dict.fromkeys(left))

    def _takes(self, typist: ChannelUser, report: Report) -> bool:
        said_at = self.now - report.age
        if report.everywhere:
            self._end(typist, said_at)
        elif report.lasts and said_at >= self.ended.get(typist, said_at):
            self.held[typist] = self.now + report.lasts
        else:
            self.held.pop(typist, None)
            return report.lasts == 0
        return True
