"""Journeys of stock pusher-js 8.6, from a domain event to the page that shows it."""

import asyncio
import json
from pathlib import Path

from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer

from tests.clients.sdks import PythonSdk
from tests.support.clients.pusherjs import Driver
from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import KEY, Deployment, in_one_process
from tests.support.servers.ports import free_port


def _company(room: str) -> str:
    return f"private-company.{room}"


def _presence(room: str) -> str:
    return f"presence-room.{room}"


class TestConnection:
    """How pages come in, or do not."""

    async def test_a_path_before_the_app(
        self, deployment: Deployment, node: Driver, room: str
    ) -> None:
        """
        Pages that were set up for a path, as Reverb's `path` and Soketi's `pathPrefix` want it, are served.
        """
        await node.connect("ann", KEY, wsPath="/ws/v1", **deployment.options(0))
        await node.subscribe("ann", room)

        await PythonSdk(deployment).trigger([room], "moved", {"n": 1})

        assert await node.wait_for_events("ann", room, 1) == [("moved", {"n": 1})]

    async def test_an_unknown_app(self, deployment: Deployment, node: Driver) -> None:
        """
        A page with a wrong key is told so, and gives up instead of coming back for ever.
        """
        node.say("connect", client="ann", key="no-such-key", options=deployment.options(0))

        told, *_ = await node.wait_for("error", client="ann")
        assert told["error"]["code"] == 4001
        await node.wait(client="ann", state="disconnected")

    async def test_all_that_it_may(self, tmp_path: Path, prefix: str, node: Driver) -> None:
        """
        A page that signs in and subscribes at once to as many channels as it may is not held for that.
        """
        companies = [str(number) for number in range(100)]
        channels = [_company(company) for company in companies]
        async with in_one_process(tmp_path, prefix) as here, ClientSession() as http:
            await node.connect("ann", KEY, **here.options(0, user="7", companies=companies))
            node.say("signin", client="ann")
            for channel in channels:
                node.say("subscribe", client="ann", channel=channel)
            for channel in channels:
                succeeded = "pusher:subscription_succeeded"
                await node.wait(client="ann", channel=channel, event=succeeded)
            await node.wait(client="ann", user_channel="#server-to-user-7")

            async with http.get(f"{here.gateways[0].internal_url}/metrics") as response:
                metrics = await response.text()
            assert 'fanfare_reading_paused_total{reason="frames"} 0' in metrics

    async def test_returns(self, tmp_path: Path, prefix: str, node: Driver) -> None:
        """
        A page whose server goes and comes back signs in and subscribes again, all by itself.
        """
        ports, channels = (free_port(), free_port()), [_company("1"), _presence("1")]
        async with in_one_process(tmp_path, prefix, ports=ports) as before:
            first = await node.connect("ann", KEY, **before.options(0, user="7", companies=["1"]))
            node.say("signin", client="ann")
            await node.wait(client="ann", user_channel="#server-to-user-7")
            for channel in channels:
                await node.subscribe("ann", channel)
        async with in_one_process(tmp_path, prefix, ports=ports) as after:
            (_, second) = await node.wait(2, client="ann", state="connected")
            await node.wait(2, client="ann", user_channel="#server-to-user-7")
            for channel in channels:
                succeeded = "pusher:subscription_succeeded"
                await node.wait(2, client="ann", channel=channel, event=succeeded)
            sdk = PythonSdk(after)
            await sdk.trigger(channels, "moved", {"n": 1})
            await sdk.send_to_user("7", "greeted", {})

            assert second["socket_id"] != first
            await node.wait(client="ann", user_event="greeted")
            for channel in channels:
                assert await node.wait_for_events("ann", channel, 1) == [("moved", {"n": 1})]

    async def test_beyond_the_quota(self, tmp_path: Path, prefix: str, node: Driver) -> None:
        """
        A page beyond its app's quota gives up as well; others stay.
        """
        limits = "[apps.limits]\nconnections = 1\n"
        async with in_one_process(tmp_path, prefix, more=limits) as small:
            await node.connect("ann", KEY, **small.options(0))
            node.say("connect", client="bob", key=KEY, options=small.options(0))

            told, *_ = await node.wait_for("error", client="bob")
            assert told["error"]["code"] == 4004
            await node.wait(client="bob", state="disconnected")
            assert (await node.ask("look", client="ann"))["state"] == "connected"


