"""
Carries out what control orders: for now, to close what a user has open.

It knows who is signed in here.  An order that comes late, because this gateway was cut off, ends only what was
open when it was given; that compares clocks of two machines, which are kept in step by their operators.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from libs.common.control import Control, Order
from libs.common.errors import Unavailable
from libs.common.retry import Backoff
from libs.common.revocations import REVOKE
from services.gateway.connection import Connection
from services.gateway.passes import Passes

log = structlog.get_logger()

POLL = 1.0  # Seconds that one look for orders waits.
TERMINATED = 4009  # Pusher, "Error codes": unauthorised; clients do not return by themselves.

User = tuple[str, str]  # App id and user id.


class Orders:
    """
    Orders to this gateway.

    Args:
        control: Where they come from.
        passes: Is told what is revoked, and who is expelled.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, control: Control, passes: Passes, clock: Callable[[], float] = time.time
    ) -> None:
        self._control = control
        self._passes = passes
        self._known: dict[User, dict[Connection, None]] = {}
        self._clock = clock
        self._signed_in: dict[User, dict[Connection, float]] = {}

    def signed_in(self, connection: Connection) -> None:
        """Know a connection's user."""
        here = self._signed_in.setdefault(_user(connection), {})
        here.setdefault(connection, self._clock())

    def known_as(self, connection: Connection, user_id: str) -> None:
        """Know for whom a connection acts."""
        self._known.setdefault((connection.session.app.id, user_id), {})[connection] = None

    def gone(self, connection: Connection) -> None:
        """Know a connection no longer."""
        for user_id in connection.session.known_as:
            user = connection.session.app.id, user_id
            known = self._known.get(user, {})
            known.pop(connection, None)
            if not known:
                self._known.pop(user, None)
        if connection.session.user is None:
            return
        here = self._signed_in.get(_user(connection), {})
        here.pop(connection, None)
        if not here:
            self._signed_in.pop(_user(connection), None)

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        backoff = Backoff()
        async with self._control.listen() as listener:
            while True:
                try:
                    orders = await listener.receive(POLL)
                except Unavailable:
                    await asyncio.sleep(backoff.delay())
                    continue
                backoff.reset()
                self._take(orders)

    def _take(self, orders: list[Order]) -> None:
        """Carry out what came together; revocations with one look at who may be meant."""
        for order in orders:
            match order.verb, order.kind:
                case "terminate", "user":
                    self._terminate(order)
                case "expel", "user":
                    self._expel(order)
                case "revoke", _:
                    self._revoke(order)
        if any(order.verb == REVOKE for order in orders):
            self._judge_again()

    def _terminate(self, order: Order) -> None:
        here = self._signed_in.get((order.app, order.subject), {})
        ended = [connection for connection, since in here.items() if since <= order.issued_at]
        for connection in ended:
            connection.close(TERMINATED, "the app has ended this user's connections")
        log.info("user.terminated", app=order.app, connections=len(ended))

    def _expel(self, order: Order) -> None:
        expulsion = self._passes.expel(order, now=time.monotonic())
        here = tuple(self._known.get((order.app, order.subject), ()))
        for connection in here:
            connection.perform(connection.session.expelled(order.subject, expulsion))
        log.info("user.expelled", app=order.app, connections=len(here))

    def _revoke(self, order: Order) -> None:
        folded = self._passes.revoke(order, now=time.monotonic())
        if folded:
            log.error("revocations.folded", app=folded)

    def _judge_again(self) -> None:
        now = time.monotonic()
        for connection in {each for here in self._known.values() for each in here}:
            connection.perform(connection.session.judged(now))


def _user(connection: Connection) -> User:
    user = connection.session.user
    return connection.session.app.id, user.id if user else ""
