"""What is said of events that will not be sent: why, and nothing of what they hold."""

from typing import Any

import msgspec
import pytest

from libs.common.eventlog.records import NewRecord
from services.dispatcher.routing.outlook import MOST_EVENTS, warnings
from services.dispatcher.routing.router import Router
from services.dispatcher.settings import DispatcherSettings
from tests.unit.dispatcher.examples import route, structured

NOW = 1_700_000_100.0
SECRET = "sesame"


def foretold(*events: dict[str, Any], **fields: Any) -> list[str]:
    """Foretell what becomes of CloudEvents, with one route that has these fields."""
    router = Router([route(**fields)], topics={"1": "posted"}, settings=DispatcherSettings())
    headers = (("content-type", b"application/cloudevents+json"),)
    records = [
        NewRecord(
            "inventory",
            msgspec.json.encode(structured(data={"secret": SECRET}) | event),
            None,
            headers,
        )
        for event in events
    ]
    return warnings(router, records, now=NOW)


class TestWarnings:
    """One sentence for each event that no client will get."""

    def test_sent(self) -> None:
        assert foretold({}) == []

    @pytest.mark.parametrize(
        "event,fields,words",
        [
            ({}, {"topic": ""}, "nobody gets it: no route reads the topic 'inventory'"),
            (
                {},
                {"type": "stock.*"},
                "nobody gets it: no route of the topic 'inventory' is for its type",
            ),
            ({}, {"enabled": False}, "nobody gets it: route 'low' is disabled"),
            (
                {"time": "2020-01-01T00:00:00Z"},
                {"max_age": 5},
                "nobody gets it: route 'low' has a max_age, and the event is older",
            ),
            (
                {},
                {"when": "data.price > 1"},
                "nobody gets it: route 'low' needs a field for `when` that is absent",
            ),
            (
                {},
                {"when": "data.secret == 'x'"},
                "nobody gets it: `when` does not hold of 'low'",
            ),
            (
                {},
                {"channels": ["a.{data.price}"]},
                "it becomes a dead letter: route 'low', channels[0] = 'a.{data.price}': 'data.price': 'price' is absent",
            ),
            (
                {},
                {"when": "data.secret < 5"},
                "it becomes a dead letter: route 'low', when = 'data.secret < 5': a type does not fit: data.secret is a text",
            ),
        ],
    )
    def test_not_sent(self, event: dict[str, Any], fields: dict[str, Any], words: str) -> None:
        assert foretold(event, **fields) == [words]
        assert SECRET not in words

    def test_what_is_not_told(self) -> None:
        """A row that a snapshot reads is nothing to warn of."""
        assert foretold({"iodebeziumop": "r"}, type="none") == []

    def test_batch(self) -> None:
        """Of several events it is said which one is meant; those far behind are not looked at."""
        words = "nobody gets it: no route of the topic 'inventory' is for its type"

        assert foretold({"type": "a"}, {"type": "b"}, type="a") == [f"event 1: {words}"]
        assert len(foretold(*[{}] * (MOST_EVENTS + 5), type="b")) == MOST_EVENTS
