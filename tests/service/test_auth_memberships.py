"""Memberships: written over HTTP and by topic, asked for by policies, seen at once, and missed with care."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import hdrs

from libs.common.address import Url
from libs.common.apps import App
from libs.common.belonging import Membership, NotKeptHere
from libs.common.control import MemoryControl
from libs.common.eventlog import MemoryEventLog
from libs.common.limits import Limits
from libs.common.memberships import Memberships, MemoryMemberships
from libs.common.memberships_postgres import PostgresMemberships
from libs.common.migrations_postgres import migrate
from libs.common.orders import Order
from libs.common.policy_settings import ChannelPolicy
from libs.common.records import NewRecord
from libs.common.token_settings import DEFAULT_MAX_TTL
from libs.common.tokens import LEEWAY
from services.auth.membership_requests import MOST
from services.auth.settings import AuthSettings, MembershipSettings
from tests.support.auth import ISSUERS, NOW, ONE, TWO, Client, fields, serving
from tests.support.backends import signed
from tests.support.memberships import Breaking, connected, cut_off
from tests.support.servers import Server, postgres_server
from tests.support.servers.process import eventually
from tests.support.tenants import operated
from tests.support.tokens import token

DEADLINE = 20.0
CLOCKS = 10.0  # Seconds by which two clocks of this machine may differ at most.
PATH = "/auth/memberships"
INSERT = (
    "INSERT INTO fanfare_memberships (app, user_id, group_name) VALUES ('1', '7', 'campaign:5')"
)
ANN = Membership("1", "7", "campaign:5")
POLICIES = (
    ChannelPolicy(app="1", pattern="private-campaign.{id}", member_of="campaign:{id}"),
    ChannelPolicy(app="2", pattern="private-campaign.{id}", member_of="campaign:{id}"),
)


class Elsewhere(MemoryMemberships):
    """Memberships that are not kept here."""

    async def put(self, memberships: Collection[Membership]) -> int:
        _ = memberships
        raise NotKeptHere


@dataclass(frozen=True, slots=True)
class Site:
    """Auth around memberships, and those who use it."""

    client: Client
    memberships: Breaking
    control: MemoryControl

    async def status(self, channel: str = "private-campaign.5", app: str = "one") -> int:
        """Tell what user 7 is answered."""
        response = await self.client.ask(channel, f"/broadcasting/auth?app_key={app}")
        return response.status

    async def becomes(self, status: int) -> None:
        """Wait until user 7 is answered otherwise."""

        async def is_so() -> bool:
            return await self.status() == status

        await eventually(is_so, timeout=DEADLINE)

    async def ordered(self) -> Order:
        """Wait for the first order."""
        async with asyncio.timeout(DEADLINE), self.control.listen() as listener:
            while True:
                for order in await listener.receive(DEADLINE):
                    return order

    async def write(self, method: str, body: Any, **params: str | None) -> tuple[int, Any]:
        """Put or remove memberships as a back end of the first app; other parameters as in `signed`."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        query = signed(ONE, PATH, data, method, **params)
        url = f"{self.client.base}{PATH}?{query}"
        async with aiohttp.request(method, url, data=data) as response:
            return response.status, await response.json()


@asynccontextmanager
async def site(
    memberships: Memberships,
    *,
    app: App = ONE,
    events: MemoryEventLog | None = None,
    clock: Callable[[], float] = lambda: NOW,
    **settings: Any,
) -> AsyncIterator[Site]:
    breaking, control = Breaking(memberships), MemoryControl(clock)
    async with serving(
        app,
        TWO,
        settings=AuthSettings(issuers=ISSUERS, memberships=MembershipSettings(**settings)),
        memberships=breaking,
        control=control,
        events=events,
        policies=POLICIES,
        clock=clock,
    ) as (client, _):
        yield Site(client, breaking, control)


@pytest.fixture
async def memory() -> AsyncIterator[Site]:
    """Auth around memberships in memory."""
    async with site(MemoryMemberships()) as opened:
        yield opened


