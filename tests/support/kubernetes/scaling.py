"""
How many pods there are: whether what decides it fits the Deployments, the settings and Kafka's topics.

Pure.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.dispatcher.settings import DispatcherSettings
from services.gateway.settings import GatewaySettings
from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import by_name, container_of, name_of, settings, variables

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
LEAST = 2  # Pods of each service: one may always go.


def faults(objects: Objects) -> Iterator[str]:
    """Say what does not fit."""
    workloads = by_name(objects, "Deployment")
    scalers = [*chain.from_iterable(by_name(objects, kind).values() for kind in SCALERS)]
    counted = Counter(_target(one) for one in scalers)
    for one in scalers:
        target = workloads.get(_target(one))
        if target is None:
            yield f"{name_of(one)}: there is no Deployment {_target(one)}"
            continue
        if counted[_target(one)] > 1:
            yield f"{name_of(one)}: another one scales {name_of(target)} too"
        yield from _of_target(one, target)
        yield from _of_bounds(one)
    yield from _of_connections(objects)
    yield from _of_kafka(objects)


def _target(scaler: Object) -> str:
    name: str = scaler["spec"]["scaleTargetRef"]["name"]
    return name


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
    most = settings(objects)["gateway"].get("max_connections", GatewaySettings().max_connections)
    for metric in found["spec"]["metrics"]:
        if metric["type"] == "Pods" and not 0 < _value(metric) < most:
            yield f"{name_of(found)}: {_value(metric)} connections for each pod, which takes {most}"


def _value(metric: Mapping[str, Any]) -> int:
    return int(metric["pods"]["target"]["averageValue"])


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
