"""From the event log to the bus while one of them fails: nothing is lost, order is kept, and it goes on."""

import asyncio

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from libs.common.bus.messages import Audited, pack, unpack
from libs.common.eventlog.records import NewRecord, Record
from libs.common.telemetry.texts import LONGEST
from libs.common.web.health import state_of
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import audited
from tests.support.ports.eventlogs import until
from tests.support.services.dispatcher import APP
from tests.support.services.pipelines import (
    DEAD,
    ROUTES,
    TOPIC,
    Plant,
    value_of,
)


@pytest.fixture
def plant() -> Plant:
    return Plant()


class TestRecords:
    """What becomes of a record."""

    async def test_audited(self, plant: Plant) -> None:
        """
        What a route has audited has a line once it is published, without its content.
        """
        routes = [replace(ROUTES[0], audit=True), ROUTES[1]]
        plant.faults.left["publish"] = 1
        await plant.tell({"room": "a", "n": "hush"})
        with audited() as lines:
            async with plant.running(routes=routes):
                await plant.wait_until_committed(1)

        (line,) = lines
        assert line == {
            "event": "audit.published",
            "id": f"{TOPIC}/0/0",
            "record": f"{TOPIC}/0/0",
            "source": TOPIC,
            "type": TOPIC,
            "route": "rooms",
            "app": APP.id,
            "channel": "a",
            "name": "step",
            "bytes": len('{"n":"hush"}'),
        }
        (told,), (untold,) = [await plant.bus.broadcasts(name) for name in ("a", "all")]
        assert told.audited == Audited(f"{TOPIC}/0/0", f"{TOPIC}/0/0", "step", 12)
        assert untold.audited is None

    async def test_half_a_pair(self, plant: Plant) -> None:
        """
        An id and a name of any characters are marked, and the same in both lines; so is the time.
        """
        event = DomainEvent("t", "\ud83d", TOPIC, "", time=1.0, data={"n": 1, "room": "a"}, key="")
        await plant.tell(0)
        with audited() as lines:
            async with plant.running(lambda _: event, [replace(ROUTES[0], type="t", audit=True)]):
                await plant.wait_until_committed(1)

        (told,) = await plant.bus.broadcasts("a")
        assert unpack(pack(told)) == told
        assert told.occurred_at == event.time
        assert told.audited is not None
        assert [line["id"] for line in lines] == [told.audited.id]

    async def test_long_id(self, plant: Plant) -> None:
        """
        Of an id of any length so much goes with each broadcast as the log shows.
        """
        event = DomainEvent(
            "t", "x" * 100_000, TOPIC, "", time=1.0, data={"n": 1, "room": "a"}, key=""
        )
        await plant.tell(0)
        with audited() as lines:
            async with plant.running(lambda _: event, [replace(ROUTES[0], type="t", audit=True)]):
                await plant.wait_until_committed(1)

        (told,) = await plant.bus.broadcasts("a")
        assert told.audited is not None
        assert told.audited.id == lines[0]["id"] == "x" * LONGEST

    async def test_routed_in_order(self, plant: Plant) -> None:
        """
        Each route that applies has the record in its channel, in order; with what is for nobody it is done.
        """
        await plant.tell(*range(25), {"room": "b", "n": 25}, {"type": "other", "n": 26}, None)
        async with plant.running():
            await plant.wait_until_committed(28)

        assert await plant.heard("a") == list(range(25))
        assert await plant.heard("b") == [25]
        assert await plant.heard("all") == list(range(26))
        assert plant.counters.broadcasts == plant.counters.fanout.sum == 52
        assert plant.counters.fanout.count == 26
        assert plant.counters.records == {
            (TOPIC, "routed"): 26,
            (TOPIC, "unrouted"): 1,
            (TOPIC, "empty"): 1,
        }

    async def test_dead_letters(self, plant: Plant) -> None:
        """
        What cannot be read or sent is put aside, as it was and with the reason, and the next record flows.
        """
        await plant.events.inner.append(
            [
                NewRecord(TOPIC, b"\xff", b"key", (("name", b"value"),)),
                NewRecord(TOPIC, value_of(1)),
            ]
        )
        await plant.tell({"room": "no channel", "n": 2}, {"room": "a", "n": "x" * 200}, 3)
        with capture_logs() as logs:
            async with plant.running():
                letters = await plant.events.records(DEAD, 3)
                await plant.wait_until_committed(5)

        assert await plant.heard("a") == await plant.heard("all") == [1, 3]
        first, *others = letters
        assert (first.key, first.value) == (b"key", b"\xff")
        headers = dict(first.headers)
        assert headers["name"] == b"value"
        assert headers["fanfare-dlq-topic"] == TOPIC.encode()
        assert headers["fanfare-dlq-partition"] == b"0"
        assert headers["fanfare-dlq-offset"] == b"0"
        assert float(headers["fanfare-dlq-timestamp"]) > 0
        assert headers["fanfare-dlq-reason"] == b"Undecodable"
        assert headers["fanfare-dlq-error"].startswith(b"undecodable event: ")
        reasons = [dict(letter.headers)["fanfare-dlq-reason"] for letter in others]
        assert reasons == [b"Unroutable", b"Unroutable"]
        lines = [each for each in logs if each["event"] == "record.dead_lettered"]
        assert [each["offset"] for each in lines] == [0, 2, 3]
        assert [(each["kind"], each["route"], each["place"], each["reason"]) for each in lines] == [
            (
                "Undecodable",
                "",
                "",
                "undecodable event: the value is not JSON: JSON is malformed: invalid character (byte 0)",
            ),
            (
                "Unroutable",
                "rooms",
                "channels[0]",
                "route 'rooms', channels[0] = '{data.room}': invalid channel name: allowed are letters, digits and _ - = @ , . ;",
            ),
            (
                "Unroutable",
                "rooms",
                "data",
                "route 'rooms', data: it has 208 bytes, more than 100",
            ),
        ]
        assert plant.counters.dead == {"Undecodable": 1, "Unroutable": 2}
        assert plant.counters.records[TOPIC, "dead"] == 3
        told = [dict(letter.headers)["fanfare-dlq-error"].decode() for letter in letters]
        assert told == [each["reason"] for each in lines]

    async def test_told(self, plant: Plant) -> None:
        """
        The log says of each event where it went, or why nowhere, and nothing of what it holds.
        """
        await plant.tell({"room": "a", "n": "sesame"}, {"type": "other", "n": "sesame"})
        with capture_logs() as logs:
            async with plant.running():
                await plant.wait_until_committed(2)

        assert logs == [
            {
                "event": "event.routed",
                "log_level": "debug",
                "topic": TOPIC,
                "partition": 0,
                "offset": 0,
                "id": f"{TOPIC}/0/0",
                "type": TOPIC,
                "channels": ["a", "all"],
                "broadcasts": 2,
            },
            {
                "event": "event.unrouted",
                "log_level": "info",
                "topic": TOPIC,
                "type": "other",
                "reason": "no route of the topic 'steps' is for its type",
                "pace_by": "other",
            },
        ]

    async def test_our_own_fault(self, plant: Plant) -> None:
        """
        A record that we cannot handle for a fault of our own is put aside too, and said with its cause.
        """

        def trips(record: Record) -> DomainEvent | None:
            if record.offset == 1:
                raise ZeroDivisionError("of our own")
            return decode(record)

        await plant.tell(0, 1, 2)
        with capture_logs() as logs:
            async with plant.running(trips):
                (letter,) = await plant.events.records(DEAD, 1)
                await plant.wait_until_committed(3)

        assert await plant.heard("a") == [0, 2]
        assert letter.value == value_of(1)
        assert dict(letter.headers)["fanfare-dlq-reason"] == b"ZeroDivisionError"
        told = "a fault of ours: record.failed in the log tells more"
        assert dict(letter.headers)["fanfare-dlq-error"].decode() == told
        (said,) = [each for each in logs if each["event"] == "record.failed"]
        assert (said["log_level"], said["offset"], said["exc_info"]) == ("error", 1, True)

    async def test_a_letter_that_is_too_large(self, plant: Plant) -> None:
        """
        A record that with its reason is larger than the log takes is put aside without what it held.
        """
        large = b"x" * 9_980
        await plant.events.inner.append([NewRecord(TOPIC, large, b"key", (("name", b"value"),))])
        await plant.tell(b"\xff", 2)
        async with plant.running():
            letters = await plant.events.records(DEAD, 2)
            await plant.wait_until_committed(3)

        assert await plant.heard("a") == [2]
        first, second = letters
        headers = dict(first.headers)
        assert (first.key, first.value) == (None, None)
        assert headers["fanfare-dlq-offset"] == b"0"
        assert headers["fanfare-dlq-reason"] == b"Undecodable"
        assert "name" not in headers
        assert second.value == b"\xff"


