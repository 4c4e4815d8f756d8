"""Who is removed from a group while no auth process hears of it loses its channels nevertheless, at every gateway."""

import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import NamedTuple

import aiohttp
import pytest

from tests.support.clients import pusher
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import APP, Guarded, complaints
from tests.support.deployments.program import Program
from tests.support.ports.apps import operated
from tests.support.ports.memberships import cut_off
from tests.support.servers import fresh_database
from tests.support.tokens import user_tokens

_DELETE = "DELETE FROM fanfare_memberships WHERE user_id = $1"
_INSERT = "INSERT INTO fanfare_memberships (app, user_id, group_name) VALUES ('1', $1, $2)"


class Stage(NamedTuple):
    """Two gateways, and what auth beside them needs."""

    fleet: Guarded
    gateways: tuple[Program, Program]
    database: str

    @property
    def variables(self) -> dict[str, str]:
        """What tells auth where memberships are."""
        return {"FANFARE_BACKENDS_MEMBERSHIPS": self.database}


@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> AsyncIterator[Stage]:
    fleet = Guarded(tmp_path_factory.mktemp("removals"), redis=redis_url)
    async with fresh_database(postgres_url, fleet.prefix) as url:
        await migrate(fleet.write_settings(), fleet.environ | {"FANFARE_BACKENDS_MEMBERSHIPS": url})
        async with fleet.running("gateway") as one, fleet.running("gateway") as two:
            yield Stage(fleet, (one, two), url)


class Member:
    """A user with a client at each gateway, in the channel of a team of its own."""

    def __init__(self, guests: list[Visitor]) -> None:
        self.user = f"u{secrets.token_hex(4)}"
        self.team = secrets.token_hex(4)
        self.channel = f"private-team.{self.team}"
        self._guests = guests

    async def join(self, stage: Stage, auth: Program) -> None:
        """Become a member, and let both clients in."""
        async with operated(stage.database) as operator:
            await operator.execute(_INSERT, self.user, f"team:{self.team}")
        for guest, gateway in zip(self._guests, stage.gateways, strict=True):
            await guest.connect(gateway.url)
            form = {"socket_id": guest.socket_id, "channel_name": self.channel}
            headers = {"Authorization": f"Bearer {user_tokens.token(sub=self.user)}"}
            async with (
                aiohttp.ClientSession() as http,
                http.post(f"{auth.url}/broadcasting/auth", data=form, headers=headers) as response,
            ):
                assert response.status == 200, await response.text()
                given = await response.json()
            await guest.say(pusher.subscribe(self.channel, **given))
            await guest.until_in(self.channel)

    async def until_out(self) -> None:
        """Wait until both were taken out."""
        for guest in self._guests:
            await guest.until(partial(self._is_out, guest))
            assert self._refusals(guest) == [403]
            assert guest.is_open

    def _is_out(self, guest: Visitor) -> bool:
        return bool(self._refusals(guest))

    def _refusals(self, guest: Visitor) -> list[int]:
        return [
            frame["data"]["status"]
            for frame in guest.frames
            if (frame["event"], frame.get("channel")) == ("pusher:subscription_error", self.channel)
        ]


@pytest.fixture
async def member() -> AsyncIterator[Member]:
    """Yield a user who is connected nowhere yet."""
    async with visitors(APP) as visitor:
        yield Member([visitor(), visitor()])


async def test_auth_stopped(stage: Stage, member: Member) -> None:
    """Its row is deleted while auth does not run: told when it runs again."""
    async with stage.fleet.running("auth", **stage.variables) as auth:
        await member.join(stage, auth)
    async with operated(stage.database) as operator:
        await operator.execute(_DELETE, member.user)

    async with stage.fleet.running("auth", **stage.variables) as auth:
        await member.until_out()

    assert not [each for each in (*stage.gateways, auth) if complaints(each)]


async def test_cut_off(stage: Stage, member: Member) -> None:
    """Its row is deleted while auth has no connection to PostgreSQL: told when it has one again."""
    async with stage.fleet.running("auth", **stage.variables) as auth:
        await member.join(stage, auth)

        async with cut_off(stage.database) as operator:
            await operator.execute(_DELETE, member.user)

        await member.until_out()
