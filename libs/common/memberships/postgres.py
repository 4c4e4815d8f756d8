"""
Memberships in PostgreSQL: the rows of ``fanfare_memberships``.  See `Memberships`.

Whoever writes the rows, a trigger notifies of every change, and `Listening` hears it; removals are
also kept for a while, for who did not listen (``0003_memberships.sql`` and ``0005_removals.sql`` of
`postgres.migrate`).  Behind a pooler that changes servers between transactions no notification
arrives.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import structlog

from libs.common.errors import Unavailable
from libs.common.memberships.change_queue import ChangeQueue
from libs.common.memberships.membership import (
    Change,
    Membership,
    Missed,
    Put,
    Removed,
    can_be,
    check_membership,
)
from libs.common.memberships.port import AT_ONCE, KEPT, MOST_KEPT, ChangeListener
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import check_migrated
from libs.common.postgres.notifications import Notifications

NOTIFICATIONS = "fanfare_memberships"
BACKEND = "memberships"
OVERLAP = 120.0  # Seconds read again after an interruption: what was removed is seen a while later.
# Seconds by which the end of a removal's transaction may be later than what is kept.
ROUNDING = 1.0
# Connections that write: who waits for a lock of the operator's must not keep questions from being
# asked.
WRITERS = 1
WRITER_WAIT = 5.0  # Seconds to wait for one's turn to write.
PROBE = 30.0  # Seconds between two questions whether the connection that listens is still alive.

_THOSE = """
    SELECT place
    FROM unnest($1::text[], $2::text[], $3::text[])
        WITH ORDINALITY AS asked (app, user_id, group_name, place)
    JOIN fanfare_memberships USING (app, user_id, group_name)
"""
_PUT = """
    INSERT INTO fanfare_memberships (app, user_id, group_name)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT DO NOTHING
"""
_REMOVE = """
    DELETE FROM fanfare_memberships
    USING unnest($1::text[], $2::text[], $3::text[]) AS ended (app, user_id, group_name)
    WHERE (fanfare_memberships.app, fanfare_memberships.user_id, fanfare_memberships.group_name)
        = (ended.app, ended.user_id, ended.group_name)
"""
_OF = "SELECT group_name FROM fanfare_memberships WHERE app = $1 AND user_id = $2"

_MAY_READ = "SELECT has_table_privilege(to_regclass('fanfare_removals'), 'SELECT')"
_REMOVALS = """
    SELECT app, user_id, group_name, extract(epoch FROM now() - max(removed_at))::float8 AS age
    FROM fanfare_removals
    WHERE removed_at > now() - make_interval(secs => $1)
    GROUP BY app, user_id, group_name
    ORDER BY max(removed_at) DESC
    LIMIT $2
