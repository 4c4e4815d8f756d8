"""
Who a client is, by what right it is in its channels, and what ends that.

Pure.  ``now`` is monotonic seconds.
"""

from collections.abc import Collection, Iterable
from math import inf

import msgspec

from libs.common.apps.app import App
from libs.common.channels import Kind, kind_of
from libs.common.errors import Denied
from libs.common.tokens.expulsions import Expulsion
from services.gateway.access import rights
from services.gateway.access.grants import Grant, Grants
from services.gateway.access.verifier import Judgement, Verified, Verifier
from services.gateway.access.whose import Whose
from services.gateway.protocol.effects import Effect, KnownAs, Shows, Watch
from services.gateway.protocol.frames import SignIn, Subscribe, User


class Principal(msgspec.Struct, eq=False, gc=False):
    """
    What one client has shown, and what it is good for.

    Attributes:
        socket_id: The connection's name.
        verifier: What its gateway knows of tokens.
        carried: The token that the client connected with.
        user: The user that the client is signed in as; None: it is not.
    """

    socket_id: str
    verifier: Verifier
    carried: Verified | None
    user: User | None = None
    _known_as: dict[str, None] | None = None  # None as well: most act for nobody.
    _tokens: set[str] | None = None  # The names that were told to count.
    _told_sign_in: str = ""  # The one among them by which the client was signed in.
    _user_token: Verified | None = None
    _grants: Grants = msgspec.field(default_factory=Grants)
    _whose: Whose = msgspec.field(default_factory=Whose)

    def __post_init__(self) -> None:
        self._whose.carried = self.carried

    @property
    def known_as(self) -> Collection[str]:
        """The ids of the users for whom it acted, in order."""
        return self._known_as or ()

    @property
    def tokens(self) -> Collection[str]:
        """The names (``jti``) of the tokens that count, as far as that was said."""
        return self._tokens or ()

    def opened(self) -> list[Effect]:
        """Say what the client brought along."""
        if self.carried is None:
            return []
        return [*self._known(self.carried.token.user), *self._shown()]

    def sign_in(self, app: App, data: SignIn, *, now: float) -> list[str]:
        """
        Let the client be a user; raises as `rights.sign_in` does.

        Returns:
            The guarded channels that an earlier sign-in had opened, if this one says something
            else; the caller passes them to `rejudged`.
        """
        user, verified = rights.sign_in(self._client(app, now), data)
        if user == self.user and verified is None and self._user_token is None:
            return []
        opened = self._grants.named(
            lambda name, grant: kind_of(name) is Kind.PUBLIC and self._rests_on_sign_in(grant)
        )
        self.user, self._user_token = user, verified
        return opened

    @property
    def is_signed_in_by_token(self) -> bool:
        """Whether a channel token says who the client is, and not ``user_data``."""
        return self._user_token is not None

    @property
    def owner(self) -> str:
        """The id of the user whose the connection is; empty: it is nobody's."""
        return self._whose.now(self.user).user_id

    def signed_in(self) -> list[Effect]:
        """Say as whom the client acts since it signed in."""
        return [*self._known(self.user.id if self.user else ""), *self._shown(), Watch()]

    def sign_out(self) -> User | None:
        """Undo the sign-in, and tell as whom it was."""
        user, self.user, self._user_token = self.user, None, None
        return user

    def join(self, app: App, data: Subscribe, *, now: float) -> rights.Admittance:
        """Tell by what right the client may join a channel; raises as `rights.join` does."""
        return rights.join(self._client(app, now), data)

    def put(self, channel: str, grant: Grant | None, *, info: str = "") -> list[Effect]:
        """
        Let the permission that was shown last count.

        Args:
            channel: The channel's name.
            grant: The permission; None: the channel takes none.
            info: The ``user_info`` that it names, as JSON text; empty: none.
        """
        if grant is None:
            self._grants.drop(channel)
            return []
        self._grants.put(channel, grant)
        if grant.verified is None:
            self._whose.grant(grant.user, info)
        else:
            self._whose.show(grant.verified)
        timed = [*self._shown(), Watch()] if grant.verified else []
        return [*self._known(grant.user), *timed]

    def drop(self, channel: str) -> None:
        """Forget by what right the client was in a channel."""
        self._grants.drop(channel)

    def clear(self) -> None:
        """Forget all such rights, and whose the connection was."""
        self._grants.clear()
        self._whose = Whose()

    def belongs(self) -> list[Effect]:
        """Say whose the connection is, if that has changed since it was said."""
        return self._whose.told(self.user)

    def end(self, is_over: Judgement) -> None:
        """Let tokens of which a judgement is true say no longer whose the connection is."""
        self._whose.end(is_over)

    @property
    def ends_at(self) -> float:
        """When the first token ends that opened something, or says whose the connection is."""
        by_sign_in = self._user_token.ends_at if self._user_token else inf
        return min(self._grants.ends_at, by_sign_in, self._whose.ends_at)

    def over(self, now: float) -> list[str]:
        """Name the channels that were opened by tokens which have ended."""
        return self._grants.over(now)

    def opened_by(self, judge: Judgement) -> list[str]:
        """Name the channels that were opened by tokens of which a judgement is true."""
        return self._grants.named(lambda _, grant: bool(grant.verified and judge(grant.verified)))

    def is_signed_in_by(self, judge: Judgement) -> bool:
        """Tell whether it is signed in by a token of which a judgement is true."""
        return self._user_token is not None and judge(self._user_token)

    def expelled(self, user_id: str, expulsion: Expulsion) -> list[str]:
        """Name the channels out of which a user was taken."""
        return self._grants.named(
            lambda name, grant: grant.user == user_id and expulsion.covers(name, grant.given_at)
        )

    def rejudged(
        self, app: App, channels: Iterable[str], *, now: float
    ) -> list[tuple[str, Denied]]:
        """Judge guarded channels again after another sign-in; name those that are lost, and why."""
        lost: list[tuple[str, Denied]] = []
        for name in channels:
            try:
                grant = self.join(app, Subscribe(name), now=now).grant
            except Denied as error:
                lost.append((name, error))
                continue
            # `put` is not needed: the user and the token of this grant were told when the client
            # signed in.
            if grant is None:
                self._grants.drop(name)
            else:
                self._grants.put(name, grant)
        return lost

    def _rests_on_sign_in(self, grant: Grant) -> bool:
        return grant.verified is None or grant.is_by(self._user_token)

    def _client(self, app: App, now: float) -> rights.Client:
        return rights.Client(
            app,
            self.socket_id,
            self.verifier,
            user=self.user,
            user_token=self._user_token,
            carried=self.carried,
            now=now,
        )

    def _known(self, user_id: str) -> list[Effect]:
        """Say once for whom the client acts."""
        if user_id in self.known_as:
            return []
        self._known_as = self._known_as or {}
        self._known_as[user_id] = None
        return [KnownAs(user_id)]

    def _shown(self) -> list[Effect]:
        """Say which tokens count, and which do no more, if others did until now."""
        by_sign_in = self._user_token.token.jti if self._user_token else ""
        by_first = self.carried.token.jti if self.carried else ""
        changed = self._grants.changed()
        if (
            not changed
            and by_sign_in == self._told_sign_in
            and (not by_first or by_first in self.tokens)
        ):
            return []
        asked = {by_first, by_sign_in, self._told_sign_in, *changed} - {""}
        self._told_sign_in = by_sign_in
        count = {jti for jti in asked if jti in {by_first, by_sign_in} or self._grants.shows(jti)}
        came, went = count.difference(self.tokens), (asked - count).intersection(self.tokens)
        if not came and not went:
            return []
        self._tokens = self._tokens or set()
        self._tokens |= came
        self._tokens -= went
        return [Shows(frozenset(came), frozenset(went))]
