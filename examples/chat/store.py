"""The chat's messages and users in PostgreSQL, on the tables of schema.sql."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

NEWEST = 50  # Messages that a page shows when it opens a conversation.
TIMEOUT = 10.0  # Seconds in which PostgreSQL must have answered.

_MESSAGES = """
SELECT * FROM (
    SELECT * FROM chat_messages
    WHERE CASE WHEN $2::bigint IS NULL THEN recipient_id IS NULL
          ELSE (user_id, recipient_id) IN (($1, $2), ($2, $1)) END
    ORDER BY id DESC LIMIT $3
) AS newest ORDER BY id
"""
_MARK_READ = """
WITH changed AS (
    UPDATE chat_messages SET is_read = true
    WHERE id <= $1 AND user_id <> $2 AND NOT is_read
      AND recipient_id IS NOT DISTINCT FROM $3 AND ($3::bigint IS NULL OR user_id = $4)
    RETURNING user_id, id
)
SELECT user_id, max(id) AS id FROM changed GROUP BY user_id
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who chats."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """
    A message.

    Attributes:
        id: Grows with each message, and so says how far somebody has read.
        user_id: Who wrote it.
        recipient_id: For whom; None: for everyone.
        message: The text.
        is_read: Whether somebody else has read it.
        created_at: When it was written.
    """

    id: int
    user_id: int
    recipient_id: int | None
    message: str
    is_read: bool
    created_at: datetime

    @property
    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.id,
            "user_id": self.user_id,
            "recipient_id": self.recipient_id,
            "message": self.message,
            "is_read": self.is_read,
            "created_at": self.created_at.isoformat(),
        }


class NoSuchMessage(Exception):
    """There is no such message, or it is not for the one who asks."""


class NoSuchUser(Exception):
    """There is no such user."""


class Store:
    """
    The tables.

    Args:
        pool: Connections to the database.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def log_in(self, name: str) -> User:
        """Return the user of a name, who is made where there is none."""
        query = (
            "INSERT INTO users (name) VALUES ($1) "
            "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, name"
        )
        return User(**await self._pool.fetchrow(query, name))

    async def users(self) -> list[User]:
        """Return all users, by their names."""
        return [User(**row) for row in await self._pool.fetch("SELECT * FROM users ORDER BY name")]

    async def add(self, author: User, message: str, *, recipient_id: int | None = None) -> Message:
        """
        Keep a message.

        Raises:
            NoSuchUser: The recipient, or the author, does not exist.
        """
        query = (
            "INSERT INTO chat_messages (user_id, recipient_id, message) VALUES ($1, $2, $3) "
            "RETURNING *"
        )
        try:
            row = await self._pool.fetchrow(query, author.id, recipient_id, message)
        except asyncpg.ForeignKeyViolationError as error:
            raise NoSuchUser from error
        return Message(**row)

    async def messages(self, reader: User, *, other_id: int | None) -> list[Message]:
        """Return the newest messages for everyone, or those with one other user, oldest first."""
        rows = await self._pool.fetch(_MESSAGES, reader.id, other_id, NEWEST)
        return [Message(**row) for row in rows]

    async def message(self, id_: int, reader: User) -> Message:
        """
        Return a message that a user may read.

        Raises:
            NoSuchMessage: There is none.
        """
        query = (
            "SELECT * FROM chat_messages "
            "WHERE id = $1 AND (recipient_id IS NULL OR $2 IN (user_id, recipient_id))"
        )
        row = await self._pool.fetchrow(query, id_, reader.id)
        if row is None:
            raise NoSuchMessage
        return Message(**row)

    async def mark_read(self, message: Message, reader: User) -> Sequence[tuple[int, int]]:
        """
        Set `is_read` of a message and of those before it that others wrote to the same people.

        Returns:
            Whose messages nobody had read before: the author, and the newest of them.
        """
        arguments = (message.id, reader.id, message.recipient_id, message.user_id)
        rows = await self._pool.fetch(_MARK_READ, *arguments)
        return [(row["user_id"], row["id"]) for row in rows]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """Open the database, with its tables made, and close it with the context."""
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    async with asyncpg.create_pool(url, command_timeout=TIMEOUT) as pool:
        await pool.execute(schema)
        yield Store(pool)
