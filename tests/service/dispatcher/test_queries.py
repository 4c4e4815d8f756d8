"""The dispatcher over real HTTP: what back ends may ask, and what they are told."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.channels import Channel
from libs.common.roster.port import JoinRequest, Seat
from libs.common.tally.port import Count, Subject
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.services.dispatcher import APP, ServedDispatcher, served_dispatcher

CHANNELS = "/apps/1/channels"
ROOM = "presence-room"


@pytest.fixture
async def here() -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher() as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


@pytest.fixture
async def crowded(here: ServedDispatcher) -> ServedDispatcher:
    """Return a dispatcher of a deployment with two gateways, and clients on both."""
    await _subscribed(here, "g1", {"news": 2, "private-a": 1, "cache-last": 1, ROOM: 2})
    await _subscribed(here, "g2", {"news": 3, ROOM: 1})
    await here.tally.report("g1", [Count(Subject("channel", "2", "other"), 1)])
    await here.tally.report("g1", [Count(Subject("app", "1"), 7)])
    for number, user in enumerate(["7", "ann", "7"]):
        seat = Seat(Channel("1", ROOM), f"{number}.1", "g1")
        await here.roster.join([JoinRequest(seat, user, f'{{"name":"{user}"}}')])
    return here


async def _subscribed(here: ServedDispatcher, gateway: str, numbers: dict[str, int]) -> None:
    await here.tally.report(
        gateway, [Count(Subject("channel", "1", name), n) for name, n in numbers.items()]
    )


async def _cached(here: ServedDispatcher, name: str, data: str) -> None:
    broadcast = Broadcast(event_frame(name, "moved", data), 0.0)
    await here.bus.inner.publish([Publication(Channel("1", name), broadcast)])


class TestChannels:
    """Pusher, "HTTP API": GET channels."""

    async def test_occupied(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Those of the app that somebody is subscribed to, on any gateway, each an empty object.
        """
        answer = await backend.get(crowded.url, CHANNELS)

        expected: dict[str, Any] = {"news": {}, "private-a": {}, "cache-last": {}, ROOM: {}}
        assert (answer.status, answer.body) == (200, {"channels": expected})

    async def test_none(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """
        Without any, the answer is an empty object, and no list.
        """
        assert (await backend.get(here.url, CHANNELS)).body == {"channels": {}}

    async def test_vacated(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        A channel whose last subscriber went is not named any more.
        """
        await _subscribed(crowded, "g1", {"news": 0, "private-a": 0})

        answer = await backend.get(crowded.url, CHANNELS)

        assert answer.body["channels"].keys() == {"news", "cache-last", ROOM}

    async def test_by_prefix(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        answer = await backend.get(
            crowded.url, CHANNELS, filter_by_prefix="presence-", info="user_count"
        )

        assert answer.body == {"channels": {ROOM: {"user_count": 2}}}

    async def test_subscription_counts(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        They are those of all gateways together, as Soketi tells them.
        """
        answer = await backend.get(
            crowded.url, CHANNELS, filter_by_prefix="n", info="subscription_count"
        )

        assert answer.body == {"channels": {"news": {"subscription_count": 5}}}

    @pytest.mark.parametrize(
        "params, says",
        [
            ({"info": "user_count"}, "filter_by_prefix"),
            ({"info": "user_count", "filter_by_prefix": "pres"}, "filter_by_prefix"),
            ({"info": "cache"}, "one channel alone"),
            ({"info": "members"}, "no attribute 'members'"),
        ],
    )
    async def test_breaks_a_rule(
        self, crowded: ServedDispatcher, backend: BackEnd, params: dict[str, str], says: str
    ) -> None:
        answer = await backend.get(crowded.url, CHANNELS, **params)

        assert answer.status == 400
        assert says in answer.body["error"]


class TestChannel:
    """Pusher, "HTTP API": GET channel."""

    async def test_occupied(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        info = "user_count,subscription_count"

        answer = await backend.get(crowded.url, f"{CHANNELS}/{ROOM}", info=info)

        assert answer.body == {"occupied": True, "user_count": 2, "subscription_count": 3}

    async def test_plain(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Without ``info`` nothing is told but whether anybody is there.
        """
        assert (await backend.get(crowded.url, f"{CHANNELS}/news")).body == {"occupied": True}
        assert (await backend.get(crowded.url, f"{CHANNELS}/empty")).body == {"occupied": False}

    async def test_cache(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        await _cached(crowded, "cache-last", '{"n": 1}')

        kept = await backend.get(crowded.url, f"{CHANNELS}/cache-last", info="cache")
        nothing = await backend.get(crowded.url, f"{CHANNELS}/cache-none", info="cache")

        assert kept.body["cache"]["data"] == '{"n": 1}'
        assert 0 < kept.body["cache"]["ttl"] <= 1800
        assert nothing.body == {"occupied": False, "cache": None}

    @pytest.mark.parametrize(
        "channel, info, says",
        [
            ("news", "user_count", "only presence channels"),
            ("news", "cache", "only cache channels"),
            (ROOM, "user_count,members", "no attribute"),
            ("a%20b", "", "invalid channel name"),
        ],
    )
    async def test_breaks_a_rule(
        self, crowded: ServedDispatcher, backend: BackEnd, channel: str, info: str, says: str
    ) -> None:
        answer = await backend.get(crowded.url, f"{CHANNELS}/{channel}", info=info)

        assert answer.status == 400
        assert says in answer.body["error"]

    async def test_statistics(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        The former shape is still answered.
        """
        presence = await backend.get(crowded.url, f"{CHANNELS}/{ROOM}/stats")
        public = await backend.get(crowded.url, f"{CHANNELS}/news/stats")

        assert presence.body == {"occupied": True, "connection_count": 3, "user_count": 2}
        assert public.body == {"occupied": True, "connection_count": 5}


class TestUsers:
    """Pusher, "HTTP API": GET users."""

    async def test_users(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Each user once, whatever its connections; the ids are texts.
        """
        answer = await backend.get(crowded.url, f"{CHANNELS}/{ROOM}/users")

        assert answer.body == {"users": [{"id": "7"}, {"id": "ann"}]}

    async def test_with_info(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        answer = await backend.get(crowded.url, f"{CHANNELS}/{ROOM}/users", with_user_info="1")

        assert answer.body["users"][1] == {"id": "ann", "user_info": {"name": "ann"}}

    async def test_other_channels(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        answer = await backend.get(crowded.url, f"{CHANNELS}/news/users")

        assert (answer.status, answer.body) == (400, {"error": "only presence channels have users"})


class TestAsking:
    """Who may ask, and how often."""

    @pytest.mark.parametrize("path", ["", "/news", f"/{ROOM}/users", "/news/stats"])
    async def test_unsigned(self, crowded: ServedDispatcher, backend: BackEnd, path: str) -> None:
        answer = await backend.get(crowded.url, CHANNELS + path, auth_signature="0" * 64)

        assert answer.status == 401

    async def test_digest_of_nothing(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        The Python SDK signs the digest of an empty body with its queries.
        """
        answer = await backend.get(
            crowded.url, CHANNELS, body_md5="d41d8cd98f00b204e9800998ecf8427e"
        )

        assert answer.status == 200

    async def test_connections(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Reverb tells how many connections the app has.
        """
        assert (await backend.get(crowded.url, "/apps/1/connections")).body == {"connections": 7}

    async def test_bus_away(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        What cannot be known is not answered with a guess.
        """
        crowded.faults.left["last"] = 1

        answer = await backend.get(crowded.url, f"{CHANNELS}/cache-last", info="cache")

        assert answer.status == 503


class TestInfo:
    """Pusher, "HTTP API": what an event's answer tells of its channels."""

    async def test_event(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Each channel tells what it has; what it cannot have is left out.
        """
        event = {"name": "moved", "data": "{}", "channels": ["news", ROOM, "empty"]}
        body = json.dumps(event | {"info": "subscription_count,user_count"}).encode()

        answer = await backend.post(crowded.url, "/apps/1/events", body)

        assert answer.body == {
            "channels": {
                "news": {"subscription_count": 5},
                ROOM: {"subscription_count": 3, "user_count": 2},
                "empty": {"subscription_count": 0},
            }
        }

    async def test_batch(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        The answers stand in the order of the events, also where two are for one channel.
        """
        event = {"name": "moved", "data": "{}"}
        batch = [
            event | {"channel": ROOM, "info": "user_count"},
            event | {"channel": "news"},
            event | {"channel": ROOM, "info": "subscription_count"},
        ]

        answer = await backend.post(
            crowded.url, "/apps/1/batch_events", json.dumps({"batch": batch}).encode()
        )

        assert answer.body == {"batch": [{"user_count": 2}, {}, {"subscription_count": 3}]}

    async def test_unknown(self, crowded: ServedDispatcher, backend: BackEnd) -> None:
        """
        Nothing is published when the answer could not be given.
        """
        event = {"name": "moved", "data": "{}", "channel": "news", "info": "members"}

        answer = await backend.post(crowded.url, "/apps/1/events", json.dumps(event).encode())

        assert answer.status == 400
        assert await crowded.bus.frames("news") == []


class TestFormerEvents:
    """Pusher's first API: the body is the data."""

    async def test_published(self, here: ServedDispatcher, backend: BackEnd) -> None:
        answer = await backend.post(
            here.url, f"{CHANNELS}/news/events", b'{"n": 1}', name="moved", socket_id="1.2"
        )

        assert (answer.status, answer.body) == (202, {})
        assert await here.bus.frames("news") == [event_frame("news", "moved", '{"n": 1}')]

    @pytest.mark.parametrize(
        "params, says",
        [
            ({}, "it is empty"),
            ({"name": "pusher:x"}, "reserved"),
            ({"name": "a", "socket_id": "x"}, "socket_id"),
        ],
    )
    async def test_breaks_a_rule(
        self, here: ServedDispatcher, backend: BackEnd, params: dict[str, str], says: str
    ) -> None:
        answer = await backend.post(here.url, f"{CHANNELS}/news/events", b"{}", **params)

        assert answer.status == 400
        assert says in answer.body["error"]