class TestDomainEvents:
    """From a topic to the channels that routes name."""

    async def test_in_order_through_two_gateways(
        self, deployment: Deployment, node: Driver, room: str
    ) -> None:
        """
        What happened reaches clients of both gateways, as the route says, in order; nobody else hears it.
        """
        for number, name in enumerate(["ann", "bob"]):
            words = deployment.options(number, user=name, companies=[room])
            await node.connect(name, KEY, **words)
            await node.subscribe(name, _company(room))

        for step in range(100):
            await deployment.tell(
                "reservation.updated", {"company_id": room, "id": 1, "step": step, "x": 0}
            )
        expected = [("reservation.updated", {"id": 1, "step": step}) for step in range(100)]

        assert await node.wait_for_events("ann", _company(room), 100) == expected
        assert await node.wait_for_events("bob", _company(room), 100) == expected

    async def test_the_originator_is_left_out(
        self, deployment: Deployment, node: Driver, room: str
    ) -> None:
        """
        An event that names a socket is not sent to that socket, and the next one is.
        """
        ids = {}
        for number, name in enumerate(["ann", "bob"]):
            words = deployment.options(number, user=name, companies=[room])
            ids[name] = await node.connect(name, KEY, **words)
            await node.subscribe(name, _company(room))

        data = {"company_id": room, "id": 1}
        await deployment.tell("reservation.created", {**data, "step": 1}, socketid=ids["ann"])
        await deployment.tell("reservation.created", {**data, "step": 2})

        steps = [data["step"] for _, data in await node.wait_for_events("bob", _company(room), 2)]
        assert steps == [1, 2]
        steps = [data["step"] for _, data in await node.wait_for_events("ann", _company(room), 1)]
        assert steps == [2]

    async def test_who_may_not_join(self, deployment: Deployment, node: Driver, room: str) -> None:
        """
        A user of another company is refused, and told so on the channel.
        """
        await node.connect("eve", KEY, **deployment.options(0, user="eve", companies=["8"]))
        node.say("subscribe", client="eve", channel=_company(room))

        (seen,) = await node.wait(
            client="eve", channel=_company(room), event="pusher:subscription_error"
        )

        assert seen["data"]["type"] == "AuthError"
        assert seen["data"]["status"] == 403

    async def test_changes_of_a_database(self, many: Deployment, node: Driver, room: str) -> None:
        """
        Debezium's records arrive as created, updated and deleted, with the fields that the route lists.
        """
        await node.connect("ann", KEY, **many.options(0))
        await node.subscribe("ann", f"products.{room}")
        row = {"id": 1, "tenant": room, "name": "chair", "cost": 3}
        source = {"table": "products", "ts_ms": 1_700_000_000_000}

        await many.produce("products", {"op": "c", "before": None, "after": row, "source": source})
        changed = {**row, "name": "stool"}
        await many.produce(
            "products", {"op": "u", "before": row, "after": changed, "source": source}
        )
        await many.produce(
            "products", {"op": "d", "before": changed, "after": None, "source": source}
        )

        assert await node.wait_for_events("ann", f"products.{room}", 3) == [
            ("products.created", {"id": 1, "name": "chair"}),
            ("products.updated", {"id": 1, "name": "stool"}),
            ("products.deleted", {"id": 1, "name": "stool"}),
        ]

    async def test_a_poisonous_record(self, many: Deployment, node: Driver, room: str) -> None:
        """
        What cannot be read goes to the dead letters with the reason, and the next record flows.
        """
        await node.connect("ann", KEY, **many.options(0, user="ann", companies=[room]))
        await node.subscribe("ann", _company(room))

        await many.produce("bookings", b"\xff not json")
        await many.tell(
            "reservation.created", {"company_id": "no channel name", "id": 1, "step": 0}
        )
        await many.tell("reservation.created", {"company_id": room, "id": 1, "step": 1})

        assert await node.wait_for_events("ann", _company(room), 1) == [
            ("reservation.created", {"id": 1, "step": 1})
        ]
        letters = await _dead_letters(many, 2)
        assert [reason for reason, _ in letters] == ["Undecodable", "Unroutable"]
        assert letters[0][1] == b"\xff not json"