"""
_decode = msgspec.json.Decoder(list[str]).decode

log = structlog.get_logger()


class PostgresMemberships:
    """
    Memberships that PostgreSQL keeps.  See `Memberships`.

    Args:
        connection: Opened by the caller.
        probe: Seconds between two looks at the connection that listens.
    """

    at_once = AT_ONCE

    def __init__(self, connection: PostgresConnection, *, probe: float = PROBE) -> None:
        self._connection = connection
        self._probe = probe
        self._writers = asyncio.Semaphore(WRITERS)

    async def check(self) -> None:
        """See `Memberships.check`."""
        with suppress(Unavailable):
            async with self._connection.acquired() as connection:
                await connection.fetch(_THOSE, [], [], [])
                await check_migrated(connection)
            if self._connection.outage.is_away:  # What was refused may be done again by now.
                async with self._turn(), self._connection.acquired(by="writer") as connection:
                    await connection.execute(_PUT, [], [], [])
        self._connection.outage.ensure()

    async def ask(self, memberships: Collection[Membership]) -> dict[Membership, bool]:
        """See `Memberships.ask`."""
        answers = dict.fromkeys(memberships, False)
        asked = list(filter(can_be, answers))
        if asked:
            async with self._connection.acquired() as connection:
                rows = await connection.fetch(_THOSE, *_columns(asked))
            answers |= {asked[row["place"] - 1]: True for row in rows}
        return answers

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`."""
        return (await self.ask([membership]))[membership]

    async def put(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.put`."""
        return await self._write(_PUT, memberships)

    async def remove(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.remove`."""
        return await self._write(_REMOVE, memberships)

    async def of(self, app: str, user: str) -> tuple[str, ...]:
        """See `Memberships.of`."""
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_OF, app, user)
        return tuple(sorted(row["group_name"] for row in rows))

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeListener]:
        """See `Memberships.changes`."""
        async with Listening(self._connection, self._probe).opened() as waiting:
            yield waiting

    async def _write(self, statement: str, memberships: Iterable[Membership]) -> int:
        # In one order, so that two writers who meet wait for each other, and never both.
        ordered = sorted(set(memberships))
        for membership in ordered:
            check_membership(membership)
        if not ordered:
            return 0
        async with self._turn(), self._connection.acquired(by="writer") as connection:
            status = await connection.execute(statement, *_columns(ordered))
        return int(status.rpartition(" ")[2])  # "INSERT 0 5", "DELETE 5".

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WRITER_WAIT):
                await self._writers.acquire()
        except TimeoutError as error:
            raise Unavailable(BACKEND) from error
        try:
            yield
        finally:
            self._writers.release()


class Listening:
    """
    Listens for notifications of changes, again whenever the connection was lost.

    Args:
        connection: Opened by the caller; one of its pool is used for this alone.
        probe: Seconds between two looks whether it is still alive.
    """

    def __init__(self, connection: PostgresConnection, probe: float) -> None:
        self._waiting = ChangeQueue()
        self._heard_at = 0.0  # By the wall clock, which goes on while a machine sleeps.
        self._is_blind = False
        self._notifications = Notifications(
            connection,
            NOTIFICATIONS,
            connected=self._connected,
            notified=self._notified,
            checked=self._checked,
            interval=probe,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[ChangeQueue]:
        """Listen while the context is open."""
        async with self._notifications.listening():
            yield self._waiting

    async def _connected(self, connection: Any) -> None:
        # Not when the connection broke: what is known may serve while nobody can be asked.
        self._waiting.add(Missed())
        await self._read_back(connection)
        self._heard_at = time.time()

    def _notified(self, payload: str) -> None:
        self._waiting.add(change_of(payload, now=time.time()))

    async def _checked(self, connection: Any) -> None:
        await connection.execute("SELECT 1")  # A server that fell silent does not end it.
        self._heard_at = time.time()

    async def _read_back(self, connection: Any) -> None:
        """Tell of the removals that nobody may have told us; what happens from now on is heard."""
        if not await connection.fetchval(_MAY_READ):
            self._blinded()
            return
        away = max(0.0, time.time() - self._heard_at) + OVERLAP
        rows = await connection.fetch(_REMOVALS, min(KEPT, away), MOST_KEPT + 1)
        now = time.time()
        if len(rows) > MOST_KEPT:
            log.error(
                "removals.given_up", reason=f"more than {MOST_KEPT} happened while nobody listened"
            )
        for app, user, group, age in reversed(rows[:MOST_KEPT]):
            # Not the instant of the server's clock, which may differ from ours.
            at = now - max(0.0, age - ROUNDING)
            self._waiting.add(Removed(Membership(app, user, group), at))

    def _blinded(self) -> None:
        if not self._is_blind:
            reason = (
                "the table fanfare_removals is not there or may not be read; run fanfare migrate"
            )
            log.warning("removals.unread", reason=reason)
        self._is_blind = True


def _columns(memberships: Iterable[Membership]) -> list[list[str]]:
    """Return apps, users and groups, each as an array of SQL."""
    return [list(column) for column in zip(*memberships, strict=True)]


def change_of(payload: str, *, now: float) -> Change:
    """
    Read a notification: ``["put", app, user, group]``, ``["removed", …]``.

    Whatever else it says, and others may send on this channel, something has changed: `Missed`.

    Args:
        payload: As it came.
        now: UTC epoch seconds; notifications come as soon as their transaction has ended.
    """
    try:
        verb, app, user, group = _decode(payload)
    except (msgspec.DecodeError, ValueError):
        return Missed()
    match verb:
        case "put":
            return Put(Membership(app, user, group))
        case "removed":
            return Removed(Membership(app, user, group), now)
    return Missed()
