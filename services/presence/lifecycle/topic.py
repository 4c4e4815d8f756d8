"""A topic that takes facts, as CloudEvents, for back ends that are driven by events."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from libs.common.channels import Channel
from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import NewRecord
from libs.common.lifecycle.facts import Fact, Kind, Recorded
from libs.common.marks.mark import recalled
from libs.common.rfc3339 import text_of

CONTENT_TYPE = b"application/cloudevents+json"

EMPTY: Mapping[str, str] = MappingProxyType({})
Captures = Callable[[Channel], Mapping[str, str]]

_encode = msgspec.json.Encoder().encode


class Topic:
    """
    A sink that appends facts to a topic.  See `sinks.Sink`.

    Records of one channel, and of one user, have the same key, so they stay in order.

    Args:
        name: Of the topic.
        events: Takes records.
        captures: Returns what is told of the name of a channel in which a user has read.
    """

    name = "topic"
    depth = 1  # Else what the log takes late would be behind what followed.
    room = None

    def __init__(
        self, name: str, events: EventLog, *, captures: Captures = lambda _: EMPTY
    ) -> None:
        self._topic = name
        self._events = events
        self._captures = captures

    async def check(self) -> None:
        """Raise Unavailable if nothing can be appended now, or there is no such topic."""
        await self._events.check([self._topic])

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`: what clients say to each other stays theirs."""
        return kind not in {"client_event", "client_read"}

    async def take(self, records: Sequence[Recorded]) -> None:
        """See `Sink.take`."""
        await self._events.append([self._appended(record) for record in records])

    def _appended(self, record: Recorded) -> NewRecord:
        fact = record.fact
        key = f"{fact.app}/{fact.channel or fact.user}".encode()
        headers = (("content-type", CONTENT_TYPE),)
        captured = self._captures(Channel(fact.app, fact.channel))
        event = cloud_event(record, captured if fact.kind == "message_read" else EMPTY)
        return NewRecord(self._topic, _encode(event), key, headers)


def cloud_event(record: Recorded, captured: Mapping[str, str] = EMPTY) -> dict[str, object]:
    """
    Write a record as a CloudEvent (1.0, JSON format); its id is the same on a repeat.

    Args:
        record: What became so.
        captured: What is told of the channel's name.
    """
    fact = record.fact
    return {
        "specversion": "1.0",
        "id": record.id,
        "source": f"/apps/{fact.app}",
        "type": f"fanfare.{fact.kind}",
        "subject": fact.channel or fact.user,
        "time": text_of(fact.at),
        "datacontenttype": "application/json",
        "data": _data(fact) | ({"captures": captured} if captured else {}),
    }


def _data(fact: Fact) -> dict[str, object]:
    data: dict[str, object] = {"channel": fact.channel, "user_id": fact.user}
    if fact.kind == "subscription_count":
        data["subscription_count"] = fact.count
    if fact.kind == "message_read":
        data["upto"] = recalled(fact.data).told
    return {name: value for name, value in data.items() if value != ""}
