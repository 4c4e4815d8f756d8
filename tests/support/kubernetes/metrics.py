"""
What manifests name of Fanfare's metrics, and whether there is such a thing.

Pure but for the declarations, which are read from the source.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import yaml

from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import by_name, fits, labels_of, name_of, ports_of
from tests.support.monitoring import promql
from tests.support.monitoring.promql import Series
from tests.support.monitoring.rules import declared, known

ADAPTER, ADAPTER_KEY = "fanfare-adapter-rules", "rules.yaml"
# Labels that the Prometheus Operator gives to what it scrapes.
PLACE = frozenset({"namespace", "pod"})
JOB = re.compile(r'\bjob=~\\"([^"\\]*)\\"')  # Within JSON.
NAMESPACES = ("fanfare", "elsewhere")  # Anybody's.


def faults(objects: Objects) -> Iterator[str]:
    """Say what is named and not there: series, labels, metrics of pods, what is scraped."""
    yield from _of_rules(objects)
    yield from _of_dashboards(objects)
    yield from _of_adapter(objects)
    yield from _of_autoscalers(objects)
    yield from _of_monitors(objects)


def expressions(objects: Objects) -> Iterator[str]:
    """Yield what the adapter asks Prometheus, as it does for two pods."""
    for rule in adapter_rules(objects):
        yield rule["seriesQuery"]
        yield (
            rule["metricsQuery"]
            .replace("<<.GroupBy>>", "pod")
            .replace("<<.LabelMatchers>>", 'namespace="N",pod=~"A|B"')
        )


def adapter_rules(objects: Objects) -> list[Mapping[str, Any]]:
    """Read the rules of the adapter; none, where there is none."""
    found = by_name(objects, "ConfigMap").get(ADAPTER)
    return list(yaml.safe_load(found["data"][ADAPTER_KEY])["rules"]) if found else []


def _of_rules(objects: Objects) -> Iterator[str]:
    there = known()
    for found in by_name(objects, "PrometheusRule").values():
        for rule in chain.from_iterable(each["rules"] for each in found["spec"]["groups"]):
            for fault in promql.faults(rule["expr"], there):
                yield f"{name_of(found)}: {rule.get('alert', rule.get('record'))}: {fault}"


def _of_dashboards(objects: Objects) -> Iterator[str]:
    there = declared()
    for title, expression in _shown(objects):
        for fault in promql.faults(expression, there):
            yield f"{title}: {fault}"


def _shown(objects: Objects) -> Iterator[tuple[str, str]]:
    """Yield what panels of dashboards show: their titles, and each expression."""
    for found in by_name(objects, "ConfigMap").values():
        if found["metadata"].get("labels", {}).get("grafana_dashboard"):
            for panel in chain.from_iterable(
                json.loads(text)["panels"] for text in found["data"].values()
            ):
                yield from ((panel["title"], each["expr"]) for each in panel.get("targets", []))


def _of_adapter(objects: Objects) -> Iterator[str]:
    there = _scraped(declared())
    for expression in expressions(objects):
        for fault in promql.faults(expression, there):
            yield f"ConfigMap {ADAPTER}: {fault}"


def _scraped(series: Mapping[str, Series]) -> Mapping[str, Series]:
    return {name: replace(each, labels=each.labels | PLACE) for name, each in series.items()}


def _of_autoscalers(objects: Objects) -> Iterator[str]:
    answered = {rule["name"]["as"] for rule in adapter_rules(objects)}
    for found in by_name(objects, "HorizontalPodAutoscaler").values():
        for metric in found["spec"]["metrics"]:
            if metric["type"] == "Resource":
                continue
            name = metric["pods"]["metric"]["name"]
            if name not in answered:
                yield f"{name_of(found)}: nobody answers {name}"


def _of_monitors(objects: Objects) -> Iterator[str]:
    workloads = by_name(objects, "Deployment").values()
    for found in by_name(objects, "PodMonitor").values():
        chosen = [one for one in workloads if fits(found["spec"]["selector"], labels_of(one))]
        if len(chosen) != len(workloads):
            yield f"{name_of(found)}: selects {len(chosen)} of {len(workloads)} Deployments"
        for endpoint in found["spec"]["podMetricsEndpoints"]:
            for one in chosen:
                if endpoint["port"] not in ports_of(one):
                    yield f"{name_of(found)}: {name_of(one)} has no port {endpoint['port']}"
            yield from _of_jobs(objects, found, endpoint)


def _of_jobs(objects: Objects, monitor: Object, endpoint: Mapping[str, Any]) -> Iterator[str]:
    """In each namespace what is scraped is a job of its own, which rules are about."""
    jobs = [_job(monitor, endpoint, namespace) for namespace in NAMESPACES]
    if len({*jobs}) < len(jobs):
        yield f"{name_of(monitor)}: job {jobs[0]} in each namespace"
    for job in jobs:
        for wanted in {*JOB.findall(json.dumps([*by_name(objects, "PrometheusRule").values()]))}:
            if not re.fullmatch(wanted, job):
                yield f"{name_of(monitor)}: job {job}, and rules are about {wanted}"


def _job(monitor: Object, endpoint: Mapping[str, Any], namespace: str) -> str:
    """Return the label ``job`` that the Prometheus Operator gives to the pods of a namespace."""
    assert "jobLabel" not in monitor["spec"]  # A label of pods would name the job.
    labels = {"__meta_kubernetes_namespace": namespace}
    labels["job"] = f"{namespace}/{monitor['metadata']['name']}"
    for rule in endpoint.get("relabelings", []):
        assert rule.get("action", "replace") == "replace"
        texts = [labels.get(name, "") for name in rule.get("sourceLabels", [])]
        found = re.fullmatch(rule.get("regex", "(.*)"), rule.get("separator", ";").join(texts))
        if found:
            replacement = re.sub(r"\$\{?(\d+)\}?", r"\\\1", rule.get("replacement", "$1"))
            labels[rule["targetLabel"]] = found.expand(replacement)
    return labels["job"]
