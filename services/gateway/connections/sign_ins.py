"""Sign-ins: connections that become a user's, as far as the user's quotas allow."""

from functools import partial

from libs.common.errors import Denied, Invalid
from services.gateway.access.rights import tenant_of
from services.gateway.connections.commands import CommandHandler
from services.gateway.connections.connection import Connection
from services.gateway.quotas.limiter import ConnectionLimiter, check
from services.gateway.quotas.quotas import Quota, Verdict, of_user


class SignIns:
    """
    Knows who signs in.

    Args:
        commands: Are told of each, to close what a user has open.
        limiter: Counts the connections of users on all gateways.
    """

    def __init__(self, commands: CommandHandler, limiter: ConnectionLimiter) -> None:
        self._commands = commands
        self._limiter = limiter
        self._asking: set[Connection] = set()  # Those for whose user room is being asked.

    def __len__(self) -> int:
        """Tell how many connections wait until there is room for their user."""
        return len(self._asking)

    def signed_in(self, connection: Connection) -> None:
        """Know a connection's user, and close it if the user has too many."""
        self._commands.signed_in(connection)
        user, app = connection.session.user, connection.session.app
        if user is None or connection in self._asking:
            return
        quotas = of_user(app, user.id, tenant_of(user, app.tenant))
        if quotas[0].subject in connection.counts_for:  # It signs in again, and stays whom it is.
            return
        self._asking.add(connection)
        self._limiter.claim(quotas, partial(self._count, connection, quotas))

    def _count(self, connection: Connection, quotas: tuple[Quota, ...], verdict: Verdict) -> None:
        """Keep a connection that signed in, if there is room for it."""
        self._asking.discard(connection)
        subjects = tuple(subject for subject, _ in quotas)
        try:
            check(verdict, quotas)
        except (Denied, Invalid) as error:
            # Its sign-in was good: it hears so before it hears that there is no room.
            connection.perform(connection.session.sign_in_told())
            connection.close(error.code, str(error))
            return
        if connection.is_open:
            connection.counts_for += subjects
        else:  # It went while this was found out.
            self._limiter.leave(subjects)
