"""
Revocations: which channel tokens are refused before their time.

Pure.  Fed with control's orders, and asked about each token that is presented.  A token is known by its ``jti``, so no
text of one is ever kept; a user's revocation covers the tokens that were issued until then.  What has expired is
forgotten, since the tokens that it meant have expired too.

Memory is bounded, and nothing that is in force is ever forgotten: when there are too many revocations, those of the app
that has most become one, which covers all tokens of that app that were issued until then.  That refuses more than was
asked, of the app that asked for so much; its clients fetch new tokens.
"""

from dataclasses import dataclass, field

from libs.common.control.commands import Command
from libs.common.tokens.channel_tokens import LEEWAY, ChannelToken
from libs.common.tokens.key_ring import BadChannelToken

REVOKE = "revoke"
MOST = 100_000  # Revocations of all apps together, about 20 MB.
TIDY_FROM = 1024  # Revocations below which none is looked through for what has expired.


class RevokedToken(BadChannelToken):
    """A channel token was good, and has been revoked."""

    def __init__(self) -> None:
        super().__init__("the token has been revoked")


@dataclass(slots=True)
class _Until:
    """Tokens that were issued until an instant, for as long as they could be good; UTC epoch seconds."""

    issued_at: float
    expires_at: float

    def widen(self, issued_at: float, expires_at: float) -> None:
        """Cover what both cover."""
        self.issued_at = max(self.issued_at, issued_at)
        self.expires_at = max(self.expires_at, expires_at)

    def covers(self, token: ChannelToken, now: float) -> bool:
        """Tell whether a token is meant."""
        return token.issued_at <= self.issued_at and now < self.expires_at


@dataclass(slots=True)
class _Revoked:
    """The revocations of one app."""

    names: dict[str, float] = field(default_factory=dict)  # jti to expiry.
    users: dict[str, _Until] = field(default_factory=dict)
    everything: _Until | None = None

    def __len__(self) -> int:
        return len(self.names) + len(self.users)

    def tidy(self, now: float) -> bool:
        """Forget what has expired, and tell whether something is left."""
        self.names = {jti: at for jti, at in self.names.items() if now < at}
        self.users = {user: until for user, until in self.users.items() if now < until.expires_at}
        if self.everything is not None and self.everything.expires_at <= now:
            self.everything = None
        return bool(self.names or self.users or self.everything)

    def fold(self, now: float) -> None:
        """Let one revocation stand for all: tokens whose issuer's clock is ahead are among them."""
        instants = [*self.names.values(), *(until.expires_at for until in self.users.values())]
        covered = max([now, *(until.issued_at for until in self.users.values())]) + LEEWAY
        if self.everything is None:
            self.everything = _Until(covered, max(instants))
        self.everything.widen(covered, max(instants))
        self.names, self.users = {}, {}


class Revocations:
    """
    What one process knows of revocations.

    Args:
        most: Revocations of all apps together, before those of one become one.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._apps: dict[str, _Revoked] = {}
        self._count = 0
        self._tidy_at = TIDY_FROM

    def __len__(self) -> int:
        return self._count

    def add(self, command: Command, now: float) -> str:
        """
        Know of an order; one that revokes nothing, or has expired, is ignored.

        Args:
            command: As control tells it; the same may come again.
            now: UTC epoch seconds.

        Returns:
            The id of the app whose revocations have become one, for the operator to hear; empty: none.
        """
        if command.verb != REVOKE or command.expires_at <= now:
            return ""
        revoked = self._apps.setdefault(command.app, _Revoked())
        before = len(revoked)
        _note(revoked, command)
        self._count += len(revoked) - before
        return self._bounded(now)

    def is_revoked(self, token: ChannelToken, now: float) -> bool:
        """Tell whether a token that was verified is revoked, by its name or with its user."""
        revoked = self._apps.get(token.app)
        if revoked is None:
            return False
        user = revoked.users.get(token.user)
        return (
            now < revoked.names.get(token.jti, now)
            or (user is not None and user.covers(token, now))
            or (revoked.everything is not None and revoked.everything.covers(token, now))
        )

    def check(self, token: ChannelToken, now: float) -> None:
        """
        Let a token pass that is not revoked.

        Raises:
            RevokedToken: It is.
        """
        if self.is_revoked(token, now):
            raise RevokedToken

    def _bounded(self, now: float) -> str:
        """Forget what has expired, now and then and before anything is folded."""
        if self._count < min(self._tidy_at, self._most + 1):
            return ""
        self._apps = {app: revoked for app, revoked in self._apps.items() if revoked.tidy(now)}
        self._count = sum(map(len, self._apps.values()))
        self._tidy_at = max(TIDY_FROM, 2 * self._count)
        return self._folded(now) if self._count > self._most else ""

    def _folded(self, now: float) -> str:
        app = max(self._apps, key=lambda name: len(self._apps[name]))
        self._count -= len(self._apps[app])
        self._apps[app].fold(now)
        return app


def _note(revoked: _Revoked, command: Command) -> None:
    """Later orders widen earlier ones, in whichever sequence they are heard.  Unknown kinds are a newer release's."""
    if command.kind in {"jti", "token"}:
        known = revoked.names.get(command.subject, command.expires_at)
        revoked.names[command.subject] = max(known, command.expires_at)
    elif command.kind == "user":
        until = revoked.users.setdefault(
            command.subject, _Until(command.issued_at, command.expires_at)
        )
        until.widen(command.issued_at, command.expires_at)
