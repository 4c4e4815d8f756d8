"""
Revocations: which channel tokens are refused before their time.

Pure.  Fed with control's commands, and asked about each token that is presented.  A token is known
by its ``jti``, so no text of one is ever kept; a user's revocation covers the tokens that were
issued until then.  What has expired is forgotten, since the tokens that it meant have expired too.

Memory is bounded (`denials`): when there are too many revocations, those of the app that has most
become one, which covers all tokens of that app that were issued until then; its clients fetch new
tokens.
"""

from dataclasses import dataclass, field

from libs.common.control.commands import Command
from libs.common.denials import Denial, Denials, in_force, widest
from libs.common.tokens.channel_tokens import LEEWAY, ChannelToken
from libs.common.tokens.key_ring import BadChannelToken

REVOKE = "revoke"
MOST = 100_000  # Revocations of all apps together, about 20 MB.


class RevokedToken(BadChannelToken):
    """A channel token was good, and has been revoked."""

    def __init__(self) -> None:
        super().__init__("the token has been revoked")


@dataclass(slots=True)
class _Revoked:
    """The revocations of one app."""

    names: dict[str, float] = field(default_factory=dict)  # jti to expiry.
    users: dict[str, Denial] = field(default_factory=dict)
    everything: Denial | None = None

    def __len__(self) -> int:
        return len(self.names) + len(self.users)

    def note(self, command: Command) -> None:
        """Let a later command widen an earlier one, in whichever sequence they are heard."""
        if command.kind in {"jti", "token"}:
            known = self.names.get(command.subject, command.expires_at)
            self.names[command.subject] = max(known, command.expires_at)
        elif command.kind == "user":  # Other kinds are those of a newer release.
            denial = Denial(command.issued_at, command.expires_at)
            self.users[command.subject] = widest((denial, self.users.get(command.subject, denial)))

    def covers(self, token: ChannelToken, now: float) -> bool:
        """Tell whether a token is meant, by its name, with its user, or with all."""
        several = (self.users.get(token.user), self.everything)
        return now < self.names.get(token.jti, now) or any(
            denial is not None and denial.covers(token.issued_at, now) for denial in several
        )

    def tidy(self, now: float) -> bool:
        """See `AppDenials.tidy`."""
        self.names = {jti: at for jti, at in self.names.items() if now < at}
        self.users = in_force(self.users, now)
        if self.everything is not None and self.everything.expires_at <= now:
            self.everything = None
        return bool(self.names or self.users or self.everything)

    def fold(self, now: float) -> None:
        """See `AppDenials.fold`; tokens whose issuer's clock is ahead are among those meant."""
        expires_at = max([*self.names.values(), *(each.expires_at for each in self.users.values())])
        covered = max([now, *(each.issued_at for each in self.users.values())]) + LEEWAY
        every = Denial(covered, expires_at)
        self.everything = widest((every, self.everything or every))
        self.names, self.users = {}, {}


class Revocations:
    """
    What one process knows of revocations.

    Args:
        most: Revocations of all apps together, before those of one become one.
    """

    def __init__(self, most: int = MOST) -> None:
        self._apps = Denials(_Revoked, most)

    def __len__(self) -> int:
        return len(self._apps)

    def add(self, command: Command, now: float) -> str:
        """
        Know of a command; one that revokes nothing, or has expired, is ignored.

        Args:
            command: As control tells it; the same may come again.
            now: UTC epoch seconds.

        Returns:
            The id of the app whose revocations have become one, for the operator to hear; empty:
            none.
        """
        if command.verb != REVOKE or command.expires_at <= now:
            return ""
        return self._apps.add(command.app, lambda app: app.note(command), now=now)

    def is_revoked(self, token: ChannelToken, now: float) -> bool:
        """Tell whether a token that was verified is revoked, by its name or with its user."""
        revoked = self._apps.of(token.app)
        return revoked is not None and revoked.covers(token, now)

    def check(self, token: ChannelToken, now: float) -> None:
        """
        Let a token pass that is not revoked.

        Raises:
            RevokedToken: The token is revoked.
        """
        if self.is_revoked(token, now):
            raise RevokedToken
