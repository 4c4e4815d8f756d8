"""Dead letters in PostgreSQL: the rows of ``fanfare_dead_letters``.  See `dead_letters.port`."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from libs.common.dead_letters.port import START, DeadLetter, LetterPlace, Selection
from libs.common.json_text import JsonReader, write
from libs.common.lifecycle.facts import Fact
from libs.common.postgres.connection import PostgresConnection

_FACTS = JsonReader(tuple[Fact, ...])
PAGE = 100  # Letters that are looked at together for what shall be erased.
PRUNE_EVERY = 100  # Letters: beyond the bounds there are never more of each process.

_COLUMNS = "id, app, webhook, facts, reason, tries, first_at, died_at"
_KEEP = f"""
    INSERT INTO fanfare_dead_letters ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (id) DO UPDATE SET (reason, tries, died_at) =
        ROW (EXCLUDED.reason, EXCLUDED.tries, EXCLUDED.died_at)
"""  # noqa: S608 - our own names
_PRUNE = """
    DELETE FROM fanfare_dead_letters WHERE died_at < $1 OR (died_at, id) <= (
        SELECT died_at, id FROM fanfare_dead_letters ORDER BY died_at DESC, id DESC
        OFFSET $2 LIMIT 1
    )
"""
_SELECTED = """
    FROM fanfare_dead_letters WHERE ($1 = '' OR app = $1) AND ($2 = '' OR webhook = $2)
    AND ($3::text[] = '{}' OR id = ANY ($3))
"""
_COUNT = f"SELECT count(*) {_SELECTED}"
_READ = f"""
    SELECT {_COLUMNS} {_SELECTED} AND (died_at, id) > ($4, $5) ORDER BY died_at, id LIMIT $6
"""
# Of two that erase at once, neither writes back what the other took out.
_LOCKED = f"{_READ} FOR UPDATE"
_REMOVE = "DELETE FROM fanfare_dead_letters WHERE id = ANY ($1)"
_CUT = "UPDATE fanfare_dead_letters SET facts = $2 WHERE id = $1"


class PostgresDeadLetters:
    """
    Dead letters that outlast processes.  See `DeadLetters`.

    Args:
        connection: Opened by the caller.
        most: How many are kept.
        max_age: Seconds for which they are.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        most: int,
        max_age: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._most = most
        self._max_age = max_age
        self._clock = clock
        self._kept = 0

    async def check(self) -> None:
        """See `DeadLetters.check`."""
        await self.read(Selection(), limit=0)

    async def keep(self, letter: DeadLetter) -> None:
        """See `DeadLetters.keep`."""
        async with self._connection.acquired(by="writer") as connection:
            await connection.execute(_KEEP, *_row(letter))
            if self._kept % PRUNE_EVERY == 0:
                oldest = _instant(self._clock() - self._max_age)
                await connection.execute(_PRUNE, oldest, self._most)
            self._kept += 1

    async def count(self, selection: Selection) -> int:
        """See `DeadLetters.count`."""
        async with self._connection.acquired() as connection:
            return int(await connection.fetchval(_COUNT, *_terms(selection)))

    async def read(
        self, selection: Selection, *, after: LetterPlace = START, limit: int
    ) -> Sequence[DeadLetter]:
        """See `DeadLetters.read`."""
        died_at, last = after
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_READ, *_terms(selection), _instant(died_at), last, limit)
        return [*map(_letter, rows)]

    async def remove(self, ids: Collection[str]) -> None:
        """See `DeadLetters.remove`."""
        async with self._connection.acquired(by="writer") as connection:
            await connection.execute(_REMOVE, [*ids])

    async def erase(self, app: str, user: str) -> int:
        """See `DeadLetters.erase`; where it breaks off, what was done stays done."""
        told, after = 0, START
        while True:
            async with self._connection.acquired(by="writer") as connection:
                page = await self._erase_page(connection, Selection(app=app), after, user=user)
            if page is None:
                return told
            told, after = told + page[0], page[1]

    async def _erase_page(
        self, connection: Any, selection: Selection, after: LetterPlace, *, user: str
    ) -> tuple[int, LetterPlace] | None:
        """Erase a user in the next letters; return how many told, and the last place."""
        terms = *_terms(selection), _instant(after[0]), after[1], PAGE
        async with connection.transaction():
            letters = [*map(_letter, await connection.fetch(_LOCKED, *terms))]
            if not letters:
                return None
            rest = [each.without(user) for each in letters]
            told = [cut for cut, whole in zip(rest, letters, strict=True) if cut != whole]
            await connection.execute(_REMOVE, [each.id for each in told if not each.facts])
            kept = [(each.id, _written(each.facts)) for each in told if each.facts]
            await connection.executemany(_CUT, kept)
        return len(told), letters[-1].place


def _terms(selection: Selection) -> tuple[str, str, list[str]]:
    return selection.app, selection.webhook, [*selection.ids]


def _row(letter: DeadLetter) -> list[Any]:
    facts = _written(letter.facts)
    head = [letter.id, letter.app, letter.webhook, facts, letter.reason, letter.tries]
    return [*head, _instant(letter.first_at), _instant(letter.died_at)]


def _written(facts: Sequence[Fact]) -> str:
    return write([msgspec.to_builtins(fact) for fact in facts]).decode()


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    facts = _FACTS.read(row["facts"])
    instants = {name: row[name].timestamp() for name in ("first_at", "died_at")}
    return DeadLetter(**{**row, "facts": facts, **instants})


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
