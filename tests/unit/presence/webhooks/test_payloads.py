"""What webhooks say."""

import json
from typing import Any

import pytest

from libs.common.lifecycle.facts import KINDS, Fact, Recorded, Stream
from services.presence.webhooks.payloads import body_of, delivery_of

FACTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "channel_occupied": ({"channel": "a"}, {"channel": "a"}),
    "channel_vacated": ({"channel": "a"}, {"channel": "a"}),
    "member_added": (
        {"channel": "presence-a", "user": "7"},
        {"channel": "presence-a", "user_id": "7"},
    ),
    "member_removed": (
        {"channel": "presence-a", "user": "7"},
        {"channel": "presence-a", "user_id": "7"},
    ),
    "user_online": ({"user": "7"}, {"user_id": "7"}),
    "user_offline": ({"user": "7"}, {"user_id": "7"}),
    "client_event": (
        {"channel": "presence-a", "event": "client-x", "data": '{"a":1}', "socket_id": "1.2", "user": "7"},
        {"channel": "presence-a", "event": "client-x", "data": '{"a":1}', "socket_id": "1.2", "user_id": "7"},
    ),
    "cache_miss": ({"channel": "cache-a"}, {"channel": "cache-a"}),
    "subscription_count": (
        {"channel": "a", "count": 3},
        {"channel": "a", "subscription_count": 3},
    ),
    "message_read": (
        {"channel": "a", "user": "7", "data": "42"},
        {"channel": "a", "user_id": "7", "upto": 42},
    ),
}  # fmt: skip


def fact(kind: Any, **fields: Any) -> Fact:
    return Fact(kind=kind, app="1", **fields)


def record(number: int, partition: int = 0) -> Recorded:
    return Recorded(Stream("1", partition), number, "e", fact("cache_miss", channel="c"))


def events_of(*facts: Fact) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(body_of(facts, now=0.0))["events"]
    return events


@pytest.mark.parametrize("kind", KINDS)
def test_event(kind: str) -> None:
    """Pusher, "Webhooks", "Webhook format"."""
    given, expected = FACTS[kind]

    assert events_of(fact(kind, **given)) == [{"name": kind} | expected]


def test_client_event_elsewhere() -> None:
    """Who sent it is said of presence channels alone, as Pusher does."""
    (event,) = events_of(fact("client_event", channel="private-a", event="client-x", user="7"))

    assert "user_id" not in event


def test_body() -> None:
    """Milliseconds of the try, and the events in order."""
    body = body_of([fact("cache_miss", channel="b"), fact("cache_miss", channel="ä")], now=1.5)

    assert json.loads(body)["time_ms"] == 1500
    assert [event["channel"] for event in json.loads(body)["events"]] == ["b", "ä"]


def test_half_a_pair() -> None:
    """A text that was cut within an emoji goes out as it came."""
    (event,) = events_of(fact("client_event", channel="a", event="client-x", data="\ud83d"))

    assert event["data"] == "\ud83d"


class TestId:
    """The ``webhook-id``."""

    def test_same(self) -> None:
        """The same facts have the same one, also in another process."""
        one = delivery_of([record(1)], app="1", webhook="a")

        assert one == delivery_of([record(1)], app="1", webhook="a")
        assert len(one.id) == 36
        assert "." not in one.id

    def test_others(self) -> None:
        """Whatever is not the same has another one: a receiver that drops repetitions drops no other."""
        ids = {
            delivery_of(records, app="1", webhook=webhook).id
            for webhook in ("a", "b")
            for records in ([record(1)], [record(2)], [record(1), record(2)], [record(1, 1)])
        }

        assert len(ids) == 8

    def test_any_app(self) -> None:
        """An app's id may hold what no header can."""
        assert delivery_of([record(1)], app="ä.\ud800\n", webhook="a").id.isascii()
