"""Debezium, "Data change events"."""

from typing import Any

import pytest

from services.dispatcher.events.debezium import decode_change, envelope_of, is_tombstone
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
            key='{"id":1}',
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

    @pytest.mark.parametrize("op", ["r", "t"])
    def test_snapshots_and_truncates_are_nothing_to_tell(self, op: str) -> None:
        """A connector that starts does not announce a whole table."""
        assert decoded(change(op)) is None

    def test_mongodb(self) -> None:
        """MongoDB has collections, and its connector puts documents as text."""
        source = {"connector": "mongodb", "name": "", "collection": "carts"}

        event = decoded(change("c", after='{"_id": 5}', source=source))

        assert event
        assert (event.type, event.data) == ("carts.created", {"_id": 5})
        assert event.source == "orders"  # Without a name, the topic.

    @pytest.mark.parametrize("ts_ms", [None, 0, -5, "1", 1.5, 2**60, 10**400])
    def test_unusable_time_gives_way_to_the_records(self, ts_ms: object) -> None:
        event = decoded(change(source=SOURCE | {"ts_ms": ts_ms}))

        assert event
        assert event.time == 1_700_000_000.5

    @pytest.mark.parametrize(
        "envelope,reason",
        [
            (change("m"), "unknown operation 'm'"),
            (change("x" * 100), f"unknown operation '{'x' * 16}'"),
            (change(source={"connector": "mysql"}), "name of its table"),
            (change(source=SOURCE | {"table": 7}), "name of its table"),
            (change("u", after=None), "without the row `after`"),
            (change("d", before=None), "without the row `before`"),
            (change("d"), "without the row `before`"),
            (change("c", after=[1]), "without the row `after`"),
            (change("c", after="[1]"), "without the row `after`"),
            (change("c", after="{"), "after is not JSON"),
        ],
    )
    def test_unusable(self, envelope: dict[str, Any], reason: str) -> None:
        with pytest.raises(Undecodable) as caught:
            decoded(envelope)

        assert reason in caught.value.reason
