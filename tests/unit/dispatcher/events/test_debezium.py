"""Debezium, "Data change events"."""

from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from services.dispatcher.events.debezium import (
    converted,
    decode_change,
    envelope_of,
    is_change,
    is_tombstone,
)
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from tests.unit.dispatcher.examples import OTHER_TRACE, record

ROW = {"id": 1, "status": "paid"}
SOURCE = {"connector": "postgresql", "name": "shop", "table": "orders", "ts_ms": 1_690_000_000_123}


def change(op: str = "c", **fields: Any) -> dict[str, Any]:
    return {"op": op, "before": None, "after": ROW, "source": SOURCE} | fields


def decoded(envelope: dict[str, Any]) -> DomainEvent | None:
    return decode_change(record({}, key=b'{"id":1}'), envelope, trace=OTHER_TRACE)


class TestEnvelope:
    """What a change event looks like."""

    def test_bare(self) -> None:
        assert envelope_of(change()) == change()

    def test_in_schema_and_payload(self) -> None:
        assert envelope_of({"schema": {"type": "struct"}, "payload": change()}) == change()

    def test_truncate_has_neither_side(self) -> None:
        truncate = {"op": "t", "source": SOURCE}

        assert envelope_of(truncate) == truncate

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"op": "c"},
            {"op": "c", "source": "shop", "after": {}},
            {"op": ["c"], "source": SOURCE, "after": {}},
            {"op": "add", "source": {"page": 1}, "value": 2},
            {"source": SOURCE, "after": {}},
            {"schema": {}, "payload": None},
            {"schema": {}, "payload": {"id": 1}},
            {"schema": {}, "payload": change(), "extra": 1},
        ],
    )
    def test_other_objects_are_none(self, value: dict[str, Any]) -> None:
        """A plain object that happens to share a field name stays a plain object."""
        assert envelope_of(value) is None

    @pytest.mark.parametrize(
        "value,expected",
        [
            ({"schema": None, "payload": None}, True),
            ({"schema": None, "payload": {}}, False),
            ({"payload": None}, False),
            ({"schema": None, "payload": None, "x": 1}, False),
        ],
    )
    def test_tombstone(self, value: dict[str, Any], *, expected: bool) -> None:
        assert is_tombstone(value) is expected


class TestDecode:
    """From an envelope to an event."""

    def test_created(self) -> None:
        assert decoded(change("c")) == DomainEvent(
            type="orders.created",
            id="orders/3/42",
            source="shop",
            subject="",
            time=1_690_000_000.123,
            data=ROW,
            key={"id": 1},
            trace=OTHER_TRACE,
            changed=True,
        )

    def test_updated_tells_the_new_row(self) -> None:
        event = decoded(change("u", before={"id": 1, "status": "open"}))

        assert event
        assert (event.type, event.data) == ("orders.updated", ROW)

    def test_deleted_tells_the_old_row(self) -> None:
        event = decoded(change("d", before={"id": 1}, after=None))

        assert event
        assert (event.type, event.data) == ("orders.deleted", {"id": 1})

    @pytest.mark.parametrize("op", ["r", "t", "m"])
    def test_nothing_to_tell(self, op: str) -> None:
        """A connector that starts does not announce a whole table."""
        assert decoded(change(op)) is None

    def test_mongodb(self) -> None:
        """MongoDB has collections, and its connector puts documents as text."""
        source = {"connector": "mongodb", "name": "", "collection": "carts"}

        event = decoded(change("c", after='{"_id": 5}', source=source))

        assert event
        assert (event.type, event.data) == ("carts.created", {"_id": 5})
        assert event.source == "orders"  # Without a name, the topic.

    def test_document_with_a_half(self) -> None:
        """A document in a text is read as UTF-8: half of a surrogate pair in the text itself is none."""
        value = rb'{"op":"c","after":"{\"t\":\"\ud83d\"}","source":{"collection":"carts"}}'

        with pytest.raises(Undecodable, match="after is not JSON"):
            decode(record(value))

    @pytest.mark.parametrize("ts_ms", [None, 0, -5, "soon", 1.5, 2**60, 10**400])
    def test_unusable_time_gives_way_to_the_records(self, ts_ms: object) -> None:
        event = decoded(change(source=SOURCE | {"ts_ms": ts_ms}))

        assert event
        assert event.time == 1_700_000_000.5

    @pytest.mark.parametrize(
        "envelope,reason",
        [
            (change("x" * 100), "whose operation `op` is unknown"),
            (change(source={"connector": "mysql"}), "name of its table"),
            (change(source=SOURCE | {"table": 7}), "name of its table"),
            (change("c", after=[1]), "the row `after` of a change event is no object"),
            (change("c", after="[1]"), "the row `after` of a change event is no object"),
            (change("c", after="{"), "after is not JSON"),
        ],
    )
    def test_unusable(self, envelope: dict[str, Any], reason: str) -> None:
        with pytest.raises(Undecodable) as caught:
            decoded(envelope)

        assert reason in caught.value.reason

    @pytest.mark.parametrize("key", [None, b"", b"1", b'"1"', b"{", b'{"schema":null,"payload":1}'])
    @pytest.mark.parametrize(
        "envelope,side",
        [
            (change("u", after=None), "after"),
            (change("d", before=None), "before"),
            ({"op": "d", "source": SOURCE}, "before"),
        ],
    )
    def test_neither_row_nor_key(
        self, envelope: dict[str, Any], side: str, key: bytes | None
    ) -> None:
        with pytest.raises(Undecodable, match=f"without the row `{side}`"):
            decode_change(record({}, key=key), envelope, trace="")


