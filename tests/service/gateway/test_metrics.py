"""What a gateway tells of itself in numbers."""

import time
from collections import Counter
from typing import Any

import msgspec
from structlog.testing import capture_logs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.channels import Channel
from libs.common.debugging.orders import Watched
from libs.common.rates.limited import refusals_by_limit
from libs.common.telemetry.metrics.histogram import Histogram
from services.gateway.connections.socket import TOO_SLOW
from services.gateway.service import Gateway
from tests.support.fakes.logs import events
from tests.support.services.gateway import APP, place, publication, until


def told(gateway: Gateway, name: str) -> dict[tuple[str, ...], Any]:
    """Return the values of a family, by labels."""
    (found,) = (each for each in gateway.metrics() if each.family.name == f"fanfare_{name}")
    return dict(found.values)


def counted(gateway: Gateway, name: str) -> dict[tuple[str, ...], int]:
    """Return what has happened of a counter, by labels: those that are known are there with 0."""
    return {labels: value for labels, value in told(gateway, name).items() if value}


def number(gateway: Gateway, name: str) -> Any:
    """Return the value of a family without labels."""
    return told(gateway, name)[()]


class TestConnections:
    """Who is here, who came and went, and how."""

    async def test_opened_and_closed(self) -> None:
        async with place() as here:
            client, other = await here.connect(), await here.connect()
            await client.close()
            await until(lambda: number(here.gateway, "connections") == 1)

            assert number(here.gateway, "connections_opened_total") == 2
            assert counted(here.gateway, "connections_closed_total") == {("1000",): 1}
            await other.close()

    async def test_refused(self) -> None:
        """
        By the code that the client is told.
        """
        async with place() as here:
            client = await here.open("/app/unknown")
            await client.expect_error(4001)

            assert counted(here.gateway, "connections_refused_total") == {("4001",): 1}
            assert number(here.gateway, "connections_opened_total") == 0

    async def test_slow(self) -> None:
        """
        Not every 4100 is a slow client.
        """
        async with place() as here:
            slow, full = await here.connect(), await here.connect()
            connections = {each.socket_id: each for each in here.gateway._connections}
            connections[slow.socket_id].socket.close(*TOO_SLOW)
            connections[full.socket_id].socket.close(4100, "over capacity")
            await slow.expect_close()
            await full.expect_close()
            await until(lambda: not number(here.gateway, "connections"))

            assert number(here.gateway, "slow_consumers_total") == 1
            assert counted(here.gateway, "connections_closed_total") == {("4100",): 2}

    async def test_draining(self) -> None:
        async with place() as here:
            before = number(here.gateway, "draining")
            await here.gateway.drain()

            assert (before, number(here.gateway, "draining")) == (False, True)


