"""
Memberships in tables of the operator's own, read with a query of theirs.  See `Memberships`.

The query runs in a read-only transaction.  Its parameters are texts: ``$1`` the app's id, ``$2``
the user's, ``$3`` the group, ``$4`` and ``$5`` the group's parts before and after its first colon.
Where PostgreSQL takes one for a whole number or a UUID, because it is compared with such a column,
it gets that; a text that spells none is in no such column.  The user is a member if the query's
first value is there, and neither null, false nor 0.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import structlog

from libs.common.errors import Unavailable
from libs.common.memberships.membership import Membership, NotKeptHere, can_be
from libs.common.memberships.port import ChangeListener
from libs.common.memberships.postgres import BACKEND, PROBE, Listening
from libs.common.postgres.connection import CANCELED, REFUSED, TROUBLE, PostgresConnection, reason

AT_ONCE = 200  # Memberships of one call: the query is run for one after the other.
LONGEST = 1.0  # Seconds that the query may take for one: with the budget less than a call has.
BUDGET = 0.5  # Seconds after which a call begins no further one, however slow the query is.

_PARAMETER = re.compile(r"\$([1-9][0-9]*)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INTEGERS = {"int2": 15, "int4": 31, "int8": 63}  # Type to bits, without the sign.

_NOBODY = Membership("fanfare", "0", "fanfare:0")  # Whom a check asks about.

log = structlog.get_logger()


class QueriedMemberships:
    """
    Memberships behind a query.  See `Memberships`.

    Their changes are heard of where triggers call ``fanfare_memberships_notify``.

    Args:
        connection: Opened by the caller.
        query: SQL, see the module.
        probe: Seconds between two looks at the connection that listens.
        budget: Seconds after which a call begins no further question.
    """

    at_once = AT_ONCE

    def __init__(
        self,
        connection: PostgresConnection,
        query: str,
        *,
        probe: float = PROBE,
        budget: float = BUDGET,
    ) -> None:
        self._connection = connection
        self._query, self._order = _compacted(query)
        self._probe = probe
        self._budget = budget
        self._fault = ""

    async def check(self) -> None:
        """See `Memberships.check`: the query must be one that PostgreSQL understands."""
        await self.ask([_NOBODY])
        self._connection.outage.ensure()

    async def ask(self, memberships: Collection[Membership]) -> dict[Membership, bool | None]:
        """
        See `Memberships.ask`.

        A query that fails before it is run counts as a backend that is away, and one that fails for
        a membership leaves that without an answer; it is said once.
        """
        try:
            answers = await self._asked(list(filter(can_be, dict.fromkeys(memberships))))
        except Unavailable as error:
            self._failed(error)
            raise
        if None not in answers.values():
            self._fault = ""
        return {each: False for each in memberships if not can_be(each)} | answers

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`."""
        answer = (await self.ask([membership]))[membership]
        if answer is None:
            raise Unavailable(BACKEND) from RuntimeError(self._fault)
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

    async def _asked(self, asked: Sequence[Membership]) -> dict[Membership, bool | None]:
        answers: dict[Membership, bool | None] = {}
        if not asked:
            return answers
        until = _now() + self._budget
        try:
            async with self._connection.acquired() as connection:
                while len(answers) < len(asked) and (not answers or _now() < until):
                    rest = asked[len(answers) :]
                    answers |= await self._transaction(connection, rest, until=until)
        except REFUSED as error:  # The query is the operator's, and may be mended.
            raise Unavailable(BACKEND) from error
        return answers

    async def _transaction(
        self, connection: Any, asked: Sequence[Membership], *, until: float
    ) -> dict[Membership, bool | None]:
        """Ask for one after the other, until time is over or one fails."""
        answers: dict[Membership, bool | None] = {}
        transaction = connection.transaction(readonly=True)
        await transaction.start()
        try:
            # Not kept: the operator's tables change without us, and a pooler keeps nothing for us.
            statement = await connection.prepare(self._query, name="")
            if not statement.get_attributes():
                raise Unavailable(BACKEND) from RuntimeError("the query has no column")
            kinds = [parameter.name for parameter in statement.get_parameters()]
            for membership in asked:
                answers[membership] = await self._answer(statement, membership, kinds)
                # A transaction in which one failed answers nothing more.
                if answers[membership] is None or _now() >= until:
                    break
        finally:
            await transaction.rollback()
        return answers

    async def _answer(
        self, statement: Any, membership: Membership, kinds: Sequence[str]
    ) -> bool | None:
        kind, colon, name = membership.group.partition(":")
        texts = (*membership, *((kind, name) if colon else ("", kind)))
        values = [_value(texts[at], kind) for at, kind in zip(self._order, kinds, strict=True)]
        if None in values:
            return False
        try:
            return bool(await statement.fetchval(*values, timeout=LONGEST))
        except (TimeoutError, CANCELED) as error:  # Too slow for this one.
            self._failed_with(error)
        except TROUBLE:
            raise
        except REFUSED as error:
            self._failed_with(error)
        return None

    def _failed_with(self, error: Exception) -> None:
        fault = Unavailable(BACKEND)
        fault.__cause__ = error
        self._failed(fault)

    def _failed(self, error: Unavailable) -> None:
        fault = reason(error)
        if fault != self._fault:
            log.error("memberships.query_failed", reason=fault)
        self._fault = fault


def _compacted(query: str) -> tuple[str, Sequence[int]]:
    """
    Number the parameters without gaps, as PostgreSQL wants them.

    Returns:
        The query, and which of our parameters each of its own is, from 0.
    """
    used = sorted({int(number) for number in _PARAMETER.findall(query)})
    places = {number: place for place, number in enumerate(used, start=1)}
    text = _PARAMETER.sub(lambda found: f"${places[int(found[1])]}", query)
    return text, [number - 1 for number in used]


def _value(text: str, kind: str) -> Any:
    """Make of a text what a type wants; None if it spells no value, or not in the usual way."""
    bits = _INTEGERS.get(kind)
    if bits:
        return _integer(text, bits)
    if kind == "numeric":
        return Decimal(text) if _INTEGER.fullmatch(text) else None
    if kind == "bpchar" and text.endswith(" "):  # PostgreSQL would not look at it.
        return None
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


def _now() -> float:
    return asyncio.get_running_loop().time()


def _refuse(_: object) -> NoReturn:
    raise NotKeptHere
