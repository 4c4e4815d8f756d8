"""
Marks in PostgreSQL: ``fanfare_marks``.  See `Marks`.

However many marks a call moves, it is one statement while their readers are known; new ones are
counted, which one process does at a time in a channel.  Rows are locked in the order of their key,
so that batches of several processes never wait for each other in a circle.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reader, Reading, TooManyMarks
from libs.common.marks.rounds import rounds
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import check_migrated

LOCK = 0x6D61726B  # "mark": the first number of the locks that whoever counts readers holds.
STRIPE = "hashtext(app || ' ' || channel) & 63"  # The second one: PostgreSQL keeps few locks.

_TOLD = """
    unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[])
        WITH ORDINALITY AS one (app, channel, user_id, epoch, number, place)
"""
# A scalar, which is looked up row by row in the index; EXISTS may be a join with the whole table.
_IS_KNOWN = """
    (SELECT true FROM fanfare_marks AS there
        WHERE (there.app, there.channel, there.user_id) = (one.app, one.channel, one.user_id))
    IS TRUE
"""
_IN_ORDER = """
    ORDER BY app, channel COLLATE "C", user_id COLLATE "C"
    ON CONFLICT (app, channel, user_id) DO UPDATE SET
        number = CASE WHEN known.epoch = excluded.epoch
            THEN GREATEST(known.number, excluded.number) ELSE excluded.number END,
        epoch = excluded.epoch, moved_at = excluded.moved_at
    RETURNING app, channel, user_id, number, epoch
"""
_INSERT = """
    INSERT INTO fanfare_marks AS known (app, channel, user_id, epoch, number, moved_at)
    SELECT app, channel, user_id, epoch, number, date_trunc('hour', now(), 'UTC')
"""
_MOVE = f"{_INSERT} FROM {_TOLD} WHERE {_IS_KNOWN} {_IN_ORDER}"
# In the order of their numbers, for the same reason as rows.
_LOCKED = f"""
    SELECT pg_advisory_xact_lock({LOCK}, stripe)
    FROM (SELECT DISTINCT {STRIPE} AS stripe FROM {_TOLD} ORDER BY stripe) AS each
"""  # noqa: S608 - our own words
_ADD = f"""
    WITH told AS (
        SELECT *, {_IS_KNOWN} AS is_known FROM {_TOLD}
    ), placed AS (
        SELECT *, row_number() OVER (PARTITION BY app, channel, is_known ORDER BY place) AS newcomer
        FROM told
    ), counted AS (
        SELECT app, channel, (
            SELECT count(*) FROM fanfare_marks AS there
            WHERE (there.app, there.channel) = (each.app, each.channel)
        ) AS readers
        FROM (SELECT DISTINCT app, channel FROM told) AS each
    )
    {_INSERT} FROM placed JOIN counted USING (app, channel)
    WHERE is_known OR readers + newcomer <= $6 {_IN_ORDER}
"""  # noqa: S608 - our own words
_ONE = """
    SELECT number, epoch FROM fanfare_marks WHERE app = $1 AND channel = $2 AND user_id = $3
"""
# With a limit, as it would else be a join with the whole table.
_STANDING = """
    SELECT one.app, one.channel, one.user_id, there.number, there.epoch
    FROM unnest($1::text[], $2::text[], $3::text[]) AS one (app, channel, user_id),
        LATERAL (
            SELECT number, epoch FROM fanfare_marks AS known
            WHERE (known.app, known.channel, known.user_id) = (one.app, one.channel, one.user_id)
            LIMIT 1
        ) AS there
"""
_PAGE = """
    SELECT user_id, number, epoch FROM fanfare_marks
    WHERE app = $1 AND channel = $2 AND user_id > $3 ORDER BY user_id LIMIT $4
"""
_READ_BY = """
    SELECT channel, number, epoch FROM fanfare_marks
    WHERE app = $1 AND user_id = $2 ORDER BY channel LIMIT $3
