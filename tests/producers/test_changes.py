"""
What Kafka Connect writes into Kafka of changes in databases.

By its own converter for JSON and by Debezium's for CloudEvents; in Debezium's envelope, or unwrapped by
ExtractNewRecordState and by MongoDB's ExtractNewDocumentState.
"""

import re
from typing import Any

import pytest

from services.dispatcher.events.decoding import decode
from services.dispatcher.routing.rules import Unroutable
from tests.producers.written import Written, told

ROW = {"id": 1, "user_id": "auth0|Zoë", "total": "BOI=", "created_at": "2026-01-31T10:00:00Z"}
# A decimal, 99.00, in base64: what decimal.handling.mode=precise makes of it.
PAID = ROW | {"total": "Jqw="}
KEY_ALONE = dict.fromkeys(ROW) | {"id": 1}
ID = "65a0c0ffee65a0c0ffee65a0"
DOCUMENT = {"_id": {"$oid": ID}, "user_id": "Zoë", "total": {"$numberLong": "7"}}
FLAT = {"_id": ID, "user_id": "Zoë", "total": 7}

ALL = {"channels": ("all",), "data": {"row": "data"}}
DELETED = ("row deleted", "row deleted by key", "document deleted", "document deleted with image")
JSON = ("json", "schema")  # Without schemas, and with.
CONVERTED = ("", ", schema", ", no extensions")  # By Debezium's converter, and how it is set.
POSTGRESQL = "io.debezium.connector.postgresql.DataChangeEvent"
MONGODB = "io.debezium.connector.mongodb.DataChangeEvent"


@pytest.mark.parametrize("converter", JSON)
@pytest.mark.parametrize(
    "name,kind,row",
    [
        ("row created", "orders.created", ROW),
        ("row updated", "orders.updated", PAID),
        ("row deleted", "orders.deleted", ROW),
        ("row deleted by key", "orders.deleted", KEY_ALONE),
        ("document created", "carts.created", DOCUMENT),
        ("document updated", "carts.updated", DOCUMENT),
        ("document deleted with image", "carts.deleted", DOCUMENT),
    ],
)
def test_envelope(written: Written, converter: str, name: str, kind: str, row: Any) -> None:
    assert told(written[f"{converter} {name}"], **ALL) == [("all", kind, {"row": row})]


@pytest.mark.parametrize("setting", CONVERTED)
@pytest.mark.parametrize(
    "name,kind,before,after",
    [
        ("row created", POSTGRESQL, None, ROW),
        ("row updated", POSTGRESQL, ROW, PAID),
        ("row deleted", POSTGRESQL, ROW, None),
        ("document created", MONGODB, None, DOCUMENT),
        ("document updated", MONGODB, None, DOCUMENT),
        ("document deleted with image", MONGODB, DOCUMENT, None),
    ],
)
def test_cloudevent(
    written: Written, setting: str, name: str, kind: str, before: Any, after: Any
) -> None:
    """Schemas and extensions change nothing of what routes see."""
    record = written[f"cloudevents {name}{setting}"]
    sides = {"before": "data.before", "after": "data.after"}

    assert told(record, channels=("all",), data=sides) == [
        ("all", kind, {"before": before, "after": after})
    ]


@pytest.mark.parametrize("converter", JSON)
@pytest.mark.parametrize(
    "name,kind,row",
    [
        ("row created", "orders.created", ROW | {"__deleted": "false", "__op": "c"}),
        ("row updated", "orders.updated", PAID | {"__deleted": "false", "__op": "u"}),
        ("row deleted", "orders.deleted", ROW | {"__deleted": "true", "__op": "d"}),
        ("document created", "carts.created", FLAT | {"__deleted": False, "__op": "c"}),
        (
            "document updated in part",
            "carts.updated",
            {"_id": ID, "total": 7, "__deleted": False, "__op": "u"},
        ),
        (
            "document deleted with image",
            "carts.deleted",
            FLAT | {"__deleted": True, "__op": "d"},
        ),
    ],
)
def test_marked(written: Written, converter: str, name: str, kind: str, row: Any) -> None:
    """With ``add.fields=op`` and deletes rewritten, an unwrapped row says what happened to it, and when."""
    record = written[f"{converter} {name}, marked"]

    assert told(record, **ALL) == [("all", kind, {"row": row | {"__source_ts_ms": 1769853600250}})]
    event = decode(record)
    assert event
    assert event.time == 1769853600.25


