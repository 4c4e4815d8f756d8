"""deploy/k8s: that every overlay is taken by kustomize, and every object of it by Kubernetes and who extends it."""

import json
from collections import Counter

import pytest
import yaml

from tests.support.kubernetes import schemas
from tests.support.kubernetes.kustomize import (
    COMPONENTS,
    DEPLOY,
    OVERLAYS,
    Object,
    combined,
    render,
)

by_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def key(found: Object) -> tuple[str, str, str]:
    """Return what no two objects of a cluster may share."""
    metadata = found["metadata"]
    return found["kind"], metadata.get("namespace", ""), metadata["name"]


def named(kind: str) -> set[str]:
    """Return the folders that kustomizations of overlays name, of ``kind``."""
    files = DEPLOY.glob("overlays/*/kustomization.yaml")
    found = [yaml.safe_load(path.read_text(encoding="utf-8")).get(kind, []) for path in files]
    return {path.rstrip("/").rpartition("/")[2] for paths in found for path in paths}


@by_overlay
def test_valid(overlay: str) -> None:
    """
    Each object is one of the newest Kubernetes and of the oldest that is supported, with no name that nobody knows.
    """
    found = [fault for one in render(overlay) for fault in schemas.faults(one)]

    assert not found


@by_overlay
def test_apart(overlay: str) -> None:
    counted = Counter(map(key, render(overlay)))

    assert not [one for one, times in counted.items() if times > 1]


@by_overlay
def test_size(overlay: str) -> None:
    """
    `kubectl apply` keeps a copy of each object in an annotation, for which there are 256 KiB.
    """
    assert not [key(one) for one in render(overlay) if len(json.dumps(one)) > 250_000]


@by_overlay
def test_namespace(overlay: str) -> None:
    """
    All of an overlay is in its one namespace, which is part of it.
    """
    objects = render(overlay)
    (namespace,) = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]

    inside = [one for one in objects if one["kind"] != "Namespace"]
    assert {one["metadata"].get("namespace") for one in inside} == {namespace}


# Components that no overlay has, and on what they go.
ALONE = {"kafka-sasl": (), "keda-sasl": ("kafka-sasl", "keda"), "tls": ()}


def test_components() -> None:
    """
    No component is left untried.
    """
    assert set(COMPONENTS) == named("components") | {*ALONE}


@pytest.mark.parametrize("component", ALONE)
def test_alone(component: str) -> None:
    """
    What no overlay has is put on that for production.
    """
    found = combined("production", *ALONE[component], component)

    assert found != combined("production", *ALONE[component])
    assert not [fault for one in found for fault in schemas.faults(one)]