class TestFaults:
    """A backend fails in the middle of a batch."""

    async def test_half_a_batch_is_published(self, plant: Plant) -> None:
        """
        The batch is published again, what was applied is recognised, and then it is committed.
        """
        plant.faults.left["publish"] = 3
        plant.bus.applied = 7
        await plant.tell(*range(10))
        async with plant.running():
            await until(lambda: plant.faults.met["publish"] == 3)
            await plant.wait_until_committed(10)

        assert await plant.heard("a") == await plant.heard("all") == list(range(10))

    async def test_the_bus_is_away(self, plant: Plant) -> None:
        """
        While the bus is away nothing is committed; it is said once that it is, and once that it is back.
        """
        plant.faults.left["publish"] = 1_000_000
        await plant.tell(*range(30))
        async with plant.running() as working:
            await until(lambda: plant.faults.met["publish"] >= 5)
            while_away = plant.committed, await state_of(working.check)
            plant.faults.left["publish"] = 0
            await plant.wait_until_committed(30)

        assert while_away == (0, "away: it waits for bus: the bus backend is unavailable")
        assert await state_of(working.check) == "ok"
        assert await plant.heard("a") == list(range(30))

    @pytest.mark.parametrize("topic", [TOPIC, DEAD])
    async def test_no_topic(self, plant: Plant, topic: str) -> None:
        """It is told that a topic is not there: one that it reads, or that takes what cannot be sent."""
        await plant.tell(0)
        async with plant.running() as working:
            await plant.wait_until_committed(1)
            before = await state_of(working.check)
            plant.events.missing.add(topic)
            without = await state_of(working.check)

        assert (before, without) == ("ok", f"away: there is no topic {topic}")

    @pytest.mark.parametrize("operation", ["fetch", "append", "commit"])
    async def test_the_event_log_is_away(self, plant: Plant, operation: str) -> None:
        """
        Whatever it cannot do, it is tried until it can, and the result is as if nothing had happened.
        """
        plant.faults.left[operation] = 5
        await plant.tell(0, b"\xff", 2)
        async with plant.running():
            (letter,) = await plant.events.records(DEAD, 1)
            await plant.wait_until_committed(3)

        assert plant.faults.met[operation] == 5
        assert letter.value == b"\xff"
        assert await plant.heard("a") == [0, 2]

    @pytest.mark.parametrize("operation", ["publish", "append", "commit"])
    async def test_ended_meanwhile(self, plant: Plant, operation: str) -> None:
        """
        What was read and not committed is for the next one, which tells nothing twice.
        """
        plant.faults.left[operation] = 1_000_000
        plant.bus.applied = 3
        await plant.tell(0, 1, b"\xff", 3)
        async with plant.running():
            await until(lambda: plant.faults.met[operation] >= 2)
        done = plant.committed
        plant.faults.left.clear()
        await plant.tell(4)
        async with asyncio.timeout(DEADLINE), plant.running():
            await plant.wait_until_committed(5)

        assert done == 0
        assert await plant.heard("a") == await plant.heard("all") == [0, 1, 3, 4]
        assert (await plant.events.records(DEAD, 1))[0].value == b"\xff"
