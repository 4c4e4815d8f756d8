"""
Verifies channel tokens, and knows what has ended before its time: revoked tokens, expelled users.

Pure.  A gateway's own time is monotonic and tokens speak of UTC: the caller keeps the two in step
with `Verifier.tune`.  What a token has opened stays open for a grace after its expiry, in which the
client may show a new one; an expired token opens nothing new.
"""

from collections.abc import Callable
from typing import NamedTuple

from libs.common.apps.app import App
from libs.common.control.commands import Command
from libs.common.errors import Forbidden, Unavailable
from libs.common.policies.guards import Guards
from libs.common.tokens.channel_tokens import GRAIN, ChannelToken, StaleToken, verify
from libs.common.tokens.expulsions import Expulsion, Expulsions
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.revocations import Revocations, RevokedToken


class NotNamed(Forbidden):
    """A token is good, and does not name the channel."""

    def __init__(self) -> None:
        super().__init__("the token does not name this channel")


class NotInformed(Unavailable):
    """A token is good, and this gateway has not heard yet what is revoked."""

    def __init__(self) -> None:
        super().__init__("control")


class Verified(NamedTuple):
    """
    A token that was accepted.

    Attributes:
        token: The claims of the token.
        ends_at: When its grace is over, in monotonic seconds.
    """

    token: ChannelToken
    ends_at: float


Judgement = Callable[[Verified], bool]


class Verifier:
    """
    What this gateway knows of tokens, and of what they are good for.

    Args:
        ring: The keys that sign good tokens.
        grace: Seconds that what a token opened stays open after its expiry.
        guards: The policies of public channels.

    Attributes:
        guards: May be put in another's place at any time.
        is_informed: Whether all commands in force have been heard once; until then no token is
            taken.
    """

    def __init__(self, ring: KeyRing, *, grace: float, guards: Guards) -> None:
        self._ring = ring
        self._grace = grace
        self._ahead = 0.0  # Of UTC before monotonic time, in seconds.
        self.revocations = Revocations()
        self.expulsions = Expulsions()
        self.guards = guards
        self.is_informed = False

    def tune(self, *, now: float, utc: float) -> None:
        """Take what both clocks show."""
        self._ahead = utc - now

    def utc(self, now: float) -> float:
        """Turn a monotonic instant into UTC epoch seconds."""
        return now + self._ahead

    def accept(self, text: str, app: App, *, now: float) -> Verified:
        """
        Take a token that is presented.

        Raises:
            BadChannelToken: It is not good here and now: expired and revoked ones among them.
            NotInformed: It is good as far as is known, and that is too little.
        """
        utc = self.utc(now)
        token = verify(text, self._ring, app=app, now=utc)
        if not self.is_informed:
            raise NotInformed
        self.revocations.check(token, utc)
        return Verified(token, token.expires_at - self._ahead + self._grace)

    def carried(self, text: str | None, app: App, *, now: float) -> Verified | StaleToken | None:
        """
        Take the token that a client connects with, if there is one; raises as `accept` does.

        An expired token is no reason to send the client away: it would come back with the same
        token, or not at all.
        """
        try:
            return self.accept(text, app, now=now) if text else None
        except StaleToken as error:
            return error

    def check(self, verified: Verified, app: App, *, now: float) -> None:
        """
        Let a token that was accepted before be used again.

        Raises:
            BadChannelToken: It has expired or was revoked since, or its key was dropped.
        """
        utc = self.utc(now)
        if utc >= verified.token.expires_at:
            raise StaleToken
        if verified.token.expires_at - verified.token.issued_at > self._ring.max_ttl + GRAIN:
            # It was issued by other terms, for longer.  Revocations are remembered only for as long
            # as a token may last by the present terms, so this one may have been revoked unnoticed.
            raise StaleToken
        if self.is_revoked(verified, app, now=now):
            raise RevokedToken

    def is_revoked(self, verified: Verified, app: App, *, now: float) -> bool:
        """Tell whether a token was revoked since it was accepted, or its signing key dropped."""
        token = verified.token
        return not self._ring.knows(token.key, app) or self.revocations.is_revoked(
            token, self.utc(now)
        )

    def revoke(self, command: Command, *, now: float) -> str:
        """See `Revocations.add`."""
        return self.revocations.add(command, self.utc(now))

    def expel(self, command: Command, *, now: float) -> Expulsion:
        """See `Expulsions.add`."""
        return self.expulsions.add(command, self.utc(now))
