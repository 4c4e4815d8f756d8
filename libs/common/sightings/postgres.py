"""
Sightings in PostgreSQL: ``fanfare_sightings`` and ``fanfare_spans``.  See `Sightings`.

However many users a call is about, it is a statement or two (``0007_sightings.sql`` of
`postgres.migrate`).
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any

from libs.common.channels import is_user_id
from libs.common.errors import Unavailable
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import check_migrated
from libs.common.sightings.port import Trail
from libs.common.sightings.summary import Span, Summary

LOCK = 0x73696768  # "sigh": the number of the lock that whoever forgets holds.

# Spans that were open in the table end with the first departure that is told.  All parts of one
# statement see the table as it was before.
_NOTE = """
    WITH told AS (
        SELECT app, user_id, to_timestamp(last_seen) AS last_seen,
            to_timestamp(online_since) AS online_since, to_timestamp(left_at) AS left_at
        FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[])
            AS one (app, user_id, last_seen, online_since, left_at)
    ), ended AS (
        INSERT INTO fanfare_spans (app, user_id, began_at, ended_at)
        SELECT app, user_id, known.online_since, told.left_at
        FROM told JOIN fanfare_sightings AS known USING (app, user_id)
        WHERE known.online_since <= told.left_at
        ON CONFLICT DO NOTHING
    )
    INSERT INTO fanfare_sightings AS known (app, user_id, last_seen, online_since)
    SELECT app, user_id, last_seen, online_since FROM told ORDER BY app, user_id
    ON CONFLICT (app, user_id) DO UPDATE SET
        last_seen = GREATEST(known.last_seen, excluded.last_seen),
        online_since = CASE WHEN excluded.last_seen >= known.last_seen
            THEN excluded.online_since ELSE known.online_since END
"""
_SPANS = """
    INSERT INTO fanfare_spans (app, user_id, began_at, ended_at)
    SELECT app, user_id, to_timestamp(began_at), to_timestamp(ended_at)
    FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[])
        AS one (app, user_id, began_at, ended_at)
    ON CONFLICT DO NOTHING
"""
_LAST_SEEN = """
    SELECT user_id, extract(epoch FROM last_seen)::float8
    FROM fanfare_sightings WHERE app = $1 AND user_id = ANY($2::text[])
"""
_ONE = """
    SELECT extract(epoch FROM last_seen)::float8, extract(epoch FROM online_since)::float8
    FROM fanfare_sightings WHERE app = $1 AND user_id = $2
"""
_SPANS_OF_ONE = """
    SELECT extract(epoch FROM began_at)::float8, extract(epoch FROM ended_at)::float8
    FROM fanfare_spans WHERE app = $1 AND user_id = $2 ORDER BY began_at DESC LIMIT $3
"""
_ERASE = """
    WITH spans AS (DELETE FROM fanfare_spans WHERE app = $1 AND user_id = $2 RETURNING 1),
        seen AS (DELETE FROM fanfare_sightings WHERE app = $1 AND user_id = $2 RETURNING 1)
    SELECT (SELECT count(*) FROM spans) + (SELECT count(*) FROM seen)
"""
_FORGET = """
    WITH spans AS (
        DELETE FROM fanfare_spans WHERE (app, user_id, began_at) IN (
            SELECT app, user_id, began_at FROM fanfare_spans
            WHERE ended_at < to_timestamp($2) ORDER BY ended_at LIMIT $3
        ) RETURNING 1
    ), seen AS (
        DELETE FROM fanfare_sightings WHERE last_seen < to_timestamp($1) AND (app, user_id) IN (
            SELECT app, user_id FROM fanfare_sightings
            WHERE last_seen < to_timestamp($1) ORDER BY last_seen LIMIT $3
        ) RETURNING 1
    )
    SELECT (SELECT count(*) FROM spans) + (SELECT count(*) FROM seen)
"""


class PostgresSightings:
    """
    Sightings that PostgreSQL keeps.  See `Sightings`.

    Args:
        connection: Opened by the caller.
    """

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    async def check(self) -> None:
        """See `Sightings.check`."""
        with suppress(Unavailable):
            async with self._connection.acquired() as connection:
                await check_migrated(connection)
                await connection.fetch(_LAST_SEEN, "", [])
            if self._connection.outage.is_away:  # What was refused may be done again by now.
                async with self._connection.acquired(by="writer") as connection:
                    await connection.execute(_NOTE, *_columns([]))
        self._connection.outage.ensure()

    async def note(self, summaries: Sequence[Summary]) -> None:
        """See `Sightings.note`."""
        spans = [
            (summary.app, summary.user, *span) for summary in summaries for span in summary.spans
        ]
        async with self._connection.acquired(by="writer") as connection:
            if spans:
                await connection.execute(_SPANS, *map(list, zip(*spans, strict=True)))
            await connection.execute(_NOTE, *_columns(summaries))

    async def last_seen(self, app: str, users: Collection[str]) -> dict[str, float]:
        """See `Sightings.last_seen`."""
        asked = list(filter(is_user_id, users))
        async with self._connection.acquired() as connection:
            return dict(await connection.fetch(_LAST_SEEN, app, asked))

    async def trail(self, app: str, user: str, *, limit: int) -> Trail | None:
        """See `Sightings.trail`."""
        async with self._connection.acquired() as connection:
            seen = await connection.fetchrow(_ONE, app, user)
            rows = await connection.fetch(_SPANS_OF_ONE, app, user, limit)
        spans = tuple(Span(*row) for row in rows)
        if seen is not None:
            return Trail(seen[0], seen[1], spans)
        return Trail(spans[0].ended_at, None, spans) if spans else None

    async def erase(self, app: str, user: str) -> bool:
        """See `Sightings.erase`."""
        async with self._connection.acquired(by="writer") as connection:
            return bool(await connection.fetchval(_ERASE, app, user))

    async def forget(self, *, seen_before: float, spans_before: float, limit: int) -> int:
        """See `Sightings.forget`."""
        async with (
            self._connection.acquired(by="writer") as connection,
            connection.transaction(),
        ):
            if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({LOCK})"):
                return 0
            return int(await connection.fetchval(_FORGET, seen_before, spans_before, limit))


def _columns(summaries: Iterable[Summary]) -> list[list[Any]]:
    """Return each field that the table has, as an array of SQL."""
    fields = ("app", "user", "last_seen", "online_since", "left_at")
    return [[getattr(each, name) for each in summaries] for name in fields]
