"""
Denials: what is refused before its time, for as long as it could be used, in bounded memory.

Pure.  Instants are UTC epoch seconds.  A denial means what was given until an instant, and is
forgotten when nothing of that can be good any more.  Nothing that is in force is ever forgotten:
when there are too many denials, those of the app that has most are folded into one, which refuses
more than was asked, and never less, of the app that asked for so much.

`tokens.revocations` keeps revoked tokens so, and `tokens.expulsions` the users who were taken out
of channels; each says of one app what it remembers and how that folds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

TIDY_FROM = 1024  # Denials below which none is looked through for what has expired.


@dataclass(frozen=True, slots=True)
class Denial:
    """
    What was given until an instant is refused until another.

    Attributes:
        issued_at: Until when it was given.
        expires_at: Until when it is refused.
    """

    issued_at: float
    expires_at: float

    def covers(self, given_at: float, now: float) -> bool:
        """Tell whether what was given at an instant is refused."""
        return given_at <= self.issued_at and now < self.expires_at

    def stands_for(self, other: "Denial") -> bool:
        """Tell whether whatever another denial refuses is refused."""
        return other.issued_at <= self.issued_at and other.expires_at <= self.expires_at


def widest(several: Iterable[Denial]) -> Denial:
    """Refuse what any of them refuses; there must be one."""
    known = tuple(several)
    return Denial(max(each.issued_at for each in known), max(each.expires_at for each in known))


def in_force(known: Mapping[str, Denial], now: float) -> dict[str, Denial]:
    """Leave out what has expired."""
    return {name: denial for name, denial in known.items() if now < denial.expires_at}


class AppDenials(Protocol):
    """The denials of one app."""

    def __len__(self) -> int:
        """Tell how many there are, but for those that were folded."""

    def tidy(self, now: float) -> bool:
        """Forget what has expired, and tell whether something is left, folded or not."""

    def fold(self, now: float) -> None:
        """Let one denial stand for all: whatever one of them refuses is refused for as long."""


_App = TypeVar("_App", bound=AppDenials)


class Denials(Generic[_App]):
    """
    The denials of all apps.

    Args:
        none: Makes the denials of an app that has none.
        most: Denials of all apps together, before those of one are folded.
    """

    def __init__(self, none: Callable[[], _App], most: int) -> None:
        self._none = none
        self._most = most
        self._apps: dict[str, _App] = {}
        self._count = 0
        self._tidy_at = TIDY_FROM

    def __len__(self) -> int:
        return self._count

    def of(self, app: str) -> _App | None:
        """Return the denials of an app; None: it has none."""
        return self._apps.get(app)

    def add(self, app: str, note: Callable[[_App], None], *, now: float) -> str:
        """
        Remember something of an app, and stay within bounds.

        Args:
            app: The app's id.
            note: Adds to the denials of the app.
            now: The present instant.

        Returns:
            The id of the app whose denials were folded, for the operator to hear; empty: none.
        """
        denials = self._apps.setdefault(app, self._none())
        before = len(denials)
        note(denials)
        self._count += len(denials) - before
        return self._bounded(now)

    def _bounded(self, now: float) -> str:
        """Forget what has expired, now and then and before anything is folded."""
        if self._count < min(self._tidy_at, self._most + 1):
            return ""
        self._apps = {app: denials for app, denials in self._apps.items() if denials.tidy(now)}
        self._count = sum(map(len, self._apps.values()))
        self._tidy_at = max(TIDY_FROM, 2 * self._count)
        return self._folded(now) if self._count > self._most else ""

    def _folded(self, now: float) -> str:
        app = max(self._apps, key=lambda name: len(self._apps[name]))
        self._count -= len(self._apps[app])
        self._apps[app].fold(now)
        return app