class TestMessages:
    """What is sent and received."""

    async def test_received(self) -> None:
        """
        By kind of frame.
        """
        async with place() as here:
            client = await here.join("news")
            await client.websocket.ping(b"ping")
            await until(lambda: ("ping",) in counted(here.gateway, "messages_received_total"))

            assert counted(here.gateway, "messages_received_total") == {("text",): 1, ("ping",): 1}
            assert number(here.gateway, "received_bytes_total") > 4

    async def test_broadcast(self) -> None:
        """
        One broadcast to two subscribers: two messages, one value of each histogram.
        """
        async with place() as here:
            clients = [await here.join("news") for _ in range(2)]
            answers = told(here.gateway, "messages_sent_total")["answer",]
            sent = number(here.gateway, "sent_bytes_total")
            frame = event_frame("news", "told", "x" * 100)
            broadcast = Broadcast(frame, time.time() - 3.0)
            await here.bus.publish([Publication(Channel(APP.id, "news"), broadcast)])
            for client in clients:
                await client.expect("told", "news")

            assert number(here.gateway, "broadcasts_total") == 1
            assert told(here.gateway, "messages_sent_total") == {
                ("broadcast",): 2,
                ("answer",): answers,
            }
            assert number(here.gateway, "sent_bytes_total") - sent == 2 * (len(frame) + 4)
            latency: Histogram = number(here.gateway, "hub_latency_seconds")
            recipients: Histogram = number(here.gateway, "broadcast_recipients")
            assert (latency.count, recipients.count, recipients.sum) == (1, 1, 2)
            assert 3.0 <= latency.sum < 30.0

    async def test_sender_left_out(self) -> None:
        """
        Who is left out is no recipient: of a client's own event, nor of one that names its socket.
        """
        async with place() as here:
            alone = await here.join("private-news")
            with capture_logs() as logs:
                here.gateway.frames.watch([Watched("1", "private-news")])
                await alone.whisper("private-news", "client-typing", "x")
                await until(lambda: bool(events(logs, "frame.sent")))
                await here.publish("private-news", "own", excluded=[alone.socket_id, "1.1"])
                await here.publish("private-news", "for all")
                assert await alone.expect("news", "private-news") == "for all"

            shown = [line["recipients"] for line in events(logs, "frame.sent")]
            assert sorted(shown) == [0, 0, 1]
            assert told(here.gateway, "messages_sent_total")["broadcast",] == 1
            recipients: Histogram = number(here.gateway, "broadcast_recipients")
            assert (recipients.count, recipients.sum) == (3, 1)

    async def test_some_left_out(self) -> None:
        """
        Of what is written together, each event is counted with its own recipients.
        """
        async with place() as here:
            clients = [await here.join("news") for _ in range(3)]
            first, second, _ = (client.socket_id for client in clients)
            excluded = [(), (first, first), (first, second)]
            await here.bus.publish(
                [
                    publication("news", str(number), excluded=each)
                    for number, each in enumerate(excluded)
                ]
            )
            assert [await clients[2].expect("news", "news") for _ in range(3)] == [0, 1, 2]

            assert told(here.gateway, "messages_sent_total")["broadcast",] == 3 + 2 + 1
            recipients: Histogram = number(here.gateway, "broadcast_recipients")
            assert (recipients.count, recipients.sum) == (3, 6)

    async def test_delivery_latency(self) -> None:
        """
        From when an event happened, once however many are told; what does not say when is left out.
        """
        async with place() as here:
            clients = [await here.join("news") for _ in range(2)]
            now, frame = time.time(), event_frame("news", "told", "x")
            told = [Broadcast(frame, now, occurred_at=now - 90), Broadcast(frame, now)]
            await here.bus.publish([Publication(Channel(APP.id, "news"), each) for each in told])
            for client in clients * 2:
                await client.expect("told", "news")

            latency: Histogram = number(here.gateway, "delivery_latency_seconds")
            assert (latency.count, number(here.gateway, "hub_latency_seconds").count) == (1, 2)
            assert 90 <= latency.sum < 120
            assert latency.counts[latency.bounds.index(60) + 1] == 1

    async def test_clock_ahead(self) -> None:
        """
        A publisher whose clock is ahead of ours makes no broadcast arrive before it was sent.
        """
        async with place() as here:
            client = await here.join("news")
            later = time.time() + 3600
            broadcast = Broadcast(event_frame("news", "told", "x"), later, occurred_at=later)
            await here.bus.publish([Publication(Channel(APP.id, "news"), broadcast)])
            await client.expect("told", "news")

            assert number(here.gateway, "hub_latency_seconds").sum == 0
            assert number(here.gateway, "delivery_latency_seconds").sum == 0


class TestChannels:
    """What is subscribed to."""

    async def test_subscriptions(self) -> None:
        async with place() as here:
            clients = [await here.join("news", "sport"), await here.join("news")]

            assert number(here.gateway, "connections") == len(clients)
            assert number(here.gateway, "channels") == 2
            assert number(here.gateway, "subscriptions") == 3
            assert (
                number(here.gateway, "members") == number(here.gateway, "online_connections") == 0
            )

    async def test_members(self) -> None:
        """
        Those who are somebody's, and what of it is seen in presence channels; each connection counts.
        """
        async with place() as here:
            anns = [await here.join("presence-a", user="ann") for _ in range(2)]
            await anns[0].subscribe("news")
            bob = await here.join("presence-a", "presence-b", user="bob")
            nobody = await here.join("news")

            assert len({client.socket_id for client in (*anns, bob, nobody)}) == 4
            assert number(here.gateway, "members") == 4
            assert number(here.gateway, "online_connections") == 3

    async def test_lease_lost(self) -> None:
        async with place() as here:
            before = number(here.gateway, "leases_lost_total")
            here.gateway._lease.lose(here.gateway.state().name)

            assert (before, number(here.gateway, "leases_lost_total")) == (0, 1)

    async def test_refused(self) -> None:
        """
        By the status that the client is told.
        """
        async with place() as here:
            client = await here.connect()
            data = {"channel": "private-a", "auth": "wrong"}
            await client.send({"event": "pusher:subscribe", "data": data})
            await until(lambda: bool(counted(here.gateway, "subscribes_refused_total")))

            assert counted(here.gateway, "subscribes_refused_total") == {("401",): 1}


class TestLimits:
    """What was refused as a limit was reached."""

    async def test_client(self) -> None:
        """
        Channels of a connection, members of a channel, client events; each by its limit.
        """
        limits = Limits(channels=2, members=1, client_events=1)
        apps = MemoryApps([msgspec.structs.replace(APP, limits=limits)])
        before = Counter(refusals_by_limit())
        async with place(apps=apps) as here:
            ann, bob = await here.join("presence-room", user="ann"), await here.connect()
            await bob.ask("presence-room", user="bob")
            await bob.expect("pusher:subscription_error", "presence-room")
            await ann.subscribe("news")
            await ann.ask("sport")
            await ann.expect("pusher:subscription_error", "sport")
            for _ in range(3):
                await ann.send({"event": "client-x", "channel": "presence-room", "data": {}})
            for _ in range(2):
                await ann.expect_error(4301)

        refused = Counter(refusals_by_limit()) - before
        assert refused == {"members": 1, "channels": 1, "client_events": 2}
