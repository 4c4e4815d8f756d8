"""From records to domain events."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.eventlog.records import Record
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from tests.unit.dispatcher.examples import TRACE, json_values, record, structured

CHANGE = {
    "op": "c",
    "before": None,
    "after": {"id": 1},
    "source": {"connector": "mysql", "table": "carts"},
}
HEADER_NAMES = st.sampled_from(
    [
        *("content-type", "Content-Type", "traceparent", "ce_specversion", "ce_id", "ce_source"),
        *(
            "ce_type",
            "ce_time",
            "ce_socketid",
            "ce_userid",
            "ce_traceparent",
            "ce_subject",
            "other",
        ),
    ]
)
HEADER_VALUES = st.binary(max_size=30) | st.sampled_from(
    [
        *(b"1.0", b"application/cloudevents+json", b"application/json", b"text/plain"),
        *(b"application/cloudevents-batch+json", b"1.2", b"2026-01-01T00:00:00Z", TRACE.encode()),
    ]
)
HEADERS = st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=8).map(tuple)
ALMOST_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.just("1.0") | json_values(leaves=2),
        "id": st.text() | json_values(leaves=2),
        "source": st.text() | json_values(leaves=4),
        "type": st.text() | json_values(leaves=2),
        "time": st.datetimes().map(lambda time: time.isoformat() + "Z") | json_values(leaves=2),
        "subject": json_values(leaves=2),
        "socketid": st.from_regex(r"\d+\.\d+") | json_values(leaves=2),
        "userid": json_values(leaves=2),
        "data": json_values(),
        "data_base64": st.text() | json_values(leaves=2),
        "op": st.sampled_from(["c", "u", "d", "r", "t", "x"]) | json_values(leaves=2),
        "before": json_values(),
        "after": json_values(),
        "schema": json_values(leaves=2),
        "payload": st.just(CHANGE) | json_values(),
    },
)


def valid(event: DomainEvent | None) -> bool:
    """Tell whether each field has what it promises."""
    if event is None:
        return True
    texts = (event.source, event.subject, event.socket_id, event.user_id, event.trace)
    return (
        bool(event.type and event.id)
        and all(isinstance(text, str) for text in texts)
        and isinstance(event.time, float)
        and isinstance(event.key, dict | str)
        and (not event.changed or isinstance(event.data, dict) or bool(event.gap))
    )


def attempt(record: Record) -> DomainEvent | None:
    """Decode a record; one that is undecodable gives nothing, any other exception escapes."""
    with suppress(Undecodable):
        return decode(record)
    return None


class TestChoice:
    """Headers decide first, then the shape of the value."""

    @pytest.mark.parametrize(
        "value,headers",
        [
            (None, {}),
            (None, {"content-type": b"application/cloudevents+json"}),
            (None, {"ce_type": b"t"}),
            ({"schema": None, "payload": None}, {}),
            (b"null", {}),
            (b" null\n", {"__op": b"d"}),
            (CHANGE | {"op": "r"}, {}),
        ],
    )
    def test_nothing_to_tell(self, value: Any, headers: dict[str, bytes]) -> None:
        """A tombstone is no event, in whatever format."""
        assert decode(record(value, **headers)) is None

    @pytest.mark.parametrize(
        "content_type", [b"application/cloudevents+json", b"Application/CloudEvents; charset=utf-8"]
    )
    def test_structured(self, content_type: bytes) -> None:
        event = decode(record(structured(data={"a": 1}), **{"Content-Type": content_type}))

        assert event
        assert (event.type, event.data) == ("order.created", {"a": 1})

    def test_binary(self) -> None:
        headers = {"ce_specversion": b"1.0", "ce_id": b"7", "ce_source": b"/shop", "ce_type": b"t"}

        event = decode(record({"type": "not this"}, **headers))

        assert event
        assert (event.type, event.data) == ("t", {"type": "not this"})

    def test_change_event(self) -> None:
        event = decode(record({"schema": {}, "payload": CHANGE}, traceparent=TRACE.encode()))

        assert event
        assert (event.type, event.data) == ("carts.created", {"id": 1})
        assert (event.changed, event.trace) == (True, TRACE)

    def test_structured_without_its_header(self) -> None:
        """Debezium's converter of CloudEvents announces none: an event shows by the four fields that it must have."""
        event = decode(record(structured(data={"a": 1})))

        assert event
        assert (event.type, event.data) == ("order.created", {"a": 1})

    @pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
    @pytest.mark.parametrize("value", [None, 1])
    def test_not_quite_structured(self, name: str, value: object) -> None:
        """Nobody's fields change meaning by accident."""
        document = structured(**{name: value})
        event = decode(record(document))

        assert event
        assert event.data == document


class TestPlainJson:
    """An object of any shape."""

    def test_all_fields(self) -> None:
        value = {"type": "order.paid", "id": 5}

        event = decode(record(value, key=b"5", traceparent=TRACE.encode()))

        assert event == DomainEvent(
            type="order.paid",
            id="orders/3/42",
            source="orders",
            subject="",
            time=1_700_000_000.5,
            data=value,
            key="5",
            trace=TRACE,
        )

    @pytest.mark.parametrize(
        "value,expected",
        [
            ({"type": "a", "event": "b"}, "a"),
            ({"event": "b"}, "b"),
            ({"type": 5, "event": "b"}, "b"),
            ({"type": "", "event": "b"}, "b"),
            ({"type": None, "event": ["b"]}, "orders"),
            ({}, "orders"),
        ],
    )
    def test_type(self, value: dict[str, Any], expected: str) -> None:
        """The type is what the object calls itself, else the topic's name."""
        event = decode(record(value))

        assert event
        assert event.type == expected

    @pytest.mark.parametrize("value", [b"", b"5", b'"text"', b"[]", b"not json", b"\xff"])
    def test_anything_but_an_object(self, value: bytes) -> None:
        with pytest.raises(Undecodable):
            decode(record(value))

    @pytest.mark.parametrize("trace", [b"nonsense", b"\xff"])
    def test_malformed_trace_is_left_out(self, trace: bytes) -> None:
        event = decode(record({}, traceparent=trace))

        assert event
        assert not event.trace


class TestAnything:
    """No exception but Undecodable escapes."""

    @given(value=st.none() | st.binary(max_size=100), headers=HEADERS)
    def test_any_bytes(self, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
        assert valid(attempt(Record("t", 0, 0, 1.0, value, value, headers)))

    @given(value=ALMOST_EVENTS | json_values(), headers=HEADERS)
    def test_any_json(self, value: Any, headers: tuple[tuple[str, bytes], ...]) -> None:
        assert valid(attempt(Record("t", 0, 0, 1.0, None, msgspec.json.encode(value), headers)))

    @given(value=ALMOST_EVENTS)
    def test_any_structured_event(self, value: Any) -> None:
        body = msgspec.json.encode(value)
        headers = (("content-type", b"application/cloudevents+json"),)

        assert valid(attempt(Record("t", 0, 0, 1.0, None, body, headers)))
