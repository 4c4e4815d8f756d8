"""Rows of ``fanfare_apps``."""

from typing import Any

import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.rows import COLUMNS, app_of, changed, fault_of, row_of
from libs.common.apps.webhooks import WebhookSettings, webhooks_of
from libs.common.config.secret import Secret

PLAIN = App(id="1", key="k", secrets=(Secret("hush"),))
OTHER = App(
    id="2",
    key="l",
    secrets=(Secret("hush"), Secret("s")),
    encryption_master_key=Secret("nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="),
    allowed_origins=("https://a.org", "*"),
    limits=Limits(batch=5, reads=0.5),
    webhooks=(
        WebhookSettings(url="https://e.org", name="a", headers={"Authorization": Secret("hush")}),
    ),
)


def row(app: App = PLAIN, **columns: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, row_of(app), strict=True)) | columns


class TestBothWays:
    """An app becomes a row, and the row that app."""

    @pytest.mark.parametrize("app", [PLAIN, OTHER], ids=["plain", "other"])
    def test_same(self, app: App) -> None:
        """Nothing is lost between the two."""
        assert app_of(row(app)) == app
        assert fault_of(row(app)) == ""

    def test_limits(self) -> None:
        """Of limits only what differs from the defaults is written."""
        assert row()["limits"] == "{}"
        assert row(OTHER)["limits"] == '{"batch":5,"reads":0.5}'


class TestFault:
    """Why a row makes no app."""

    @pytest.mark.parametrize(
        "columns,said",
        [
            ({"limits": '{"x": 1}'}, "limits: Object contains unknown field `x`"),
            ({"limits": '{"batch": 0.5}'}, "limits: Expected `int`, got `float`"),
            ({"allowed_origins": ["plain.org"]}, 'found "plain.org"'),
            ({"encryption_master_key": "hush"}, "encryption_master_key is not 32 bytes"),
            ({"webhooks": '[{"url": "https://e.org", "name": 1}]'}, "webhooks: Expected `str`"),
            ({"webhooks": '[{"url": "http://e.org"}]'}, "must begin with https://"),
            ({"secrets": [None]}, "needs at least one secret"),
        ],
    )
    def test_said(self, columns: dict[str, Any], said: str) -> None:
        """It is said without a secret."""
        fault = fault_of(row(**columns))

        assert said in fault
        assert "hush" not in fault

    @pytest.mark.parametrize("columns,topic", [({}, "fanfare.events.1"), ({"topic": "t"}, "t")])
    def test_topic_of_others(self, columns: dict[str, Any], topic: str) -> None:
        """A topic that is meant for something else is a fault, with the setting that names it."""
        assert fault_of(row(**columns), {topic: "auth.x"}) == f"topic: {topic} is auth.x"
        assert fault_of(row(**columns), {"other": "auth.x"}) == ""


class TestChanged:
    """What a row shall have."""

    def test_columns(self) -> None:
        """Columns that are given, and no others."""
        assert changed(row(), {"name": "n"}, {}) == {"name": "n"}

    def test_limits(self) -> None:
        """Limits that are given, beside those that the row states; the default is not stated."""
        after = changed(row(OTHER), {}, {"batch": None, "members": 0, "channels": None})

        assert after == {"limits": '{"reads":0.5,"members":0}'}

    def test_mended(self) -> None:
        """A limit whose name is wrong is taken out by it."""
        assert changed(row(limits='{"x": "y"}'), {}, {"x": None}) == {"limits": "{}"}

    def test_unknown(self) -> None:
        """One that is nowhere is refused."""
        with pytest.raises(ValueError, match="limit 'bach' is unknown; did you mean batch"):
            changed(row(), {}, {"bach": None})

    def test_webhooks(self) -> None:
        """Webhooks that are given, beside those of the row."""
        new = WebhookSettings(url="https://new.example.org", name="b")

        after = changed(row(OTHER), {}, {}, webhooks={"b": new})

        assert webhooks_of(after["webhooks"]) == (*OTHER.webhooks, new)
