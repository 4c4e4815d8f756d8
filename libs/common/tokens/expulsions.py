"""
Who was taken out of which channels, and until when a permission from before is refused.

Pure.  Instants are UTC epoch seconds.  Pusher's permissions have no end, so whoever kept one could
use it again; those that auth gives say when they were given, and an older one than the expulsion
opens nothing.

Memory is bounded (`denials`), and nothing that is in force is ever forgotten: what is remembered
becomes coarser instead, and then refuses more than was asked, never less.  That happens in two
steps.

1. A user was taken out of more than `MOST_OF_USER` channels: every permission of this user, for any
   channel, is refused if it was given no later than the newest of these expulsions.
2. There are more than `MOST` expulsions in all: the same holds for every user of the app that has
   most of them.

Both last until the last of the expulsions expires that they stand for.  A client gets in again with
a new permission, and nobody who is subscribed is sent away because something became coarser.

An example of the first step, with ``of_user=2``.  Ann is taken out of ``a`` at 10 and of ``b`` at
20, each remembered until 100: her permission for ``a`` of 15 is good, and one for ``a`` of 9 is
refused.  At 30 she is taken out of ``c``, until 90.  These are three, so one entry stands for them:
any channel, given until 30, refused until 100.  Her permission for ``a`` of 15 is refused now, and
so is one for ``d``; one of 31 is good.  An example of the second, with ``most=2``: the app has Ann
out of ``a`` at 10 and of ``b`` at 20, and Bob out of ``a`` at 40.  Every permission of the app that
was given until 40 is refused, also that of Cy who was never taken out of anything.
"""

from dataclasses import dataclass, field, replace

from libs.common.control.commands import Command
from libs.common.denials import Denial, Denials, in_force, widest
from libs.common.errors import Forbidden
from libs.common.globs import Globs

EXPEL = "expel"
MOST = 100_000  # Channels that users were taken out of, of all apps together, about 50 MB.
MOST_OF_USER = 256  # Of these, those of one user: each of its requests is compared with all.

_ANY = "*"  # The pattern that every channel fits.


class Expelled(Forbidden):
    """The permission was given before its user was taken out of the channel."""

    def __init__(self) -> None:
        super().__init__("you may not join this channel any more")


@dataclass(frozen=True, slots=True)
class Expulsion:
    """
    Channels that a user was taken out of, and when.

    Attributes:
        channels: Names and patterns of the channels; no others, whatever became coarser.
        issued_at: When the user was taken out of them.
        expires_at: Until when it is remembered.
        folded: The app whose expulsions became one when this was noted, for the log; empty: none
            did.
    """

    channels: Globs
    issued_at: float
    expires_at: float
    folded: str = ""

    def covers(self, channel: str, given_at: float) -> bool:
        """Tell whether a permission for a channel is older, and meant."""
        return given_at <= self.issued_at and self.channels.fits(channel)


@dataclass(slots=True)
class _App:
    """The expulsions of one app: of each user by names and patterns of channels."""

    users: dict[str, dict[str, Denial]] = field(default_factory=dict)
    everybody: Denial | None = None
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def note(self, command: Command, now: float, *, most: int) -> None:
        """Take a user out of channels; commands may come in any sequence, the wider counts."""
        until = Denial(command.issued_at, command.expires_at)
        before = self.users.get(command.subject, {})
        coarser = self.everybody, before.get(_ANY)
        if any(each is not None and each.stands_for(until) for each in coarser):
            return
        known = in_force(before, now)
        for name in command.channels:
            known[name] = widest((until, known.get(name, until)))
        if len(known) > most:
            known = {_ANY: widest(known.values())}
        self.users[command.subject] = known
        self.count += len(known) - len(before)

    def refuses(self, user: str, channel: str, *, given_at: float, now: float) -> bool:
        """Tell whether a permission is older than an expulsion."""
        if self.everybody is not None and self.everybody.covers(given_at, now):
            return True
        return any(
            until.covers(given_at, now) and Globs((name,)).fits(channel)
            for name, until in self.users.get(user, {}).items()
        )

    def tidy(self, now: float) -> bool:
        """See `AppDenials.tidy`."""
        kept = {user: in_force(known, now) for user, known in self.users.items()}
        self.users = {user: known for user, known in kept.items() if known}
        self.count = sum(map(len, self.users.values()))
        if self.everybody is not None and self.everybody.expires_at <= now:
            self.everybody = None
        return bool(self.users or self.everybody)

    def fold(self, now: float) -> None:  # noqa: ARG002 - the protocol's
        """See `AppDenials.fold`."""
        every = [until for known in self.users.values() for until in known.values()]
        self.everybody = widest([*every, *([self.everybody] if self.everybody else [])])
        self.users, self.count = {}, 0


class Expulsions:
    """
    What one process knows of expulsions; forgotten when the commands expire.

    Args:
        most: Channels that users were taken out of, in all apps together, before those of one app
            become one.
        of_user: Channels that one user was taken out of, before these become one.
    """

    def __init__(self, most: int = MOST, *, of_user: int = MOST_OF_USER) -> None:
        self._of_user = of_user
        self._apps = Denials(_App, most)

    def __len__(self) -> int:
        return len(self._apps)

    def add(self, command: Command, now: float) -> Expulsion:
        """
        Know of a command to expel; it may come twice, and a later one includes an earlier alike.

        Args:
            command: As control tells it.
            now: UTC epoch seconds.

        Returns:
            What it ends: subscriptions of its own user to its own channels.
        """
        made = Expulsion(Globs(command.channels), command.issued_at, command.expires_at)
        if command.expires_at <= now or not command.channels:
            return made
        folded = self._apps.add(
            command.app, lambda app: app.note(command, now, most=self._of_user), now=now
        )
        return replace(made, folded=folded)

    def check(self, app: str, user: str, channel: str, *, given_at: float, now: float) -> None:
        """
        Let a permission pass that is not too old.

        Raises:
            Expelled: The permission is older than an expulsion that covers it.
        """
        known = self._apps.of(app)
        if known is not None and known.refuses(user, channel, given_at=given_at, now=now):
            raise Expelled