class TestWriting:
    """``PUT`` and ``DELETE /auth/memberships``."""

    async def test_one(self, memory: Site) -> None:
        """What was put or removed counts for the next request, whatever was answered before."""
        one = {"user": "7", "group": "campaign:5"}
        assert await memory.status() == 403

        assert await memory.write(hdrs.METH_PUT, one) == (200, {"changed": 1})
        assert await memory.status() == 200
        assert await memory.write(hdrs.METH_PUT, one) == (200, {"changed": 0})

        assert await memory.write(hdrs.METH_DELETE, one) == (200, {"changed": 1})
        assert await memory.status() == 403
        assert await memory.write(hdrs.METH_DELETE, one) == (200, {"changed": 0})

    async def test_many(self, memory: Site) -> None:
        pairs = [{"user": "7", "group": f"campaign:{number}"} for number in range(MOST)]

        assert await memory.write(hdrs.METH_PUT, {"memberships": pairs}) == (200, {"changed": MOST})
        assert await memory.status("private-campaign.999") == 200

    async def test_own_app(self, memory: Site) -> None:
        """A back end speaks for the app whose key signs."""
        await memory.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})

        assert await memory.status(app="two") == 403

    @pytest.mark.parametrize(
        "params", [{"auth_signature": "0" * 64}, {"auth_key": "two"}, {"auth_timestamp": "1"}]
    )
    async def test_unsigned(self, memory: Site, params: dict[str, str]) -> None:
        one = {"user": "7", "group": "campaign:5"}

        status, _ = await memory.write(hdrs.METH_PUT, one, **params)

        assert status == 401
        assert not await memory.memberships.has(ANN)

    @pytest.mark.parametrize(
        "body,reason",
        [
            ({"user": "7"}, "missing required field `group`"),
            ({"user": "", "group": "x"}, "a membership's user is a text of 1 to 200 characters"),
            ({"memberships": []}, "length >= 1"),
            (b"user=7", "the body is no JSON"),
        ],
    )
    async def test_refused(self, memory: Site, body: Any, reason: str) -> None:
        status, answer = await memory.write(hdrs.METH_PUT, body)

        assert status == 400
        assert reason in answer["error"]

    async def test_kept_elsewhere(self) -> None:
        """What a query of the operator's reads is not written here."""
        async with site(Elsewhere()) as opened:
            status, answer = await opened.write(hdrs.METH_PUT, {"user": "7", "group": "x"})

        assert status == 409
        assert answer == {"error": str(NotKeptHere())}

    async def test_too_often(self) -> None:
        """Back ends are held to the app's rate of auth requests."""
        slow = msgspec.structs.replace(ONE, limits=Limits(auth_requests=0.001))
        async with site(MemoryMemberships(), app=slow) as opened:
            one = {"user": "7", "group": "x"}
            answers = [(await opened.write(hdrs.METH_PUT, one))[0] for _ in range(2)]

        assert answers == [200, 429]

    async def test_expelled(self, memory: Site) -> None:
        """A removal is told to every gateway."""
        one = {"user": "7", "group": "campaign:5"}
        await memory.write(hdrs.METH_PUT, one)
        await memory.write(hdrs.METH_DELETE, one)

        order = await memory.ordered()

        assert (order.verb, order.subject, order.channels) == (
            "expel",
            "7",
            ("private-campaign.5",),
        )


class TestAsking:
    """Who asks at the same time waits for one question."""

    async def test_one_question(self, memory: Site) -> None:
        memory.memberships.answering.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(memory.status()) for _ in range(20)]
            await memory.memberships.asked.wait()
            memory.memberships.answering.set()

        assert {task.result() for task in asked} == {403}
        assert memory.memberships.questions == 1

    async def test_away(self, memory: Site) -> None:
        """Nobody is let in, nor told that they may not be: 503, with a time to come back."""
        memory.memberships.is_away = True

        response = await memory.client.ask("private-campaign.5", "/pusher/auth?app_key=one")

        assert response.status == 503
        assert response.headers["Retry-After"] == "1"


class TestTopic:
    """A topic of the event log tells of memberships."""

    async def test_topic(self) -> None:
        """Records begin and end memberships; those that cannot be read are passed over."""
        events = MemoryEventLog()
        async with site(MemoryMemberships(), events=events, topic="members") as opened:
            await events.append(
                [
                    NewRecord("members", b"{}", b"nonsense"),
                    NewRecord("members", b"{}", b"1/7/campaign:5"),
                ]
            )
            await opened.becomes(200)

            await events.append([NewRecord("members", None, b"1/7/campaign:5")])
            await opened.becomes(403)


@asynccontextmanager
async def on_postgres(url: str, *, clock: Callable[[], float] = lambda: NOW) -> AsyncIterator[Site]:
    await migrate(Url(url))
    async with (
        connected(url, connect_timeout=1.0, command_timeout=1.0) as connection,
        site(PostgresMemberships(connection), clock=clock) as opened,
    ):
        yield opened


