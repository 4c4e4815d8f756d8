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
from services.gateway.connection import Connection

log = structlog.get_logger()

POLL = 1.0  # Seconds that one look for orders waits.
TERMINATED = 4009  # Pusher, "Error codes": unauthorised; clients do not return by themselves.

User = tuple[str, str]  # App id and user id.


class Orders:
    """
    Orders to this gateway.

    Args:
        control: Where they come from.
        clock: UTC epoch seconds.
    """

    def __init__(self, control: Control, clock: Callable[[], float] = time.time) -> None:
        self._control = control
        self._clock = clock
        self._signed_in: dict[User, dict[Connection, float]] = {}

    def signed_in(self, connection: Connection) -> None:
        """Know a connection's user."""
        here = self._signed_in.setdefault(_user(connection), {})
        here.setdefault(connection, self._clock())

    def gone(self, connection: Connection) -> None:
        """Know a connection no longer."""
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
                for order in orders:
                    self._obey(order)

    def _obey(self, order: Order) -> None:
        if (order.verb, order.kind) != ("terminate", "user"):
            return
        here = self._signed_in.get((order.app, order.subject), {})
        ended = [connection for connection, since in here.items() if since <= order.issued_at]
        for connection in ended:
            connection.close(TERMINATED, "the app has ended this user's connections")
        log.info("user.terminated", app=order.app, connections=len(ended))


def _user(connection: Connection) -> User:
    user = connection.session.user
    return connection.session.app.id, user.id if user else ""
