"""Journeys of stock pusher-js 8.6, from a domain event to the page that shows it."""

import asyncio
import json

from aiokafka import AIOKafkaConsumer

from tests.support.deployment import KEY, Deployment
from tests.support.pusherjs import Driver


def _company(room: str) -> str:
    return f"private-company.{room}"


def _presence(room: str) -> str:
    return f"presence-room.{room}"


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
        asyncio.timeout(15),
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
            node.say("bind", client=name, channel=_presence(room), event="client-typing")

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
