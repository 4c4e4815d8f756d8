"""What an app's back ends store or cost others is bounded (docs/adr/0035-tenants-apart.md)."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.hdrs import METH_DELETE as DELETE
from aiohttp.hdrs import METH_PUT as PUT
from msgspec import structs

from libs.common.apps.limits import Limits
from libs.common.control.commands import Command
from libs.common.memberships.memory import MemoryMemberships
from libs.common.rates.limited import refusals_by_limit
from services.auth.memberships.expulsion import VERB
from tests.support.clients.token_calls import JSON, FaultyControl, TokenCaller
from tests.support.services.auth import NOW, ONE, TWO, reason, serving
from tests.support.services.auth_memberships import ANN, Site, site
from tests.support.tokens.keys import settings


@asynccontextmanager
async def limited(**limits: Any) -> AsyncIterator[tuple[TokenCaller, TokenCaller, FaultyControl]]:
    """Serve an app with these limits, and another one with none of them."""
    control, one = FaultyControl(lambda: NOW), structs.replace(ONE, limits=Limits(**limits))
    async with serving(one, TWO, tokens=settings(), control=control) as (client, _):
        yield TokenCaller(client, one), TokenCaller(client, TWO), control


class TestTokens:
    """Each takes a signature."""

    async def test_rate(self) -> None:
        async with limited(tokens=2) as (one, other, _):
            for _ in range(2):
                await one.issued()
            refused = await one.ask("/auth/tokens", b'{"user": "7"}', JSON)
            await other.issued()

            assert refused.status == 429
            assert refused.headers["Retry-After"] == "1"
            assert "limits.tokens" in await reason(refused)


class TestRevocations:
    """Each is remembered for as long as a token can live."""

    async def test_rate(self) -> None:
        before = Counter(refusals_by_limit())
        async with limited(revocations=2) as (one, other, control):
            answers = [await one.revoke(jti=jti) for jti in "abc"]
            others = await other.revoke(user="7")

            assert [answer.status for answer in (*answers, others)] == [200, 200, 429, 200]
            assert answers[2].headers["Retry-After"] == "1"
            assert "limits.revocations" in await reason(answers[2])
            assert [command.subject for command in control.sent] == ["a", "b", "7"]
        assert Counter(refusals_by_limit()) - before == {"revocations": 1}

    async def test_in_force(self) -> None:
        """
        What was confirmed stays in force: the one that is too much is refused.
        """
        async with limited(commands=1) as (one, other, control):
            text = await one.issued(ttl=600)
            first = await one.revoke(token=text)
            second = await one.revoke(user="7")
            others = await other.revoke(user="7")

            assert [answer.status for answer in (first, second, others)] == [200, 429, 200]
            assert second.headers["Retry-After"] == "600"
            assert "limits.commands" in await reason(second)
            assert [command.app for command in control.sent] == [ONE.id, TWO.id]
            assert not await one.is_active(text)

    async def test_nothing_to_revoke(self) -> None:
        """
        What needs no command costs none.
        """
        async with limited(revocations=1, commands=1) as (one, _, control):
            answers = [await one.revoke(token="nonsense") for _ in range(3)]

            assert [answer.status for answer in answers] == [200] * 3
            assert control.sent == []

    @pytest.mark.parametrize(
        "user, status", [("u" * 128, 200), ("u" * 129, 400), ("a\x00", 400), ("\u200b", 400)]
    )
    async def test_user(self, user: str, status: int) -> None:
        """
        A user's id keeps the rule of all users' ids.
        """
        async with limited() as (one, _, control):
            answer = await one.revoke(user=user)

            assert answer.status == status
            assert len(control.sent) == (status == 200)


class TestMemberships:
    """Each that is put is stored, and each that is removed may become a command to gateways."""

    async def test_rate(self) -> None:
        """
        A batch counts for as many as it has; one for a second's worth at most.
        """
        before = Counter(refusals_by_limit())
        async with belonging(memberships=3) as here:
            assert [await write(here, PUT, count) for count in (2, 1, 1)] == [200, 200, 429]
        async with belonging(memberships=3) as here:
            assert [await write(here, PUT, count) for count in (1000, 1)] == [200, 429]
        assert Counter(refusals_by_limit()) - before == {"memberships": 2}

    async def test_removals(self) -> None:
        """
        While as many users are kept out of channels as may be, nobody is removed from a group.
        """
        async with belonging(commands=1) as here:
            await here.control.send(expelled(TWO.id))
            await write(here, PUT, 2)
            first = await write(here, DELETE, 1)
            await here.control.send(expelled(ONE.id))

            assert first == 200
            assert await write(here, DELETE, 2) == 429
            assert await here.memberships.has(ANN._replace(group="1"))
            assert await write(here, PUT, 1) == 200

    async def test_control_away(self) -> None:
        """
        While nobody can tell how many there are, whoever must go goes.
        """
        control = FaultyControl(lambda: NOW)
        async with belonging(control, commands=1) as here:
            await write(here, PUT, 1)
            await control.send(expelled(ONE.id))
            control.is_away = True

            assert await write(here, DELETE, 1) == 200


@asynccontextmanager
async def belonging(control: FaultyControl | None = None, **limits: Any) -> AsyncIterator[Site]:
    """Serve auth around memberships, for an app with these limits."""
    app = structs.replace(ONE, limits=Limits(**limits))
    async with site(MemoryMemberships(lambda: NOW), app=app, control=control) as here:
        yield here


async def write(here: Site, method: str, count: int) -> int:
    """Put or remove user 7 in so many groups, which open nothing; return the status."""
    named = [{"user": ANN.user, "group": str(number)} for number in range(count)]
    status, _ = await here.write(method, {"memberships": named})
    return status


def expelled(app: str) -> Command:
    return Command(VERB, app, "ann", NOW, NOW + 300, channels=("private-x",))
