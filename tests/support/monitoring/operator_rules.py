"""
The rules of deploy/prometheus as an object of the Prometheus Operator.

``python -m tests.support.monitoring.operator_rules`` prints deploy/k8s/components/monitoring/rules.yaml; `make docs`
writes it, and a test holds it.
"""

import sys

import yaml

from tests.support.monitoring.rules import ALERTS, RECORDING

_HEAD = "# Made of deploy/prometheus/recording.yml and alerts.yml by `make docs`.\n"


def text() -> str:
    """Write the object as it lies in the repository."""
    groups = [
        group
        for path in (RECORDING, ALERTS)
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "fanfare", "labels": {"app.kubernetes.io/name": "fanfare"}},
        "spec": {"groups": groups},
    }
    return _HEAD + yaml.safe_dump(document, sort_keys=False, width=120)


if __name__ == "__main__":
    sys.stdout.write(text())