class TestKeyAlone:
    """MongoDB without pre-images, and updates without the full document: the key alone says which row it is."""

    @pytest.mark.parametrize(
        "envelope,kind,side",
        [
            (change("d", before=None, after=None), "orders.deleted", "before"),
            (
                change("u", after=None, updateDescription={"updatedFields": "{}"}),
                "orders.updated",
                "after",
            ),
            ({"op": "d", "source": SOURCE}, "orders.deleted", "before"),
        ],
    )
    def test_key(self, envelope: dict[str, Any], kind: str, side: str) -> None:
        event = decoded(envelope)

        assert event
        assert (event.type, event.data, event.key) == (kind, None, {"id": 1})
        assert event.changed
        assert event.gap == f"the change event has no row `{side}`, only a key"


class TestUnwrapped:
    """ExtractNewRecordState, with and without what it may add, and with the schemas of JsonConverter."""

    SCHEMA: ClassVar = {"type": "struct", "fields": []}

    @pytest.mark.parametrize(
        "value,headers,kind",
        [
            (ROW | {"__op": "c"}, {}, "orders.created"),
            (ROW | {"__op": "u", "__table": "carts"}, {}, "carts.updated"),
            (ROW | {"__op": "u", "__deleted": "false"}, {}, "orders.updated"),
            (ROW | {"__op": "d", "__deleted": "true"}, {}, "orders.deleted"),
            (ROW | {"__deleted": "true"}, {}, "orders.deleted"),
            (ROW | {"__deleted": True}, {}, "orders.deleted"),
            (ROW | {"__deleted": "false"}, {}, "shop.public.orders"),
            (ROW | {"__op": {"a": 1}}, {}, "shop.public.orders"),
            (ROW, {"__op": b"d", "__table": b"carts"}, "carts.deleted"),
            ({"schema": SCHEMA, "payload": ROW | {"__op": "c"}}, {}, "orders.created"),
            ({"schema": SCHEMA, "payload": ROW}, {}, "shop.public.orders"),
        ],
    )
    def test_row(self, value: dict[str, Any], headers: dict[str, bytes], kind: str) -> None:
        event = decode(replace(record(value, **headers), topic="shop.public.orders"))

        assert event
        assert (event.type, event.changed) == (kind, True)
        assert event.data.items() >= ROW.items()

    @pytest.mark.parametrize("op", ["r", "t", "m"])
    def test_nothing_to_tell(self, op: str) -> None:
        assert decode(record(ROW | {"__op": op})) is None

    def test_marks_alone(self) -> None:
        """MongoDB's deletes have no document: what was added to nothing is no row, the key says which it was."""
        event = decode(record({"__deleted": True, "__op": "d"}, key=b'{"id":1}'))

        assert event
        assert (event.type, event.key, event.changed) == ("orders.deleted", {"id": 1}, True)
        assert event.gap == "the change event has no row, only a key"

    @pytest.mark.parametrize("key", [None, b"1"])
    def test_marks_without_key(self, key: bytes | None) -> None:
        with pytest.raises(Undecodable, match="without the row"):
            decode(record({"__deleted": "true"}, key=key))

    def test_time_in_a_header(self) -> None:
        """Headers are texts, numbers too."""
        event = decode(record(ROW, __op=b"u", __source_ts_ms=b"1690000000123"))

        assert event
        assert event.time == 1_690_000_000.123

    @pytest.mark.parametrize("text", [b"", b"soon", b"-1", b"1.5", "٣".encode(), b"9" * 5000])
    def test_no_time_in_a_header(self, text: bytes) -> None:
        event = decode(record(ROW, __op=b"u", __source_ts_ms=text))

        assert event
        assert event.time == 1_700_000_000.5

    @pytest.mark.parametrize(
        "value", [ROW, {"schema": "v1", "payload": ROW}, {"schema": None, "payload": ROW}]
    )
    def test_other_objects(self, value: dict[str, Any]) -> None:
        """An object that shows no sign of a row is what it always was."""
        event = decode(record(value))

        assert event
        assert (event.data, event.changed) == (value, False)


class TestConvertedData:
    """The data of CloudEvents that Debezium's own converter writes: both sides of a change, perhaps in a schema."""

    SCHEMA: ClassVar = {"type": "struct", "fields": []}

    @pytest.mark.parametrize(
        "type_,expected",
        [
            ("io.debezium.connector.postgresql.DataChangeEvent", True),
            ("io.debezium.connector.mongodb.DataChangeEvent", True),
            ("io.debezium.connector.mysql.SchemaChangeEvent", False),
            ("com.shop.DataChangeEvent", False),
            ("order.created", False),
        ],
    )
    def test_type(self, type_: str, *, expected: bool) -> None:
        assert is_change(type_) is expected

    @pytest.mark.parametrize(
        "data", [None, 7, "text", [1], ROW, {"before": ROW}, {"after": "soon"}]
    )
    def test_other_data(self, data: Any) -> None:
        assert converted(data) == data

    def test_schema(self) -> None:
        sides = {"before": None, "after": ROW}

        assert converted({"schema": self.SCHEMA, "payload": sides}) == sides

    def test_document(self) -> None:
        """MongoDB's documents are texts there, too."""
        sides = {"before": '{"_id": 1}', "after": '{"_id": 2}', "updateDescription": None}

        assert converted(sides) == {
            "before": {"_id": 1},
            "after": {"_id": 2},
            "updateDescription": None,
        }

    def test_no_document(self) -> None:
        with pytest.raises(Undecodable, match="after is not JSON"):
            converted({"before": None, "after": "{"})