class TestPostgres:
    """Memberships in PostgreSQL."""

    async def test_by_hand(self, database_url: str) -> None:
        """A row that somebody writes is seen within a moment, whatever was answered before."""
        async with on_postgres(database_url) as opened, operated(database_url) as operator:
            await opened.becomes(403)

            await operator.execute(INSERT)
            await opened.becomes(200)

            await operator.execute("DELETE FROM fanfare_memberships")
            await opened.becomes(403)

            order = await opened.ordered()
        assert order.channels == ("private-campaign.5",)

    async def test_two_processes(self, database_url: str) -> None:
        """What one process writes, the other sees within a moment."""
        one = {"user": "7", "group": "campaign:5"}
        async with on_postgres(database_url) as first, on_postgres(database_url) as second:
            await second.becomes(403)

            await first.write(hdrs.METH_PUT, one)
            await second.becomes(200)

            await first.write(hdrs.METH_DELETE, one)
            await second.becomes(403)

    async def test_nobody_listened(self, database_url: str) -> None:
        """A row that is deleted while no auth runs is told to gateways by the next that does."""
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
        async with operated(database_url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships")
            await operator.execute(
                "UPDATE fanfare_removals SET removed_at = removed_at - interval '30 minutes'"
            )
        removed_at = time.time() - 30 * 60

        async with on_postgres(database_url, clock=time.time) as opened:
            order = await opened.ordered()

        assert (order.subject, order.channels) == ("7", ("private-campaign.5",))
        assert order.issued_at == pytest.approx(removed_at + 60, abs=CLOCKS)
        assert order.expires_at == pytest.approx(order.issued_at + DEFAULT_MAX_TTL + LEEWAY)

    async def test_cut_off(self, database_url: str) -> None:
        """So is one that is deleted while auth has lost its connections."""
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await self.remembered(opened)
            async with cut_off(database_url) as operator:
                await operator.execute("DELETE FROM fanfare_memberships")

            order = await opened.ordered()
            await opened.becomes(403)

        assert (order.subject, order.channels) == ("7", ("private-campaign.5",))

    async def test_back_again(self, database_url: str) -> None:
        """Who was removed and put again while no auth ran is not sent away."""
        other = {"user": "8", "group": "campaign:5"}
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await opened.write(hdrs.METH_PUT, other)
        async with operated(database_url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships WHERE user_id = '7'")
            await operator.execute("DELETE FROM fanfare_memberships WHERE user_id = '8'")
            await operator.execute(INSERT)

        async with on_postgres(database_url) as opened:
            order = await opened.ordered()

        assert order.subject == "8"

    async def test_stopped(self) -> None:
        """PostgreSQL stopped: what was answered lately still decides, anything else is 503."""
        async with postgres_server() as server, on_postgres(server.url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await self.remembered(opened)

            await server.stop()

            assert await opened.status() == 200
            assert await opened.status("private-campaign.6") == 503

            await self.changed_while_away(server, opened)

    async def remembered(self, opened: Site) -> None:
        """Wait until an answer is remembered: listening begins with forgetting."""

        async def is_so() -> bool:
            before = opened.memberships.questions
            return await opened.status() == 200 and opened.memberships.questions == before

        await eventually(is_so, timeout=DEADLINE)

    async def changed_while_away(self, server: Server, opened: Site) -> None:
        """When it is back, all is asked for again."""
        await server.start()
        async with operated(server.url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships")
        await opened.becomes(403)


class TestSeveral:
    """Many channels in one request."""

    async def test_form_and_json(self, memory: Site) -> None:
        """Each channel is answered for itself, and the whole with 200."""
        await memory.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
        names = ["private-campaign.5", "private-campaign.6", "bad name", "#server-to-user-7"]
        path = "/broadcasting/auth?app_key=one"
        headers = {"Authorization": f"Bearer {token()}"}
        form = [("socket_id", "1.2"), *(("channel_name[]", name) for name in names)]

        by_form = await fields(await memory.client.post(path, data=form, headers=headers))
        by_json = await fields(
            await memory.client.post(
                path, json={"socket_id": "1.2", "channels": names}, headers=headers
            )
        )

        granted, *refused = [by_json["channels"][name] for name in names]
        assert by_form["channels"].keys() == by_json["channels"].keys()
        assert [by_form["channels"][name] for name in names[1:]] == refused
        assert granted.keys() == {"auth", "channel_data"}
        assert [each["status"] for each in refused] == [403, 400, 403]
        assert refused[0] == {"error": "you may not join this channel", "status": 403}

    async def test_one_call(self, memory: Site) -> None:
        """Whether the user belongs to many groups is asked in one call."""
        names = [f"private-campaign.{number}" for number in range(100)]
        answer = await fields(
            await memory.client.post(
                "/pusher/auth?app_key=one",
                json={"socket_id": "1.2", "channels": names},
                headers={"Authorization": f"Bearer {token()}"},
            )
        )

        assert {each["status"] for each in answer["channels"].values()} == {403}
        assert [len(call) for call in memory.memberships.calls] == [100]

    async def test_away(self, memory: Site) -> None:
        """What cannot be told now is said of the channels that it concerns."""
        memory.memberships.is_away = True
        answer = await fields(
            await memory.client.post(
                "/pusher/auth?app_key=one",
                json={"socket_id": "1.2", "channels": ["private-campaign.5", "private-none"]},
                headers={"Authorization": f"Bearer {token()}"},
            )
        )

        statuses = {name: each["status"] for name, each in answer["channels"].items()}
        assert statuses == {"private-campaign.5": 503, "private-none": 403}