async def _dead_letters(deployment: Deployment, count: int) -> list[tuple[str, bytes]]:
    async with (
        asyncio.timeout(DEADLINE),
        AIOKafkaConsumer(
            deployment.topic("dead-letters"),
            bootstrap_servers=deployment.kafka,
            auto_offset_reset="earliest",
        ) as consumer,
    ):
        records = [await anext(consumer) for _ in range(count)]
    return [
        (dict(record.headers)["fanfare-dlq-reason"].decode(), record.value) for record in records
    ]


class TestPresence:
    """Who is there, through two gateways."""

    async def test_comes_and_goes(self, deployment: Deployment, node: Driver, room: str) -> None:
        """
        Everybody is shown who is there, then who comes and who goes, once.
        """
        await node.connect("ann", KEY, **deployment.options(0, user="1", name="Ann"))
        assert await node.subscribe("ann", _presence(room)) == {
            "members": {"1": {"name": "Ann"}},
            "me": {"id": "1", "info": {"name": "Ann"}},
            "count": 1,
        }
        await node.connect("bob", KEY, **deployment.options(1, user="2", name="Bob"))
        assert (await node.subscribe("bob", _presence(room)))["count"] == 2

        node.say("disconnect", client="bob")

        added = await node.wait(client="ann", channel=_presence(room), event="pusher:member_added")
        removed = await node.wait(
            client="ann", channel=_presence(room), event="pusher:member_removed"
        )
        assert [item["data"]["id"] for item in added] == ["2"]
        assert [item["data"]["id"] for item in removed] == ["2"]

    async def test_whispers(self, deployment: Deployment, node: Driver, room: str) -> None:
        """
        A client event reaches the others with its sender's id, and not the sender.
        """
        for number, name in enumerate(["ann", "bob"]):
            await node.connect(name, KEY, **deployment.options(number, user=name))
            await node.subscribe(name, _presence(room))
            await node.do("bind", client=name, channel=_presence(room), event="client-typing")

        node.say(
            "trigger", client="ann", channel=_presence(room), event="client-typing", data={"a": 1}
        )
        node.say(
            "trigger", client="bob", channel=_presence(room), event="client-typing", data={"b": 2}
        )

        (heard,) = await node.wait(client="bob", bound="client-typing")
        assert (heard["data"], heard["user_id"]) == ({"a": 1}, "ann")
        (heard,) = await node.wait(client="ann", bound="client-typing")
        assert (heard["data"], heard["user_id"]) == ({"b": 2}, "bob")

    async def test_a_gateway_dies(self, fragile: Deployment, node: Driver, room: str) -> None:
        """
        When a gateway is killed its members leave after lease and grace, and are announced once.
        """
        await node.connect("ann", KEY, **fragile.options(0, user="1"))
        await node.subscribe("ann", _presence(room))
        for name in ("2", "3"):
            await node.connect(name, KEY, **fragile.options(1, user=name))
            await node.subscribe(name, _presence(room))

        fragile.gateways[1].kill()

        removed = await node.wait(
            2, client="ann", channel=_presence(room), event="pusher:member_removed"
        )
        assert sorted(item["data"]["id"] for item in removed) == ["2", "3"]
        await node.connect("bob", KEY, **fragile.options(0, user="4"))
        assert (
            json.dumps((await node.subscribe("bob", _presence(room)))["members"])
            == '{"1": {}, "4": {}}'
        )
        again = node.seen(client="ann", channel=_presence(room), event="pusher:member_removed")
        assert len(again) == 2
