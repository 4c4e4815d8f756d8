"""deploy/grafana: that the dashboard is what its panels say, names what there is, and leaves no metric out."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.telemetry.metrics.families import FORBIDDEN
from tests.support.documents.metrics import families
from tests.support.documents.tree import ROOT
from tests.support.monitoring import dashboard, promql
from tests.support.monitoring.panels import ROWS, Panel
from tests.support.monitoring.rules import PROMETHEUS, declared, promtool

GRAFANA = ROOT / "deploy" / "grafana"
TEXT = (GRAFANA / "fanfare.json").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(TEXT)
PANELS = [panel for row in ROWS for panel in row.panels]
EXPRESSIONS = [query.expression for panel in PANELS for query in panel.queries]
DECLARED = declared()  # Nothing that rules record: the dashboard does without them.

_VARIABLE = re.compile(r"\$(\w+)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_BY = re.compile(r"\bby \(([^)]*)\)")


def area(panel: dict[str, Any]) -> tuple[range, range]:
    place = panel["gridPos"]
    return range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two panels share a field of the grid."""
    return all(set(a) & set(b) for a, b in zip(area(one), area(other), strict=True))


class TestDocument:
    """Grafana can read it."""

    def test_up_to_date(self) -> None:
        """`make docs` writes it anew."""
        assert dashboard.text() == TEXT

    def test_ids(self) -> None:
        numbers = [panel["id"] for panel in DOCUMENT["panels"]]

        assert len(set(numbers)) == len(numbers) == len(PANELS) + len(ROWS)

    def test_titles(self) -> None:
        """Within a row no two panels have the same."""
        assert all(len({panel.title for panel in row.panels}) == len(row.panels) for row in ROWS)

    def test_places(self) -> None:
        """No panel lies on another, or beyond the edge."""
        panels = DOCUMENT["panels"]

        assert not [(a["id"], b["id"]) for a, b in combinations(panels, 2) if overlap(a, b)]
        assert all(max(area(panel)[0]) < dashboard.WIDTH for panel in panels)

    def test_variables(self) -> None:
        """Those that are used can be chosen."""
        there = {variable["name"] for variable in DOCUMENT["templating"]["list"]}

        assert set(_VARIABLE.findall(" ".join(EXPRESSIONS))) == {
            "job",
            "instance",
            "__rate_interval",
        }
        assert there == {"job", "instance", "datasource"}


class TestExpressions:
    """They are PromQL, of metrics and labels that there are."""

    def test_valid(self, tmp_path: Path) -> None:
        """Prometheus' own program takes each of them."""
        plain = [each.replace("$__rate_interval", "5m") for each in EXPRESSIONS]
        rules = [{"record": f"panel:{n}", "expr": each} for n, each in enumerate(plain)]
        file = tmp_path / "rules.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

        status, said = promtool("check", "rules", "--lint=none", file)

        assert status == 0, said
        assert f"{len(EXPRESSIONS)} rules found" in said

    @pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
    def test_names(self, panel: Panel) -> None:
        """A legend names what its lines are told apart by; nothing is told apart by channels, users or sockets."""
        for query in panel.queries:
            apart = {
                label for found in _BY.findall(query.expression) for label in found.split(", ")
            }
            assert not [*promql.faults(query.expression, DECLARED)]
            assert set(_LEGEND.findall(query.legend)) == apart - {"le"}
            assert not apart & FORBIDDEN

    def test_all(self) -> None:
        """Every metric that is declared has its place."""
        parts = re.compile(r"_(?:bucket|sum|count)$")
        shown = {parts.sub("", each.name) for one in EXPRESSIONS for each in promql.named(one)}

        assert shown - {"up"} == {each.name for few in families().values() for each in few}

    def test_chosen(self) -> None:
        """All of them are about the deployment and the instances that are chosen."""
        for each in (each for one in EXPRESSIONS for each in promql.named(one)):
            assert dict(each.wanted) == {"job": "$job", "instance": "$instance"}


class TestProvisioning:
    """The examples fit each other."""

    def read(self, *names: str) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(
            GRAFANA.joinpath("provisioning", *names).read_text()
        )
        return document

    def test_datasource(self) -> None:
        """Grafana knows how often Prometheus scrapes, by which it chooses how far back a rate looks."""
        (source,) = self.read("datasources", "prometheus.yml")["datasources"]
        scraping = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())

        assert source["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]
        assert source["type"] == DOCUMENT["panels"][1]["datasource"]["type"]

    def test_dashboards(self) -> None:
        (provider,) = self.read("dashboards", "fanfare.yml")["providers"]

        assert provider["type"] == "file"
