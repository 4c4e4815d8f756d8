"""
Expulsions: who was taken out of which channels, and until when a permission from before is refused.

Pure.  Instants are UTC epoch seconds.  Pusher's permissions have no end, so whoever kept one could use it again;
those that auth gives say when they were given, and an older one than the expulsion opens nothing.
"""

from dataclasses import dataclass

from libs.common.errors import Forbidden
from libs.common.globs import Globs
from libs.common.orders import Order

EXPEL = "expel"
TIDY_FROM = 1024  # Users below whom none is looked through for what has expired.

User = tuple[str, str]  # App id and user id.


class Expelled(Forbidden):
    """The permission was given before its user was taken out of the channel."""

    def __init__(self) -> None:
        super().__init__("you may not join this channel any more")


@dataclass(frozen=True, slots=True)
class Expulsion:
    """Channels that a user was taken out of, and when."""

    channels: Globs
    issued_at: float
    expires_at: float

    def covers(self, channel: str, given_at: float) -> bool:
        """Tell whether a permission for a channel is older, and meant."""
        return given_at <= self.issued_at and self.channels.fits(channel)


class Expulsions:
    """What one gateway knows of expulsions; forgotten when the orders expire."""

    def __init__(self) -> None:
        self._by_user: dict[User, dict[tuple[str, ...], Expulsion]] = {}
        self._tidy_at = TIDY_FROM

    def add(self, order: Order, now: float) -> Expulsion:
        """Know of an order to expel; the same may come again, and a later one stands for an earlier alike."""
        self._tidy(now)
        known = _in_force(self._by_user.pop((order.app, order.subject), {}), now)
        made = Expulsion(Globs(order.channels), order.issued_at, order.expires_at)
        other = known.get(order.channels, made)
        known[order.channels] = Expulsion(
            made.channels,
            max(made.issued_at, other.issued_at),
            max(made.expires_at, other.expires_at),
        )
        self._by_user[order.app, order.subject] = known
        return made

    def check(self, app: str, user: str, channel: str, *, given_at: float, now: float) -> None:
        """
        Let a permission pass that is not too old.

        Raises:
            Expelled: It is.
        """
        for each in self._by_user.get((app, user), {}).values():
            if now < each.expires_at and each.covers(channel, given_at):
                raise Expelled

    def _tidy(self, now: float) -> None:
        if len(self._by_user) < self._tidy_at:
            return
        kept = {user: _in_force(known, now) for user, known in self._by_user.items()}
        self._by_user = {user: known for user, known in kept.items() if known}
        self._tidy_at = max(TIDY_FROM, 2 * len(self._by_user))


def _in_force(
    known: dict[tuple[str, ...], Expulsion], now: float
) -> dict[tuple[str, ...], Expulsion]:
    return {channels: each for channels, each in known.items() if now < each.expires_at}
