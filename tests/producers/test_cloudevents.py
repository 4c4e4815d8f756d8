"""What CloudEvents' SDK for Java writes into Kafka: one event has one shape, whatever the mode."""

from typing import Any

import pytest

from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent
from tests.producers.written import Written, told

DATA: dict[str, Any] = {
    "json": {"user": "Zoë", "total": 12.5},
    "json of a vendor": [1, None, "ü"],
    "json text": "grüße",
    "json null": None,
    "untyped json": {"n": 1},
    "text": 'grüße "you"',
    "empty text": "",
    "xml": '<order id="1">ü</order>',
    "svg": "<svg/>",
    "bytes": "iVBORwA=",
    "no data": None,
    "no data of a type": None,
}
TEXTS = ("text", "empty text", "xml", "svg")
RECORDS = [
    *((f"binary {kind}", data) for kind, data in DATA.items()),
    *((f"structured {kind}", data) for kind, data in DATA.items()),
    *((f"text {kind}", DATA[kind]) for kind in TEXTS),
]


def test_all_are_tried(written: Written) -> None:
    assert {name for name in written if written[name].topic == "events"} == {*dict(RECORDS)}


@pytest.mark.parametrize("name,data", RECORDS)
def test_decoded(written: Written, name: str, data: Any) -> None:
    """Every attribute that counts arrives, and so does the data, as its type says."""
    assert decode(written[name]) == DomainEvent(
        type="order.created",
        id="7",
        source="/shop/ü?x=1",
        subject="Zoë & co",
        time=1769853600.123456,
        data=data,
        socket_id="1.2",
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


@pytest.mark.parametrize("name,data", RECORDS)
def test_told(written: Written, name: str, data: Any) -> None:
    """Without a projection clients get the data as it is; an event without data is told as well."""
    assert told(written[name], channels=("orders.{id}",)) == [("orders.7", "order.created", data)]


def test_dataless_is_no_tombstone(written: Written) -> None:
    """Kafka binding, 3.2.2: in binary mode an event without data has no value, as a tombstone has none."""
    assert written["binary no data"].value is None