@pytest.mark.parametrize("converter", JSON)
@pytest.mark.parametrize(
    "name,kind,row",
    [
        ("row created", "orders.created", ROW),
        ("row updated", "orders.updated", PAID),
        ("document created", "carts.created", FLAT),
    ],
)
def test_marked_by_headers(
    written: Written, converter: str, name: str, kind: str, row: Any
) -> None:
    """The same with ``add.headers=op``."""
    record = written[f"{converter} {name}, marked by headers"]

    assert told(record, **ALL) == [("all", kind, {"row": row})]
    event = decode(record)
    assert event
    assert event.time == 1769853600.25


@pytest.mark.parametrize("converter", JSON)
@pytest.mark.parametrize(
    "name,kind,row",
    [
        ("row created", "shop.public.orders", ROW | {"__deleted": "false"}),
        ("row deleted", "orders.deleted", ROW | {"__deleted": "true"}),
        ("document created", "shop.shop.carts", FLAT | {"__deleted": False}),
        ("document deleted with image", "carts.deleted", FLAT | {"__deleted": True}),
    ],
)
def test_rewritten(written: Written, converter: str, name: str, kind: str, row: Any) -> None:
    """Without ``add.fields`` deletes alone say what they are; the topic stands for the rest."""
    assert told(written[f"{converter} {name}, rewritten"], **ALL) == [("all", kind, {"row": row})]


SILENT = {
    *(f"{converter} {name}" for converter in JSON for name in ("row read", "table truncated")),
    *(f"{converter} row read, marked{how}" for converter in JSON for how in ("", " by headers")),
    # Without extensions a row that a snapshot reads is not told from one that is created.
    *(
        f"cloudevents {name}{setting}"
        for name in ("row read", "table truncated")
        for setting in CONVERTED[:2]
    ),
    # A deletion that is not rewritten becomes a tombstone, which Connect's converter writes in three ways.
    *(
        f"{converter} {name}, {how}"
        for converter in JSON
        for name in DELETED
        for how in ("unwrapped", "marked by headers")
    ),
    *(f"{converter} row buried" for converter in (*JSON, "cloudevents")),
    *(f"cloudevents row buried{setting}" for setting in CONVERTED),
}

GAPS = [
    *(f"{converter} document updated in part" for converter in JSON),
    *(f"{converter} document deleted" for converter in JSON),
    *(
        f"{converter} document deleted, {how}"
        for converter in JSON
        for how in ("rewritten", "marked")
    ),
]


@pytest.mark.parametrize("name", GAPS)
def test_key_alone(written: Written, name: str) -> None:
    """What MongoDB tells by the key alone is routed by the key, and buried with that reason where a route needs more."""
    by_key = {"channels": ("carts",), "data": {"id": "key.id"}}
    ((_, _, data),) = told(written[name], **by_key)
    assert ID in data["id"]

    for needy in ({"when": "data.total > 5"}, {"channels": ("private-{data.user_id}",)}):
        with pytest.raises(Unroutable, match="only a key"):
            told(written[name], **(by_key | needy))


@pytest.mark.parametrize("setting", CONVERTED)
@pytest.mark.parametrize("name", ["document updated in part", "document deleted"])
def test_cloudevent_by_key_alone(written: Written, name: str, setting: str) -> None:
    """The same inside a CloudEvent, where both sides are null."""
    record = written[f"cloudevents {name}{setting}"]

    ((_, _, data),) = told(record, channels=("carts",), data={"id": "key.id"})
    assert ID in data["id"]
    for needy in ({"when": "data.after.total > 5"}, {"data": {"id": "data.after.user_id"}}):
        with pytest.raises(Unroutable, match=r"'data\.after"):
            told(record, **({"channels": ("carts",), "data": {"id": "key.id"}} | needy))


def test_rows_need_a_projection(written: Written) -> None:
    """No row is told whole unless a route lists its fields; alone and without its schema it shows no sign of one."""
    changes = {name for name in written if written[name].topic != "events"}
    naked = {name for name in changes if re.match("json .*, unwrapped", name)}

    for name in changes - naked - SILENT:
        with pytest.raises(Unroutable, match="must list the fields"):
            told(written[name], channels=("all",))
    for name in naked - SILENT:
        assert told(written[name], channels=("all",)) != []


def test_nothing_to_tell(written: Written) -> None:
    """Snapshots, truncates and tombstones are no events, and everything else is one: nothing vanishes."""
    assert {name for name, record in written.items() if decode(record) is None} == SILENT
