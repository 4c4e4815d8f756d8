"""
Who reaches whom: what must hold of Services and NetworkPolicies, a sentence for each breach, and what these let through.

Pure.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import (
    fits,
    labels_of,
    name_of,
    of_kind,
    ours,
    ports_of,
    selected,
)

PUBLIC = "http"  # The port of clients and back ends; operators have another, which no Service has.
NAMES = 53  # The port of those who know names: by UDP, and by TCP what is long.


def names_ports(objects: Objects) -> Iterator[str]:
    """Ports that Services and policies name are ports of the pods that they select."""
    for each in of_kind(objects, "Service", "NetworkPolicy"):
        spec, is_policy = each["spec"], each["kind"] == "NetworkPolicy"
        known = set[str]().union(*map(ports_of, selected(objects, each)))
        let_in = [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        named = let_in if is_policy else [port["targetPort"] for port in spec["ports"]]
        yield from (f"{name_of(each)}: port {port}" for port in named if port not in known)


def shows_public_port(objects: Objects) -> Iterator[str]:
    """Services lead to the public port of Fanfare's pods: metrics and states are for operators."""
    fanfare = ours(objects)
    for each in of_kind(objects, "Service"):
        if any(one in fanfare for one in selected(objects, each)):
            for port in each["spec"]["ports"]:
                if port["targetPort"] != PUBLIC:
                    yield f"{name_of(each)}: leads to {port['targetPort']}"


def nobody_by_default(objects: Objects) -> Iterator[str]:
    """Who is not told to come or go does not."""
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(each["spec"] == shut for each in of_kind(objects, "NetworkPolicy")):
        yield "no NetworkPolicy lets nobody in and out"


def speaks(objects: Objects) -> Iterator[str]:
    """All here is spoken over TCP, and names are asked for by UDP too; each port is let through by itself."""
    for each in of_kind(objects, "NetworkPolicy"):
        for rule in each["spec"].get("ingress", []) + each["spec"].get("egress", []):
            found = defaultdict(set)
            for port in rule["ports"]:
                found[port["port"]].add(port.get("protocol", "TCP"))
                if "endPort" in port:
                    yield f"{name_of(each)}: {port['port']} and those up to {port['endPort']}"
            for number, protocols in found.items():
                if protocols != ({"TCP", "UDP"} if number == NAMES else {"TCP"}):
                    yield f"{name_of(each)}: {number} by {' and '.join(sorted(protocols))}"


def let_out(objects: Objects, workload: Object) -> set[int]:
    """Return the ports of others that a workload's pods may reach."""
    return {
        port["port"]
        for each in of_kind(objects, "NetworkPolicy")
        if fits(each["spec"]["podSelector"], labels_of(workload))
        for rule in each["spec"].get("egress", [])
        for port in rule["ports"]
    }


def let_in(objects: Objects, workload: Object) -> dict[str, list[Any]]:
    """Return who may reach a workload's pods, by port."""
    found: dict[str, list[Any]] = {}
    for each in of_kind(objects, "NetworkPolicy"):
        if fits(each["spec"]["podSelector"], labels_of(workload)):
            for rule in each["spec"].get("ingress", []):
                for port in rule["ports"]:
                    found.setdefault(port["port"], []).extend(rule["from"])
    return found
