"""What the Prometheus Operator, Grafana and prometheus-adapter get: the rules, the dashboard and the metrics that there are."""

import json

import yaml

from tests.support.kubernetes.kustomize import DEPLOY, Object, render
from tests.support.monitoring import dashboard, operator_rules
from tests.support.monitoring.rules import ALERTS, RECORDING


def one(kind: str, name: str) -> Object:
    """Find an object of overlays/monitoring."""
    found = [each for each in render("monitoring") if each["kind"] == kind]
    (only,) = [each for each in found if each["metadata"]["name"] == name]
    return only


def test_up_to_date() -> None:
    """`make docs` writes the rules anew."""
    written = (DEPLOY / "components" / "monitoring" / "rules.yaml").read_text(encoding="utf-8")

    assert operator_rules.text() == written


def test_rules() -> None:
    """The operator gets those of deploy/prometheus, all of them, as they are there."""
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (RECORDING, ALERTS)]

    groups = one("PrometheusRule", "fanfare")["spec"]["groups"]
    assert groups == [group for document in documents for group in document["groups"]]


def test_dashboard() -> None:
    found = one("ConfigMap", "fanfare-dashboard")

    assert json.loads(found["data"]["fanfare.json"]) == dashboard.document()
