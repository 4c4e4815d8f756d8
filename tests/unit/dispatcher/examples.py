"""Records, events and routes for the tests of the dispatcher, each with what a test does not care for."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from libs.common.eventlog.records import Record
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.settings import Route

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-11111111111111111111111111111111-2222222222222222-00"


def record(value: Any, *, key: bytes | None = None, **headers: bytes) -> Record:
    """Make a record; anything but bytes and None becomes JSON, underscores in header names stay."""
    body = value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
    return Record("orders", 3, 42, 1_700_000_000.5, key, body, tuple(headers.items()))


def structured(**attributes: Any) -> dict[str, Any]:
    """Make a CloudEvent of the JSON format; None leaves an attribute out."""
    envelope = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "order.created"}
    return {name: value for name, value in (envelope | attributes).items() if value is not None}


def event(data: Any = None, **fields: Any) -> DomainEvent:
    """Make a domain event."""
    known: dict[str, Any] = {
        "type": "stock.low",
        "id": "7",
        "source": "/warehouse",
        "subject": "bolt",
        "time": 1_700_000_000.0,
        "key": "k",
    }
    return DomainEvent(data=data, **(known | fields))


def scope(data: Any = None, **names: Any) -> dict[str, Any]:
    """Make what expressions see."""
    known = {"data": data, "type": "stock.low", "source": "/warehouse", "subject": "bolt"}
    return known | {"id": "7", "time": 1_700_000_000.0, "key": "k", "topic": "inventory"} | names


def route(**fields: Any) -> Route:
    """Make a route of topic `inventory`."""
    known: dict[str, Any] = {
        "name": "low",
        "topic": "inventory",
        "channels": ("stock",),
        "event": "stock.low",
    }
    return msgspec.convert(known | fields, Route)


def json_values(*, leaves: int = 20) -> st.SearchStrategy[Any]:
    """Any JSON document, with the field names that the rules of the tests speak of."""
    names = st.sampled_from(["a", "b", "c", "type", "op", "source", "in"]) | st.text(max_size=5)
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    texts = st.text(max_size=20)
    scalars = st.none() | st.booleans() | numbers | texts
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
        max_leaves=leaves,
    )
