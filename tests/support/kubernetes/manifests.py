"""
Finding things in rendered objects.

Pure.  `tests.support.kubernetes.kustomize` renders them.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.kubernetes.kustomize import Object

ENVIRONMENT = "fanfare-environment"  # The ConfigMap of variables.
SETTINGS = "fanfare.toml"


def of_kind(objects: Sequence[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def name_of(found: Object) -> str:
    """Name an object for people."""
    return f"{found['kind']} {found['metadata']['name']}"


def pod_labels(workload: Object) -> Mapping[str, str]:
    """Return the labels of the pods of a workload."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Object) -> Sequence[Any]:
    """Return the containers of the pods of a workload."""
    found: Sequence[Any] = workload["spec"]["template"]["spec"]["containers"]
    return found


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector selects labels."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", [])
        if each["operator"] == "In"
    )


def variables(objects: Sequence[Object]) -> Mapping[str, str]:
    """Return what every process gets by the ConfigMap of variables."""
    found: Mapping[str, str] = _config_map(objects, ENVIRONMENT)
    return found


def settings(objects: Sequence[Object]) -> Mapping[str, Any]:
    """Read fanfare.toml as it is mounted."""
    return tomllib.loads(_config_map(objects, "fanfare-", SETTINGS)[SETTINGS])


def _config_map(objects: Sequence[Object], prefix: str, key: str = "") -> Mapping[str, str]:
    """Find a ConfigMap by how its name begins, before a hash, and by a key."""
    (found,) = _matching(objects, prefix, key)
    return found


def _matching(objects: Sequence[Object], prefix: str, key: str) -> Iterator[Mapping[str, str]]:
    for name, each in of_kind(objects, "ConfigMap").items():
        if name.startswith(prefix) and (not key or key in each["data"]):
            yield each["data"]
