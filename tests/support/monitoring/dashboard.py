"""
The dashboard for Grafana, made of `panels`; what a panel says of its metrics is what their declarations say.

``python -m tests.support.monitoring.dashboard`` prints deploy/grafana/fanfare.json; `make docs` writes it, and a test
holds it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from libs.common.telemetry.metrics.families import Family
from tests.support.documents.metrics import families
from tests.support.monitoring.panels import ROWS, Panel, Query, Row
from tests.support.monitoring.promql import named

UID = "fanfare"
WIDTH = 24  # Of the grid, by Grafana's count.
STAT, GRAPH = (6, 4), (6, 8)  # Width and height of panels.

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_PARTS = ("_bucket", "_sum", "_count")

Json = dict[str, Any]


def document() -> Json:
    """Compose the dashboard as Grafana's JSON model has it."""
    declared = {each.name: each for few in families().values() for each in few}
    return {
        "uid": UID,
        "title": "Fanfare",
        "description": "Made of tests/support/monitoring/panels.py by `make docs`.",
        "tags": ["fanfare"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # One crosshair for all panels.
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "links": [],
        "annotations": {"list": [_alerts()]},
        "templating": {
            "list": [
                _datasource(),
                _variable("job", 'up{job=~"fanfare.*"}', every="fanfare.*"),  # Deployments.
                _variable("instance", 'up{job=~"$job"}', every=".*"),
            ]
        },
        "panels": [*_laid_out(declared)],
    }


def _laid_out(declared: Mapping[str, Family]) -> Iterator[Json]:
    """Place rows below each other, and panels from left to right."""
    number, y = 0, 0
    for row in ROWS:
        yield _heading(row, number := number + 1, y)
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            width, height = STAT if panel.kind == "stat" else GRAPH
            if x + width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": width, "h": height}
            yield _panel(panel, number := number + 1, place, declared=declared)
            x, tallest = x + width, max(tallest, height)
        y += tallest


def _heading(row: Row, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel, number: int, place: Json, *, declared: Mapping[str, Family]) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": _described(panel, declared),
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            _target(query, chr(ord("A") + index)) for index, query in enumerate(panel.queries)
        ],
    }


def _described(panel: Panel, declared: Mapping[str, Family]) -> str:
    """Say what the metrics of a panel mean: what their declarations say."""
    names = [each.name for query in panel.queries for each in named(query.expression)]
    for part in _PARTS:
        names = [name.removesuffix(part) for name in names]
    return "\n\n".join(
        f"`{name}`: {declared[name].means}" for name in dict.fromkeys(names) if name in declared
    )


def _target(query: Query, name: str) -> Json:
    return {
        "refId": name,
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "range": True,
    }


_OPTIONS: Mapping[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "none",
        "graphMode": "area",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
}


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _variable(name: str, targets: str, *, every: str) -> Json:
    """Choose values of a label of targets; ``every`` is the pattern that stands for all."""
    query = f"label_values({targets}, {name})"
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,  # Whenever the time range changes.
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": every,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _alerts() -> Json:
    return {
        "name": "Alerts",
        "enable": True,
        "iconColor": "red",
        "datasource": _SOURCE,
        "expr": 'ALERTS{alertname=~"Fanfare.*", alertstate="firing", job=~"$job"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}} {{backend}}",
        "step": "60s",
    }


def text() -> str:
    """Write the dashboard as it lies in the repository."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
