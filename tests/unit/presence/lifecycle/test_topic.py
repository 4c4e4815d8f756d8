"""Facts on a topic are CloudEvents that our own dispatcher, and others', can read."""

import msgspec

from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.records import Record
from libs.common.lifecycle.facts import KINDS, Fact, Recorded, Stream
from libs.common.web.health import state_of
from services.dispatcher.events.decoding import decode
from services.presence.lifecycle.topic import Topic
from tests.support.services.dispatcher import Faults, FaultyEventLog

STREAM = Stream("1", 7)
ADDED = Fact(kind="member_added", app="1", channel="presence-a", user="ann", at=1_700_000_000.25)


def recorded(fact: Fact, number: int = 1) -> Recorded:
    return Recorded(STREAM, number, "9", fact)


async def appended(*facts: Fact) -> list[Record]:
    """Return the records that a topic gets."""
    log = MemoryEventLog()
    topic = Topic("facts", log)
    await topic.take([recorded(fact, number) for number, fact in enumerate(facts, start=1)])
    async with log.consume(["facts"], group="test") as consumer:
        return await consumer.fetch(1.0)


async def test_no_topic() -> None:
    """Before there is anything to append it is told that the topic is not there."""
    events = FaultyEventLog(Faults())
    topic = Topic("facts", events)
    before = await state_of(topic.check)
    events.missing = {"facts"}

    assert (before, await state_of(topic.check)) == ("ok", "away: there is no topic facts")


async def test_cloud_event() -> None:
    (record,) = await appended(ADDED)

    assert record.key == b"1/presence-a"
    assert record.headers == (("content-type", b"application/cloudevents+json"),)
    assert msgspec.json.decode(record.value or b"") == {
        "specversion": "1.0",
        "id": "1-7-9-1",
        "source": "/apps/1",
        "type": "fanfare.member_added",
        "subject": "presence-a",
        "time": "2023-11-14T22:13:20.250Z",
        "datacontenttype": "application/json",
        "data": {"channel": "presence-a", "user_id": "ann"},
    }


async def test_read_by_a_dispatcher() -> None:
    """Routes can take them like any other event."""
    (record,) = await appended(Fact(kind="user_online", app="1", user="ann", at=1.0))

    event = decode(record)

    assert event is not None
    assert (event.type, event.data) == ("fanfare.user_online", {"user_id": "ann"})


async def test_order() -> None:
    """Those of one user have one key, so that they stay in order; a count is told."""
    records = await appended(
        Fact(kind="user_online", app="1", user="ann", at=1.0),
        Fact(kind="subscription_count", app="1", channel="a", count=7, at=1.0),
        Fact(kind="user_offline", app="1", user="ann", at=2.0),
    )

    assert [record.key for record in records] == [b"1/ann", b"1/a", b"1/ann"]
    counted = msgspec.json.decode(records[1].value or b"")
    assert counted["data"] == {"channel": "a", "subscription_count": 7}


def test_wants() -> None:
    """What clients say to each other stays theirs."""
    topic = Topic("facts", MemoryEventLog())

    assert {kind for kind in KINDS if not topic.wants(kind)} == {"client_event"}
    assert not topic.wants("client_read")


async def test_reading() -> None:
    """How far a user has read is told as the API does."""
    (record,) = await appended(Fact(kind="message_read", app="1", channel="a", user="7", data="42"))

    event = msgspec.json.decode(record.value or b"")
    assert event["type"] == "fanfare.message_read"
    assert event["data"] == {"channel": "a", "user_id": "7", "upto": 42}


async def test_captures() -> None:
    """What the rule of the receipts captures of the channel's name is told with it, and with nothing else."""
    log = MemoryEventLog()
    topic = Topic("facts", log, captures=lambda channel: {"of": channel.name})
    facts = [
        Fact(kind="message_read", app="1", channel="a", user="7", data="42"),
        Fact(kind="channel_occupied", app="1", channel="a"),
    ]

    await topic.take([recorded(fact) for fact in facts])
    async with log.consume(["facts"], group="test") as consumer:
        told = [
            msgspec.json.decode(record.value or b"")["data"] for record in await consumer.fetch(1.0)
        ]

    assert told == [
        {"channel": "a", "user_id": "7", "upto": 42, "captures": {"of": "a"}},
        {"channel": "a"},
    ]
