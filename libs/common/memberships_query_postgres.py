"""
Memberships that the operator keeps in tables of their own, read with a query of theirs.  See `Memberships`.

The query runs in a read-only transaction.  Its parameters are texts: ``$1`` the app's id, ``$2`` the user's, ``$3``
the group, ``$4`` and ``$5`` the group's parts before and after its first colon.  Where PostgreSQL takes one for a
whole number or a UUID, because it is compared with such a column, it gets that; a text that spells none is in no
such column.  The user is a member if the query's first value is there, and neither null, false nor 0.
"""

import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn
from uuid import UUID

import asyncpg
import structlog

from libs.common.belonging import BadName, Membership, NotKeptHere, check_membership
from libs.common.connection_postgres import PostgresConnection, reason
from libs.common.errors import Unavailable
from libs.common.memberships import ChangeListener
from libs.common.memberships_postgres import BACKEND, PROBE, Listening

_PARAMETER = re.compile(r"\$([1-9][0-9]*)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INTEGERS = {"int2": 15, "int4": 31, "int8": 63}  # Type to bits, without the sign.

log = structlog.get_logger()


class QueriedMemberships:
    """
    Memberships behind a query.  See `Memberships`.

    Their changes are heard of where triggers call ``fanfare_memberships_notify``.

    Args:
        connection: Opened by the caller.
        query: SQL, see the module.
        probe: Seconds between two looks at the connection that listens.
    """

    def __init__(self, connection: PostgresConnection, query: str, *, probe: float = PROBE) -> None:
        self._connection = connection
        self._query, self._order = _compacted(query)
        self._probe = probe
        self._fault = ""

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`.  A query that fails counts as a backend that is away, and is said once."""
        try:
            check_membership(membership)
        except BadName:
            return False
        try:
            answer = await self._asked(membership)
        except Unavailable as error:
            self._failed(error)
            raise
        self._fault = ""
        return answer

    async def put(self, memberships: Collection[Membership]) -> int:
        """Refuse: they are kept elsewhere."""
        _refuse(memberships)

    async def remove(self, memberships: Collection[Membership]) -> int:
        """Refuse: they are kept elsewhere."""
        _refuse(memberships)

    async def of(self, app: str, user: str) -> tuple[str, ...]:
        """Refuse: the query answers one question, and lists nothing."""
        _refuse((app, user))

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeListener]:
        """See `Memberships.changes`."""
        async with Listening(self._connection, self._probe).opened() as waiting:
            yield waiting

    async def _asked(self, membership: Membership) -> bool:
        try:
            return await self._ask(membership)
        except (
            asyncpg.PostgresError
        ) as error:  # The query is the operator's, and may be mended there.
            raise Unavailable(BACKEND) from error

    async def _ask(self, membership: Membership) -> bool:
        kind, colon, name = membership.group.partition(":")
        texts = (*membership, *((kind, name) if colon else ("", kind)))
        async with (
            self._connection.acquired() as connection,
            connection.transaction(readonly=True),
        ):
            # Not kept: the operator's tables change without us, and a pooler keeps nothing for us.
            statement = await connection.prepare(self._query, name="")
            kinds = [parameter.name for parameter in statement.get_parameters()]
            values = [_value(texts[at], kind) for at, kind in zip(self._order, kinds, strict=True)]
            return None not in values and bool(await statement.fetchval(*values))

    def _failed(self, error: Unavailable) -> None:
        fault = reason(error)
        if fault != self._fault:
            log.error("memberships.query_failed", reason=fault)
        self._fault = fault


def _compacted(query: str) -> tuple[str, Sequence[int]]:
    """Number the parameters without gaps, as PostgreSQL wants them; return which of ours each is, from 0."""
    used = sorted({int(number) for number in _PARAMETER.findall(query)})
    places = {number: place for place, number in enumerate(used, start=1)}
    text = _PARAMETER.sub(lambda found: f"${places[int(found[1])]}", query)
    return text, [number - 1 for number in used]


def _value(text: str, kind: str) -> Any:
    """Make of a text what a type wants; None if it spells no value of that type, or not in the usual way."""
    bits = _INTEGERS.get(kind)
    if bits:
        return _integer(text, bits)
    return _uuid(text) if kind == "uuid" else text


def _integer(text: str, bits: int) -> int | None:
    if not _INTEGER.fullmatch(text):  # Two users, "7" and "07", must not be one.
        return None
    value = int(text)
    return value if -(2**bits) <= value < 2**bits else None


def _uuid(text: str) -> UUID | None:
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def _refuse(_: object) -> NoReturn:
    raise NotKeptHere