"""
_ERASE = """
    WITH gone AS (
        DELETE FROM fanfare_marks WHERE (app, channel, user_id) IN (
            SELECT app, channel, user_id FROM fanfare_marks
            WHERE app = $1 AND user_id = $2 ORDER BY channel FOR UPDATE
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
"""
# What is being moved just now is not old, and need not be waited for.
_FORGET = """
    WITH gone AS (
        DELETE FROM fanfare_marks WHERE (app, channel, user_id) IN (
            SELECT app, channel, user_id FROM fanfare_marks
            WHERE moved_at < to_timestamp($1) - interval '1 hour'
            ORDER BY moved_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
"""


class PostgresMarks:
    """
    Marks that PostgreSQL keeps.  See `Marks`.

    Args:
        connection: Opened by the caller.
        most_readers: Of one channel.
    """

    def __init__(self, connection: PostgresConnection, most_readers: int) -> None:
        self._connection = connection
        self._most_readers = most_readers

    async def check(self) -> None:
        """See `Marks.check`."""
        with suppress(Unavailable):
            async with self._connection.acquired() as connection:
                await check_migrated(connection)
                await connection.fetch(_ONE, "", "", "")
            if self._connection.outage.is_away:  # What was refused may be done again by now.
                async with self._connection.acquired(by="writer") as connection:
                    await connection.fetch(_MOVE, *_columns({}))
        self._connection.outage.ensure()

    async def move(self, readings: Sequence[Reading]) -> list[Mark | TooManyMarks]:
        """See `Marks.move`."""
        if not readings:
            return []
        standing: dict[Reader, Mark] = {}
        async with self._connection.acquired(by="writer") as connection:
            for marks in rounds(readings):
                standing |= await self._moved(connection, marks)
        full = TooManyMarks(self._most_readers)
        return [standing.get((channel, user_id), full) for channel, user_id, _ in readings]

    async def _moved(self, connection: Any, marks: Mapping[Reader, Mark]) -> dict[Reader, Mark]:
        moved = _standing(await connection.fetch(_MOVE, *_columns(marks)))
        added = {reader: mark for reader, mark in marks.items() if reader not in moved}
        if added:
            async with connection.transaction():
                await connection.execute(_LOCKED, *_columns(added))
                rows = await connection.fetch(_ADD, *_columns(added), self._most_readers)
            moved |= _standing(rows)
        return moved

    async def mark(self, channel: Channel, user_id: str) -> Mark | None:
        """See `Marks.mark`."""
        async with self._connection.acquired() as connection:
            row = await connection.fetchrow(_ONE, *channel, user_id)
        return None if row is None else Mark(*row)

    async def standing(self, readers: Sequence[Reader]) -> list[Mark | None]:
        """See `Marks.standing`."""
        columns = [[*column] for column in zip(*((*at, user) for at, user in readers), strict=True)]
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_STANDING, *(columns or [[], [], []]))
        standing = _standing(rows)
        return [standing.get(reader) for reader in readers]

    async def page(self, channel: Channel, *, after: str, limit: int) -> list[tuple[str, Mark]]:
        """See `Marks.page`."""
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_PAGE, *channel, after, limit)
        return [(user_id, Mark(*mark)) for user_id, *mark in rows]

    async def read_by(self, app: str, user_id: str, *, limit: int) -> list[Reading]:
        """See `Marks.read_by`."""
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_READ_BY, app, user_id, limit)
        return [Reading(Channel(app, name), user_id, Mark(*mark)) for name, *mark in rows]

    async def erase(self, app: str, user_id: str) -> int:
        """See `Marks.erase`."""
        async with self._connection.acquired(by="writer") as connection:
            return int(await connection.fetchval(_ERASE, app, user_id))

    async def forget(self, *, moved_before: float, limit: int) -> int:
        """See `Marks.forget`."""
        async with self._connection.acquired(by="writer") as connection:
            return int(await connection.fetchval(_FORGET, moved_before, limit))


def _columns(marks: Mapping[Reader, Mark]) -> list[list[Any]]:
    """Return each column that is told, as an array of SQL."""
    rows = [
        (*channel, user_id, mark.epoch, mark.number) for (channel, user_id), mark in marks.items()
    ]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(5)]


def _standing(rows: Sequence[Any]) -> dict[Reader, Mark]:
    return {(Channel(app, name), user_id): Mark(*mark) for app, name, user_id, *mark in rows}
