"""
Finding things in rendered objects.

Pure.  `tests.support.kubernetes.kustomize` renders them.
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from tests.support.kubernetes.kustomize import Object, Objects

WORKLOADS = ("Deployment", "StatefulSet", "Job")
SELECTORS = ("Service", "PodDisruptionBudget", "NetworkPolicy")
ENVIRONMENT = "fanfare-environment"  # The ConfigMap of variables.
SETTINGS = "fanfare.toml"
COMPONENT = "app.kubernetes.io/component"


def name_of(found: Object) -> str:
    """Say which object it is."""
    return f"{found['kind']} {found['metadata']['name']}"


def of_kind(objects: Objects, *kinds: str) -> list[Object]:
    """Return the objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def by_name(objects: Objects, kind: str) -> dict[str, Object]:
    """Return the objects of a kind by their names."""
    return {each["metadata"]["name"]: each for each in of_kind(objects, kind)}


def spec_of(workload: Object) -> Any:
    """Return the specification of a workload's pods."""
    return workload["spec"]["template"]["spec"]


def container_of(workload: Object) -> Any:
    """Return the one container of a workload's pods."""
    (container,) = spec_of(workload)["containers"]
    return container


def ports_of(workload: Object) -> set[str]:
    """Return the names of the ports of a workload's pods."""
    return {port["name"] for port in container_of(workload).get("ports", [])}


def labels_of(workload: Object) -> Mapping[str, str]:
    """Return the labels of a workload's pods."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def ours(objects: Objects, *kinds: str) -> list[Object]:
    """Return the workloads that run Fanfare, of some kinds."""
    found = of_kind(objects, *(kinds or WORKLOADS))
    return [each for each in found if container_of(each)["name"] == "fanfare"]


def fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector selects what has these labels."""
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in among)
    return wanted <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in among
    )


def selected(objects: Objects, selecting: Object) -> list[Object]:
    """Return the workloads whose pods an object of `SELECTORS` selects."""
    spec = selecting["spec"]
    if selecting["kind"] == "NetworkPolicy":
        selector = spec["podSelector"]
    else:
        is_plain = selecting["kind"] == "Service"
        selector = {"matchLabels": spec["selector"]} if is_plain else spec["selector"]
    return [one for one in of_kind(objects, *WORKLOADS) if fits(selector, labels_of(one))]


def reworded(objects: Objects, old: str, new: str, *, kind: str) -> Objects:
    """Return the same with another text in the objects of a kind: wherever it stands, names included; fails if nowhere."""
    changed = [
        json.loads(json.dumps(one).replace(old, new)) if one["kind"] == kind else one
        for one in objects
    ]
    assert changed != objects, f"no {kind} has {old}"
    return changed


def variables(objects: Objects) -> Mapping[str, str]:
    """Return what every process gets by the ConfigMap of variables."""
    (found,) = [data for name, data in _data(objects) if name.startswith(ENVIRONMENT)]
    return found


def settings(objects: Objects) -> Mapping[str, Any]:
    """Read fanfare.toml as it is mounted."""
    (text,) = [data[SETTINGS] for _, data in _data(objects) if SETTINGS in data]
    return tomllib.loads(text)


def _data(objects: Objects) -> list[tuple[str, Mapping[str, str]]]:
    return [(name, each["data"]) for name, each in by_name(objects, "ConfigMap").items()]
