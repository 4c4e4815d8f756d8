"""The schemas with which manifests are tested: that they find what is misspelt, in every kind."""

import copy
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

import pytest

from tests.support.go.modules import find_schema
from tests.support.kubernetes import schemas
from tests.support.kubernetes.kustomize import OVERLAYS, Object, render

MISSPELT = "mispelt"
KINDS = [
    "ConfigMap",
    "Deployment",
    "Gateway",
    "HTTPRoute",
    "HorizontalPodAutoscaler",
    "Ingress",
    "IngressRoute",
    "Job",
    "Namespace",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "Service",
    "ServiceAccount",
    "StatefulSet",
]


@cache
def one_of_each() -> dict[str, Object]:
    """Find an object of each kind that overlays have."""
    return {one["kind"]: one for one in chain.from_iterable(map(render, OVERLAYS))}


def misspelt(found: Object, path: Sequence[str | int]) -> Object:
    """Add a field that nobody knows to a mapping in an object."""
    changed = copy.deepcopy(found)
    place: Any = changed
    for step in path:
        place = place[step]
    place[MISSPELT] = "value"
    return changed


def test_kinds() -> None:
    """
    No kind is left out.
    """
    assert sorted(one_of_each()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_misspelt(kind: str) -> None:
    """
    A field that nobody knows is found beside the kind, and in the specification.
    """
    found = one_of_each()[kind]
    paths = [(), *([("spec",)] if found.get("spec") else [])]

    assert not schemas.faults(found)
    for path in paths:
        assert any(MISSPELT in fault for fault in schemas.faults(misspelt(found, path)))


def test_container() -> None:
    """
    And deep inside of one.
    """
    changed = copy.deepcopy(one_of_each()["Deployment"])
    changed["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = {"preStopp": {}}

    assert any("preStopp" in fault for fault in schemas.faults(changed))


def test_wrong_type() -> None:
    changed = copy.deepcopy(one_of_each()["Service"])
    changed["spec"]["ports"][0]["port"] = "http"

    assert len(schemas.faults(changed)) == 2  # By the oldest and by the newest.


def test_rule() -> None:
    """
    What makers of schemas say in CEL counts too.
    """
    changed = copy.deepcopy(one_of_each()["HTTPRoute"])
    changed["spec"]["rules"][0]["matches"][0]["path"]["value"] = "apps"

    assert any("must be an absolute path" in fault for fault in schemas.faults(changed))


def test_default() -> None:
    """
    Rules see what a cluster would fill in.
    """
    changed = copy.deepcopy(one_of_each()["HTTPRoute"])
    del changed["spec"]["rules"][0]["backendRefs"][0]["port"]  # Of a Service, which is the default.

    assert any("Must have port for Service" in fault for fault in schemas.faults(changed))


def test_unknown_kind() -> None:
    changed = {"apiVersion": "example.org/v1", "kind": "Fanfare", "metadata": {"name": "one"}}

    assert any("Couldn't find schema" in fault for fault in schemas.faults(changed))


def test_experimental() -> None:
    """
    Gateway API's sessionPersistence is in no channel but the experimental one: see deploy/k8s/components/gateway-api.
    """
    read = {
        name: find_schema(f"{name}.yaml").read_text(encoding="utf-8")
        for name in ("httproutes", "httproutes-experimental")
    }

    assert "sessionPersistence" not in read["httproutes"]
    assert "sessionPersistence" in read["httproutes-experimental"]
