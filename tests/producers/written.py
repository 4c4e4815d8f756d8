"""What the producers wrote, and what becomes of it."""

import json
from typing import Any

from libs.common.eventlog.records import Record
from services.dispatcher.events.decoding import decode
from services.dispatcher.routing.router import Router
from services.dispatcher.settings import DispatcherSettings, Route

Written = dict[str, Record]  # Name to record; Producers.java gives the names.


def told(record: Record, **fields: Any) -> list[tuple[str, str, Any]]:
    """
    Decode a record and route it, by a route of its topic with these fields.

    Returns:
        Channel, event and data of each broadcast.

    Raises:
        Undecodable: The record is no event.
        Unroutable: The route cannot send the event.
    """
    event = decode(record)
    if event is None:
        return []
    route = Route(name="all", topic=record.topic, event="{type}", **fields)
    router = Router([route], topics={"1": "posted"}, settings=DispatcherSettings())
    routing = router.route(record.topic, event, now=event.time)
    return [(item.channel, item.event, json.loads(item.data)) for item in routing.broadcasts]
