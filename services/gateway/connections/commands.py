"""
Carries out commands: close a user's connections, end tokens, take users out of channels.

It knows which connections are here: the user that each is signed in as, the users for whom it acts
in some channel, and its tokens.  A command that comes late, because this gateway was cut off, ends
only what was open when it was given; that compares clocks of two machines, which their operators
keep in step.

What is refused from now on is known at once.  Whoever is to be closed or judged comes in turns
(`libs.common.fairness.turns`): one command may concern all clients of an app, and the others must
not wait for that.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from libs.common.control.commands import Command
from libs.common.control.hearing import hear
from libs.common.control.port import Control
from libs.common.fairness.turns import in_turns
from libs.common.tokens.revocations import REVOKE
from services.gateway.access.verifier import Verifier
from services.gateway.connections.connection import Connection
from services.gateway.protocol.effects import Shows

log = structlog.get_logger()

TERMINATED = 4009  # Pusher, "Error codes": unauthorised; clients do not return by themselves.

T = TypeVar("T")

UserKey = tuple[str, str]  # App id and user id.
TokenName = tuple[str, str]  # App id and jti.


class CommandHandler:
    """
    Commands to this gateway.

    Args:
        control: Brings commands.
        verifier: Is told what is revoked, and who is expelled.
        informed: Called once, when all commands in force have been heard.
        clock: UTC epoch seconds.

    Attributes:
        heard: Set when `informed` is called.
    """

    def __init__(
        self,
        control: Control,
        verifier: Verifier,
        *,
        informed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._verifier = verifier
        self._informed = informed
        self.heard = asyncio.Event()
        self._known: dict[UserKey, dict[Connection, None]] = {}
        self._showing: dict[TokenName, dict[Connection, None]] = {}
        self._clock = clock
        self._signed_in: dict[UserKey, dict[Connection, float]] = {}

    def signed_in(self, connection: Connection) -> None:
        """Know a connection's user."""
        here = self._signed_in.setdefault(_user(connection), {})
        here.setdefault(connection, self._clock())

    def known_as(self, connection: Connection, user_id: str) -> None:
        """Know for whom a connection acts."""
        self._known.setdefault((connection.session.app.id, user_id), {})[connection] = None

    def shows(self, connection: Connection, tokens: Shows) -> None:
        """Know by which tokens a connection acts."""
        app = connection.session.app.id
        for jti in tokens.went:
            _remove(self._showing, (app, jti), connection)
        for jti in tokens.came:
            self._showing.setdefault((app, jti), {})[connection] = None

    def gone(self, connection: Connection) -> None:
        """Know a connection no longer, also as users that it ceased to be when tokens ended."""
        app = connection.session.app.id
        for user_id in connection.session.known_as:
            _remove(self._known, (app, user_id), connection)
            _remove(self._signed_in, (app, user_id), connection)
        for jti in connection.session.tokens:
            _remove(self._showing, (app, jti), connection)

    async def run(self) -> None:
        """Carry out commands until cancelled."""
        await hear(self._control, self._take, informed=self._know_all)

    def _know_all(self) -> None:
        self._verifier.is_informed = True
        self.heard.set()
        self._informed()

    async def _take(self, commands: Sequence[Command]) -> None:
        """Carry out what came together; revocations with one look at who may be meant."""
        revoked = [command for command in commands if command.verb == REVOKE]
        folded: set[str] = set()
        async for command in in_turns(revoked):
            folded |= self._revoke(command)
        async for command in in_turns(commands):
            match command.verb, command.kind:
                case "terminate", "user":
                    await self._terminate(command)
                case "expel", "user":
                    await self._expel(command)
        await self._judge_again(revoked, folded)

    async def _terminate(self, command: Command) -> None:
        here = self._signed_in.get((command.app, command.subject), {})
        ended = [
            connection
            for connection, since in here.items()
            if since <= command.issued_at and _user(connection) == (command.app, command.subject)
        ]
        async for connection in in_turns(ended):
            connection.close(TERMINATED, "the app has ended this user's connections")
        log.info("user.terminated", app=command.app, connections=len(ended))

    async def _expel(self, command: Command) -> None:
        expulsion = self._verifier.expel(command, now=time.monotonic())
        if expulsion.folded:
            log.error("expulsions.folded", app=expulsion.folded)
        here = tuple(self._known.get((command.app, command.subject), ()))
        async for connection in in_turns(here):
            if connection.is_open:
                connection.perform(connection.session.expelled(command.subject, expulsion))
        log.info("user.expelled", app=command.app, connections=len(here))

    def _revoke(self, command: Command) -> set[str]:
        """Know of a revocation; return the apps all of whose tokens it may concern."""
        folded = self._verifier.revoke(command, now=time.monotonic())
        if not folded:
            return set()
        log.error("revocations.folded", app=folded)
        return {folded}

    async def _judge_again(self, revoked: list[Command], folded: set[str]) -> None:
        """Look at those who may be meant."""
        meant: set[Connection] = set()
        for command in revoked:
            known = self._known if command.kind == "user" else self._showing
            meant.update(known.get((command.app, command.subject), ()))
        if folded:
            meant.update(*(here for user, here in self._known.items() if user[0] in folded))
        async for connection in in_turns(meant):
            if connection.is_open:
                connection.perform(connection.session.judged(time.monotonic()))


def _user(connection: Connection) -> UserKey:
    user = connection.session.user
    return connection.session.app.id, user.id if user else ""


def _remove(
    known: dict[UserKey, dict[Connection, T]], key: UserKey, connection: Connection
) -> None:
    here = known.get(key, {})
    here.pop(connection, None)
    if not here:
        known.pop(key, None)
