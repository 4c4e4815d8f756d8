"""What auth ends is ended at every gateway: tokens that are revoked, and memberships that are over."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.support.clients import pusher
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import Visitor
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import Guarded, complaints, said
from tests.support.deployments.program import Program
from tests.support.fakes.muffler import Muffler, muffled
from tests.support.servers import fresh_database
from tests.support.tokens import user_tokens
from tests.support.tokens.keys import pair


class Issuing(Guarded):
    """One with a key for channel tokens too."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        public, private = pair("EdDSA")
        key = f"[[tokens.keys]]\nkid = 'k'\npublic_key = '''{public}'''\n"
        key += f"private_key = '''{private}'''\n"
        file.write_text(file.read_text() + key)
        return file


class Stage(NamedTuple):
    """Two gateways, of which the second reaches Redis by a way of its own, and auth beside them."""

    gateways: tuple[Program, Program]
    auth: Program
    way: Muffler


@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> AsyncIterator[Stage]:
    fleet = Issuing(tmp_path_factory.mktemp("tokens"), redis=redis_url)
    async with fresh_database(postgres_url, fleet.prefix) as url, muffled(redis_url) as way:
        memberships = {"FANFARE_BACKENDS_MEMBERSHIPS": url}
        apart = {"FANFARE_BACKENDS_BUS": way.url, "FANFARE_BACKENDS_ROSTER": way.url}
        await migrate(fleet.write_settings(), fleet.environ | memberships)
        async with (
            fleet.running("gateway") as one,
            fleet.running("gateway", **apart) as two,
            fleet.running("auth", **memberships) as auth,
        ):
            yield Stage((one, two), auth, way)


def refusals(guest: Visitor, channel: str) -> list[int]:
    """Return the statuses with which a channel was refused, or taken away."""
    return [
        frame["data"]["status"]
        for frame in guest.frames
        if (frame["event"], frame.get("channel")) == ("pusher:subscription_error", channel)
    ]


def has_heard(guest: Visitor, channel: str, *statuses: int) -> Callable[[], bool]:
    return lambda: refusals(guest, channel) == list(statuses)


async def grant(auth: Program, guest: Visitor, channel: str) -> Any:
    """Return what auth gives the user ann for a channel; None where she may not have it."""
    form = {"socket_id": guest.socket_id, "channel_name": channel}
    headers = {"Authorization": f"Bearer {user_tokens.token(sub='ann')}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{auth.url}/broadcasting/auth", data=form, headers=headers) as response,
    ):
        assert response.status in {200, 403}, await response.text()
        return await response.json() if response.status == 200 else None


class TestRevoked:
    """``POST /auth/revoke``."""

    @pytest.mark.parametrize("what", ["token", "jti", "user"])
    async def test_everywhere(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd, what: str
    ) -> None:
        """What a token opened is lost at both gateways, and neither takes it again; no log has it."""
        user, channel = f"u{secrets.token_hex(4)}", f"private-{secrets.token_hex(4)}"
        fields = {"user": user, "channels": ["private-*"], "ttl": 60}
        answer = await backend.send("POST", stage.auth.url, "/auth/tokens", **fields)
        assert answer.status == 200, answer.body
        issued = answer.body | {"user": user}
        frame = pusher.subscribe(channel, auth=issued["token"])
        for guest in guests:
            await guest.say(frame)
            await guest.until_in(channel)

        body = {what: issued[what]}
        assert (await backend.send("POST", stage.auth.url, "/auth/revoke", **body)).status == 200

        for guest in guests:
            await guest.until(has_heard(guest, channel, 401))
            await guest.say(frame)
            await guest.until(has_heard(guest, channel, 401, 401))
            assert guest.is_open
        for process in (*stage.gateways, stage.auth):
            assert issued["token"].split(".")[1] not in process.log.read_text()
            assert not complaints(process)

    async def test_cut_off(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd
    ) -> None:
        """A gateway that was cut off from Redis ends when it is back what they had opened, and takes none again."""
        near, far = guests
        revoked = []
        for what in ("token", "jti", "user"):
            user, channel = f"u{secrets.token_hex(4)}", f"private-{secrets.token_hex(4)}"
            fields = {"user": user, "channels": ["private-*"], "ttl": 60}
            answer = await backend.send("POST", stage.auth.url, "/auth/tokens", **fields)
            issued = answer.body | {"user": user}
            frame = pusher.subscribe(channel, auth=issued["token"])
            revoked.append(({what: issued[what]}, channel, frame))
            for guest in guests:
                await guest.say(frame)
                await guest.until_in(channel)

        stage.way.sever()
        for body, channel, _ in revoked:
            answer = await backend.send("POST", stage.auth.url, "/auth/revoke", **body)
            assert answer.status == 200
            await near.until(has_heard(near, channel, 401))
            assert refusals(far, channel) == []
        stage.way.mend()

        for _, channel, frame in revoked:
            await far.until(has_heard(far, channel, 401))
            await far.say(frame)
            await far.until(has_heard(far, channel, 401, 401))
        assert far.is_open


class TestMemberships:
    """``DELETE /auth/memberships``."""

    async def test_over(
        self, stage: Stage, guests: tuple[Visitor, Visitor], backend: BackEnd
    ) -> None:
        """Who is no member any more loses the channel at both gateways, and opens it with no old permission."""
        team = secrets.token_hex(4)
        channel, member = f"private-team.{team}", {"user": "ann", "group": f"team:{team}"}
        url, path = stage.auth.url, "/auth/memberships"
        assert (await backend.send("PUT", url, path, **member)).body == {"changed": 1}
        frames = []
        for guest in guests:
            given = await grant(stage.auth, guest, channel)
            frames.append(pusher.subscribe(channel, **given))
            await guest.say(frames[-1])
            await guest.until_in(channel)

        assert (await backend.send("DELETE", url, path, **member)).body == {"changed": 1}

        for guest, frame in zip(guests, frames, strict=True):
            await guest.until(has_heard(guest, channel, 403))
            await guest.say(frame)
            await guest.until(has_heard(guest, channel, 403, 403))
            assert await grant(stage.auth, guest, channel) is None
        assert (await backend.send("PUT", url, path, **member)).status == 200
        given = await grant(stage.auth, guests[0], channel)
        await guests[0].say(pusher.subscribe(channel, **given))
        await guests[0].until(lambda: len(guests[0].frames) > 4)
        assert guests[0].frames[-1]["event"] == "pusher_internal:subscription_succeeded"
        assert all(said(gateway, "user.expelled") for gateway in stage.gateways)
