"""Metrics that manifests name, in rules, dashboards, the adapter and autoscalers; and what is scraped."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.common.web import server
from tests.support.kubernetes import metrics
from tests.support.kubernetes.kustomize import DEPLOY, OVERLAYS, Objects, combined, render
from tests.support.kubernetes.manifests import by_name, reworded
from tests.support.monitoring import dashboard, operator_rules
from tests.support.monitoring.rules import ALERTS, RECORDING, promtool

WATCHED = "monitoring"


def renamed(old: str, new: str, *, kind: str) -> Objects:
    """Return what overlays/monitoring has, with other words in the objects of a kind."""
    return reworded(render(WATCHED), old, new, kind=kind)


def changed_monitor(change: Callable[[Any], object]) -> Objects:
    """Return what overlays/monitoring has, with another endpoint in its PodMonitor."""
    objects = copy.deepcopy(render(WATCHED))
    change(by_name(objects, "PodMonitor")["fanfare"]["spec"]["podMetricsEndpoints"][0])
    return objects


def found(objects: Objects) -> str:
    return "\n".join(metrics.faults(objects))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_there(overlay: str) -> None:
    """
    Whatever an overlay names is there.
    """
    assert not found(render(overlay))


def test_with_keda() -> None:
    """
    Who has all of it has no fault either.
    """
    assert not found(combined("production", "monitoring", "custom-metrics", "keda", "tls"))


def test_expressions(tmp_path: Path) -> None:
    """
    What the adapter asks is PromQL to Prometheus' own program.
    """
    asked = [*metrics.expressions(render(WATCHED))]
    rules = [{"record": f"asked:{n}", "expr": each} for n, each in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))

    status, said = promtool("check", "rules", "--lint=none", file)

    assert status == 0, said
    assert len(asked) == 6


POD = 'namespace="N",pod="{}"'
GIVEN = {
    "fanfare_connections{%s}": {"A": "70+0x9", "B": "30+0x9"},
    "fanfare_auth_decision_seconds_sum{%s}": {"A": "0+6x9", "B": "0+0x9"},
    "fanfare_auth_decision_seconds_count{%s}": {"A": "0+60x9", "B": "0+0x9"},
    'fanfare_facts_lag_seconds{%s,sink="webhook"}': {"A": "90+0x9", "B": "90+0x9"},
    'fanfare_facts_lag_seconds{%s,sink="topic"}': {"A": "2+0x9", "B": "2+0x9"},
    "fanfare_webhooks_away{%s}": {"A": "0+0x9", "B": "1+0x9"},
}
ANSWERS: dict[str, dict[str, float]] = {
    "fanfare_connections": {"A": 70, "B": 30},
    "fanfare_auth_decision_seconds": {"A": 0.1, "B": 0},  # Nobody asked B.
    "fanfare_facts_lag_seconds": {"A": 90, "B": 2},  # One of B's receivers is away.
}


def test_answers(tmp_path: Path) -> None:
    """
    What the adapter answers about two pods is what autoscalers are to go by.
    """
    names = [rule["name"]["as"] for rule in metrics.adapter_rules(render(WATCHED))]
    asked = [*metrics.expressions(render(WATCHED))][1::2]
    rules = [{"record": f"asked:{n}", "expr": each} for n, each in zip(names, asked, strict=True)]
    document = {"groups": [{"name": "asked", "rules": rules}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document))
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(cases()))

    status, said = promtool("test", "rules", tmp_path / "tests.yml")

    assert status == 0, said
    assert names == [*ANSWERS]


def cases() -> dict[str, Any]:
    """Compose what promtool is to hold the answers against."""
    series = [
        {"series": name % POD.format(pod), "values": values}
        for name, by_pod in GIVEN.items()
        for pod, values in by_pod.items()
    ]
    tests = [
        {
            "expr": f'asked:{name}{{pod="{pod}"}}',
            "eval_time": "5m",
            "exp_samples": [{"labels": f'asked:{name}{{pod="{pod}"}}', "value": value}],
        }
        for name, answer in ANSWERS.items()
        for pod, value in answer.items()
    ]
    case = {"interval": "1m", "input_series": series, "promql_expr_test": tests}
    return {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}


def test_path() -> None:
    """
    The path that is scraped is the one at which the internal address shows metrics.
    """
    (monitor,) = by_name(render(WATCHED), "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert f'web.get("{endpoint["path"]}", ' in Path(server.__file__).read_text(encoding="utf-8")


def test_up_to_date() -> None:
    """`make docs` writes the rules anew."""
    written = (DEPLOY / "components" / "monitoring" / "rules.yaml").read_text(encoding="utf-8")

    assert operator_rules.text() == written


def test_rules() -> None:
    """The operator gets those of deploy/prometheus, all of them, as they are there."""
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (RECORDING, ALERTS)]

    groups = by_name(render(WATCHED), "PrometheusRule")["fanfare"]["spec"]["groups"]
    assert groups == [group for document in documents for group in document["groups"]]


def test_dashboard() -> None:
    shown = by_name(render(WATCHED), "ConfigMap")["fanfare-dashboard"]

    assert json.loads(shown["data"]["fanfare.json"]) == dashboard.document()


class TestRenamed:
    """The tests of these tests: what is renamed is missed."""

    def test_in_rules(self) -> None:
        objects = renamed("fanfare_listening", "fanfare_hearing", kind="PrometheusRule")

        assert "FanfareNotListening: there is no metric fanfare_hearing" in found(objects)

    def test_in_dashboard(self) -> None:
        objects = renamed("fanfare_listening", "fanfare_hearing", kind="ConfigMap")

        assert "State: there is no metric fanfare_hearing" in found(objects)

    @pytest.mark.parametrize(
        "old, new",
        [
            ("fanfare_connections", "fanfare_clients"),
            ("fanfare_auth_decision_seconds", "fanfare_auth_seconds"),
            ("fanfare_facts_lag_seconds", "fanfare_facts_age_seconds"),
            ("fanfare_webhooks_away", "fanfare_webhooks_gone"),
        ],
    )
    def test_in_adapter(self, old: str, new: str) -> None:
        assert f"{metrics.ADAPTER}: there is no metric {new}" in found(
            renamed(old, new, kind="ConfigMap")
        )

    @pytest.mark.parametrize(
        "name",
        [
            "fanfare_connections",
            "fanfare_auth_decision_seconds",
            "fanfare_facts_lag_seconds",
        ],
    )
    def test_in_autoscaler(self, name: str) -> None:
        """
        Also where the adapter's name is another one: both must be changed.
        """
        objects = renamed(name, "fanfare_other", kind="HorizontalPodAutoscaler")

        assert "nobody answers fanfare_other" in found(objects)
        assert f"nobody answers {name}" in found(
            renamed(f"as: {name}", "as: fanfare_other", kind="ConfigMap")
        )

    def test_label(self) -> None:
        objects = renamed("(namespace, pod, sink)", "(namespace, pod, drain)", kind="ConfigMap")

        assert "nothing here has a label drain" in found(objects)

    def test_port(self) -> None:
        objects = renamed('"internal"', '"inner"', kind="Deployment")

        assert "PodMonitor fanfare: Deployment gateway has no port internal" in found(objects)

    def test_job(self) -> None:
        """
        Without a label of its own a job has the name of the namespace, which may be any.
        """
        kept = changed_monitor(lambda endpoint: endpoint.pop("relabelings"))
        same = changed_monitor(
            lambda endpoint: endpoint["relabelings"][0].update(replacement="fanfare")
        )
        other = changed_monitor(
            lambda endpoint: endpoint["relabelings"][0].update(targetLabel="work")
        )

        assert "job elsewhere/fanfare, and rules are about fanfare.*" in found(kept)
        assert "job fanfare in each namespace" in found(same)
        assert "job elsewhere/fanfare" in found(other)

    def test_job_of_rules(self) -> None:
        objects = renamed("fanfare.*", "live.*", kind="PrometheusRule")

        assert "job fanfare/fanfare, and rules are about live.*" in found(objects)

    def test_selector(self) -> None:
        objects = renamed('"presence"', '"presents"', kind="PodMonitor")

        assert "PodMonitor fanfare: selects 3 of 4 Deployments" in found(objects)
