"""The dispatcher's settings: defaults, and what is refused."""

from typing import Any

import msgspec
import pytest

from services.dispatcher.settings import DispatcherSettings, Route

SMALLEST = {"name": "low", "channels": ["stock"], "event": "stock.low"}


class TestRoute:
    """Keys and types; texts are the router's business."""

    def test_defaults(self) -> None:
        route = msgspec.convert(SMALLEST, Route)

        assert route == Route(
            name="low",
            app="",
            topic="",
            type="*",
            when="",
            channels=("stock",),
            event="stock.low",
            data={},
            enabled=True,
            max_age=0.0,
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"name": ""},
            {"name": None},
            {"type": ""},
            {"channels": []},
            {"channels": ["x"] * 101},
            {"channels": "stock"},
            {"event": None},
            {"data": {"left": 5}},
            {"data": "data.left"},
            {"enabled": "yes"},
            {"max_age": -1},
            {"exclude": "x"},
        ],
    )
    def test_refused(self, change: dict[str, Any]) -> None:
        fields = {key: value for key, value in (SMALLEST | change).items() if value is not None}

        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(fields, Route)

    def test_a_hundred_channels(self) -> None:
        assert len(msgspec.convert(SMALLEST | {"channels": ["x"] * 100}, Route).channels) == 100


class TestDispatcherSettings:
    """Bounds."""

    def test_defaults(self) -> None:
        settings = DispatcherSettings()

        assert (settings.group, settings.dead_letter_topic) == ("fanfare", "fanfare.dead-letters")
        assert settings.max_broadcasts == 1_024

    @pytest.mark.parametrize(
        "fields",
        [
            {"group": ""},
            {"dead_letter_topic": ""},
            {"retry_min": 0},
            {"retry_min": 20},
            {"retry_max": 0.05},
            {"max_broadcasts": 0},
            {"max_broadcasts": 1025},
            {"maximum": 1},
        ],
    )
    def test_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(fields, DispatcherSettings)
