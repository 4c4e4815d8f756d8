"""
How many pods there are: whether what decides it fits the Deployments, the settings and Kafka's topics.

Pure.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.dispatcher.settings import DispatcherSettings
from services.gateway.settings import GatewaySettings
from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import (
    by_name,
    container_of,
    name_of,
    of_kind,
    settings,
    variables,
)

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
LEAST = 2  # Pods of each service: one may always go.
# Seconds at which somebody is told that users wait: FanfareAuthSlow, FanfareFactsLate.
BOUNDS = {"fanfare_auth_decision_seconds": 1, "fanfare_facts_lag_seconds": 60}
TAKES_OVER = "scaledobject.keda.sh/transfer-hpa-ownership"


def faults(objects: Objects) -> Iterator[str]:
    """Say what does not fit."""
    workloads = {
        (one["apiVersion"], one["kind"], one["metadata"]["name"]): one
        for one in of_kind(objects, "Deployment", "StatefulSet")
    }
    scalers = [*chain.from_iterable(by_name(objects, kind).values() for kind in SCALERS)]
    counted = Counter(_target(one) for one in scalers)
    for one in scalers:
        target = workloads.get(_target(one))
        if target is None:
            version, kind, name = _target(one)
            yield f"{name_of(one)}: there is no {kind} {name} of {version}"
            continue
        if counted[_target(one)] > 1:
            yield f"{name_of(one)}: another one scales {name_of(target)} too"
        yield from _of_target(one, target)
        yield from _of_bounds(one)
        yield from _of_cpu(one)
    yield from _of_connections(objects)
    yield from _of_metrics(objects)
    yield from _of_kafka(objects)
    yield from _of_takeover(objects)


def _target(scaler: Object) -> tuple[str, str, str]:
    """Return what is scaled: version, kind and name, with KEDA's defaults."""
    target = scaler["spec"]["scaleTargetRef"]
    return target.get("apiVersion", "apps/v1"), target.get("kind", "Deployment"), target["name"]


def _of_target(scaler: Object, target: Object) -> Iterator[str]:
    if "replicas" in target["spec"]:
        yield f"{name_of(scaler)}: {name_of(target)} sets replicas, and each apply would undo it"
    if "cpu" not in container_of(target)["resources"]["requests"]:
        yield f"{name_of(scaler)}: {name_of(target)} requests no CPU, of which a share could be used"


def _of_bounds(scaler: Object) -> Iterator[str]:
    spec = scaler["spec"]
    least = spec.get("minReplicas", spec.get("minReplicaCount", 0))
    most = spec.get("maxReplicas", spec.get("maxReplicaCount", 0))
    if not LEAST <= least <= most:
        yield f"{name_of(scaler)}: from {least} to {most} pods"


def _of_cpu(scaler: Object) -> Iterator[str]:
    """Of what is requested some part is to be used, and not more than all."""
    for share in _shares(scaler):
        if not 1 <= share <= 100:
            yield f"{name_of(scaler)}: {share} % of the CPU"


def _shares(scaler: Object) -> Iterator[int]:
    """Yield the shares of CPU, in percent, at which pods are added; 0: of no share, but a quantity."""
    spec = scaler["spec"]
    for metric in spec.get("metrics", []):
        if metric["type"] == "Resource":
            yield int(metric["resource"]["target"].get("averageUtilization", 0))
    for trigger in spec.get("triggers", []):
        if trigger["type"] == "cpu":
            is_share = trigger.get("metricType") == "Utilization"
            yield int(trigger["metadata"]["value"]) if is_share else 0


def _of_connections(objects: Objects) -> Iterator[str]:
    """Gateways are added before they are full, and taken away slowly."""
    found = by_name(objects, "HorizontalPodAutoscaler").get("gateway")
    if found is None:
        return
    down = found["spec"]["behavior"]["scaleDown"]
    if down["stabilizationWindowSeconds"] < 1800:
        yield f"{name_of(found)}: takes gateways away within half an hour"
    if any(each["value"] > 1 or each["periodSeconds"] < 600 for each in down["policies"]):
        yield f"{name_of(found)}: takes more than one gateway away in ten minutes"


def _of_metrics(objects: Objects) -> Iterator[str]:
    """Pods are added before users notice, and not for what is always there."""
    gateway = settings(objects)["gateway"]
    full = gateway.get("max_connections", GatewaySettings().max_connections)
    bounds = BOUNDS | {"fanfare_connections": full}
    for found in by_name(objects, "HorizontalPodAutoscaler").values():
        for metric in [one["pods"] for one in found["spec"]["metrics"] if one["type"] == "Pods"]:
            name, value = metric["metric"]["name"], _number(metric["target"]["averageValue"])
            if not 0 < value < bounds.get(name, 0):
                yield f"{name_of(found)}: {name} of {value:g}, the bound is {bounds.get(name)}"


def _number(quantity: str) -> float:
    """Read a quantity of Kubernetes, as far as any is used here."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m|k|)", quantity)
    assert found, quantity
    return float(found[1]) * {"m": 0.001, "k": 1000.0, "": 1.0}[found[2]]


def _of_takeover(objects: Objects) -> Iterator[str]:
    """
    KEDA takes over the HorizontalPodAutoscaler that components/autoscaling has left in the cluster.

    It is called as its target.  Nobody deletes it there when it is no longer rendered: with one of another name two would
    scale the same pods, and without the annotation KEDA refuses what is scaled already.
    """
    for found in by_name(objects, "ScaledObject").values():
        advanced = found["spec"].get("advanced", {})
        name = advanced.get("horizontalPodAutoscalerConfig", {}).get("name")
        target = found["spec"]["scaleTargetRef"]["name"]
        if name != target:
            yield f"{name_of(found)}: makes another HorizontalPodAutoscaler than {target}"
        if found["metadata"].get("annotations", {}).get(TAKES_OVER) != "true":
            yield f"{name_of(found)}: {TAKES_OVER}"


def _of_kafka(objects: Objects) -> Iterator[str]:
    """KEDA looks at the group and the topics that the dispatcher reads, where it reads them."""
    for found in by_name(objects, "ScaledObject").values():
        triggers = [one["metadata"] for one in found["spec"]["triggers"] if one["type"] == "kafka"]
        group = settings(objects).get("dispatcher", {}).get("group", DispatcherSettings().group)
        brokers = variables(objects)["FANFARE_BACKENDS_EVENTS"].removeprefix("kafka://")
        for each in triggers:
            if each["consumerGroup"] != group:
                yield f"{name_of(found)}: the group is {group}, not {each['consumerGroup']}"
            if each["bootstrapServers"] != brokers:
                yield f"{name_of(found)}: Kafka is {brokers}, not {each['bootstrapServers']}"
        watched = {each["topic"] for each in triggers}
        for topic in watched ^ topics(objects):
            yield f"{name_of(found)}: {topic} is {'read by no route' if topic in watched else 'not watched'}"


def topics(objects: Objects) -> set[str]:
    """Return the topics that the dispatcher reads by its routes."""
    return {
        route.get("topic")
        or App(id=route["app"], key="key", secrets=(Secret("secret"),)).events_topic
        for route in settings(objects)["routes"]
    }
