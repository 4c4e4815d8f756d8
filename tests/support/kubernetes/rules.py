"""
What must hold of objects for Kubernetes beyond their schemas: each rule yields a sentence for each breach.

Those about one pod come first, then those about what objects say of each other.  What the code knows too, such as its
ports, is taken from there.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from libs.common.web.server import Server
from services.program import DRAIN_SPREAD
from services.settings import SERVICES, Settings
from services.version import VERSION
from tests.support.deployments.program import ROOT
from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import (
    WORKLOADS,
    by_name,
    container_of,
    fits,
    labels_of,
    name_of,
    of_kind,
    ours,
    ports_of,
    spec_of,
)

Rule = Callable[[Objects], Iterator[str]]

VOLUMES = {"configMap", "emptyDir", "projected", "secret"}  # Restricted has more; we need no other.
WRITES_BESIDE_ITSELF = {"kafka"}
SPARE = 5  # Seconds of grace, for the end itself.
BARE = 100 << 20  # Bytes that a process takes without clients; some 95 MiB.
CONNECTION = 20 << 10  # Bytes: what docs/benchmarks.md has as its bound.
FOR_GROUP = (
    0o440  # Of a Secret's files: for the group of the pod's volumes to read, for nobody to write.
)
BUDGETS = {"startupProbe": (60, 300), "readinessProbe": (5, 30), "livenessProbe": (30, 120)}
NAMES = {53: {"UDP", "TCP"}}  # What is asked by more than TCP.
SELECTORS = {"Service", "PodDisruptionBudget", "NetworkPolicy"}


# ------------------------------------------------------------------------------------------------ Each pod


def restricted(objects: Objects) -> Iterator[str]:
    """What the namespaces enforce, and a root that nobody writes to."""
    for each in of_kind(objects, *WORKLOADS):
        pod, own = spec_of(each)["securityContext"], container_of(each)["securityContext"]
        held = {
            "runAsNonRoot": pod["runAsNonRoot"] is True and pod["runAsUser"] > 0,
            "seccompProfile": pod["seccompProfile"] == {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation": own["allowPrivilegeEscalation"] is False,
            "capabilities": own["capabilities"] == {"drop": ["ALL"]},
            "readOnlyRootFilesystem": own["readOnlyRootFilesystem"]
            or each["metadata"]["name"] in WRITES_BESIDE_ITSELF,
            "volumes": all(VOLUMES & set(volume) for volume in spec_of(each).get("volumes", [])),
            "host": not any(field.startswith("host") for field in spec_of(each)),
        }
        yield from (f"{name_of(each)}: {what}" for what, holds in held.items() if not holds)


def apart_from_kubernetes(objects: Objects) -> Iterator[str]:
    """No pod has a token, or variables about the services beside it."""
    accounts = by_name(objects, "ServiceAccount")
    for each in of_kind(objects, *WORKLOADS):
        for field in ("automountServiceAccountToken", "enableServiceLinks"):
            if spec_of(each)[field] is not False:
                yield f"{name_of(each)}: {field}"
    for each in ours(objects):
        account = accounts.get(spec_of(each)["serviceAccountName"])
        if account is None or account["automountServiceAccountToken"] is not False:
            yield f"{name_of(each)}: serviceAccountName"


def bounded(objects: Objects) -> Iterator[str]:
    """Memory has a bound, which is also promised; CPU has none."""
    for each in of_kind(objects, *WORKLOADS):
        resources = container_of(each)["resources"]
        if set(resources["requests"]) != {"cpu", "memory"}:
            yield f"{name_of(each)}: requests"
        if resources["limits"] != {"memory": resources["requests"]["memory"]}:
            yield f"{name_of(each)}: limits"


def pinned(objects: Objects) -> Iterator[str]:
    """Images have a version; Fanfare's is this one's."""
    for each in of_kind(objects, *WORKLOADS):
        _, _, tag = container_of(each)["image"].rpartition(":")
        if not re.fullmatch(r"\d+(\.\d+)*", tag) or (each in ours(objects) and tag != VERSION):
            yield f"{name_of(each)}: image {container_of(each)['image']}"


def as_the_image(objects: Objects) -> Iterator[str]:
    """Pods run as the account of the image, by its entry point."""
    user = re.findall(r"(?m)^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text())[-1]
    for each in ours(objects):
        pod = spec_of(each)["securityContext"]
        if tuple(str(pod[field]) for field in ("runAsUser", "runAsGroup")) != user:
            yield f"{name_of(each)}: the user is not the image's"
        if "command" in container_of(each):
            yield f"{name_of(each)}: command"


def runs_its_service(objects: Objects) -> Iterator[str]:
    """Each service has a Deployment of its name, which runs it alone."""
    run = {each["metadata"]["name"]: container_of(each) for each in ours(objects, "Deployment")}
    if set(run) != set(SERVICES):
        yield f"the Deployments are {sorted(run)}"
    for name, container in run.items():
        if container["args"] != ["run", name]:
            yield f"Deployment {name}: args {container['args']}"


def probed(objects: Objects) -> Iterator[str]:
    """The kubelet asks the internal address for what the code answers there."""
    source = inspect.getsource(Server)
    states = {"startupProbe": "started", "readinessProbe": "ready", "livenessProbe": "live"}
    for each in ours(objects, "Deployment"):
        for probe, state in states.items():
            get = container_of(each)[probe]["httpGet"]
            if get["path"] != f"/health/{state}" or f'web.get("{get["path"]}"' not in source:
                yield f"{name_of(each)}: {probe} path {get['path']}"
            if get["port"] != "internal":
                yield f"{name_of(each)}: {probe} port {get['port']}"


def patient(objects: Objects) -> Iterator[str]:
    """
    Probes fail after seconds that fit what they decide: a start waits for backends, a pod that is busy lives on.
    """
    for each in ours(objects, "Deployment"):
        for name, (least, most) in BUDGETS.items():
            probe = container_of(each)[name]
            seconds = probe["periodSeconds"] * probe["failureThreshold"]
            if not least <= seconds <= most or probe["timeoutSeconds"] < 2:
                yield f"{name_of(each)}: {name} gives up after {seconds} s"


def shows_secrets(objects: Objects) -> Iterator[str]:
    """Files of Secrets are for the account of the pod to read: by its group, as the kubelet owns them."""
    for each in ours(objects):
        pod = spec_of(each)
        if pod["securityContext"].get("fsGroup") != pod["securityContext"]["runAsGroup"]:
            yield f"{name_of(each)}: fsGroup"
        for volume in pod["volumes"]:
            if "projected" in volume and volume["projected"].get("defaultMode") != FOR_GROUP:
                yield f"{name_of(each)}: defaultMode of {volume['name']}"


def rolls_out(objects: Objects) -> Iterator[str]:
    """A ConfigMap that pods use is named after what it says, so that a change replaces them."""
    for each in ours(objects, "Deployment"):
        used = [
            volume["configMap"]["name"]
            for volume in spec_of(each)["volumes"]
            if "configMap" in volume
        ]
        used += [one["configMapRef"]["name"] for one in container_of(each)["envFrom"]]
        yield from (
            f"{name_of(each)}: ConfigMap {name} has no hash"
            for name in used
            if not re.search(r"-[0-9a-z]{10}$", name)
        )


def fits_settings(objects: Objects, name: str, settings: Settings) -> Iterator[str]:
    """A Deployment and the settings that it gives its processes agree: ports, time to end, memory, trust."""
    each = by_name(objects, "Deployment")[name]
    server, ports = settings.server, container_of(each)["ports"]
    given = {port["name"]: port["containerPort"] for port in ports}
    for port, addresses in (("http", server.listen), ("internal", server.internal_listen)):
        if {given.get(port)} != {address.port for address in addresses}:
            yield f"{name_of(each)}: port {port}"
        if any(address.is_loopback for address in addresses):
            yield f"{name_of(each)}: {port} is reached by nobody"
    grace = spec_of(each)["terminationGracePeriodSeconds"]
    if grace < (needed := server.lb_delay + server.drain_timeout + SPARE):
        yield (
            f"{name_of(each)}: terminationGracePeriodSeconds {grace} is less than {needed:g}: "
            f"server.lb_delay {server.lb_delay:g}, server.drain_timeout {server.drain_timeout:g}, "
            f"and {SPARE} for the end itself"
        )
    if server.trusted_proxies:
        yield f"{name_of(each)}: server.trusted_proxies believes who was not named by its operator"
    if "preStop" in container_of(each).get("lifecycle", {}):
        yield f"{name_of(each)}: preStop, beside server.lb_delay"
    if name == "gateway":
        yield from _gateway(each, settings)


def _gateway(gateway: Object, settings: Settings) -> Iterator[str]:
    if gateway["spec"]["minReadySeconds"] < settings.server.lb_delay + DRAIN_SPREAD:
        yield "Deployment gateway: minReadySeconds"
    memory = container_of(gateway)["resources"]["limits"]["memory"]
    if _bytes(memory) < BARE + settings.gateway.max_connections * CONNECTION:
        yield f"Deployment gateway: memory {memory}"


def _bytes(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    assert found, quantity
    return int(found[1]) << {"Mi": 20, "Gi": 30}[found[2]]


def replaced_in_turn(objects: Objects) -> Iterator[str]:
    """One pod at a time, whose successor is there before it goes; and they are spread."""
    for each in ours(objects, "Deployment"):
        if each["spec"]["strategy"]["rollingUpdate"] != {"maxSurge": 1, "maxUnavailable": 0}:
            yield f"{name_of(each)}: rollingUpdate"
        labels = labels_of(each)
        for spread in spec_of(each)["topologySpreadConstraints"]:
            keys = {*spread["matchLabelKeys"]} - {*labels}
            if not fits(spread["labelSelector"], labels) or keys != {"pod-template-hash"}:
                yield f"{name_of(each)}: topologySpreadConstraints"


# ----------------------------------------------------------------------- What objects say of each other


def selects(objects: Objects) -> Iterator[str]:
    """Whoever selects pods finds some, and a workload its own."""
    for each in of_kind(objects, *SELECTORS):
        found = _selected(objects, each)
        if not found or (each["kind"] != "NetworkPolicy" and len(found) != 1):
            yield f"{name_of(each)}: selects {[*map(name_of, found)]}"
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        if not fits(each["spec"]["selector"], labels_of(each)):
            yield f"{name_of(each)}: selects others"


def _selected(objects: Objects, selecting: Object) -> list[Object]:
    """Return the workloads whose pods an object of `SELECTORS` selects."""
    spec = selecting["spec"]
    if selecting["kind"] == "NetworkPolicy":
        selector = spec["podSelector"]
    else:
        is_plain = selecting["kind"] == "Service"
        selector = {"matchLabels": spec["selector"]} if is_plain else spec["selector"]
    return [one for one in of_kind(objects, *WORKLOADS) if fits(selector, labels_of(one))]


def disrupted_in_turn(objects: Objects) -> Iterator[str]:
    """Of each service one pod may be missing at a time, on purpose."""
    kept = by_name(objects, "PodDisruptionBudget")
    for each in ours(objects, "Deployment"):
        budget = kept.get(each["metadata"]["name"])
        if budget is None or budget["spec"].get("maxUnavailable") != 1:
            yield f"{name_of(each)}: PodDisruptionBudget"


def names_ports(objects: Objects) -> Iterator[str]:
    """Ports that Services and policies name are ports of the pods that they select."""
    for each in of_kind(objects, "Service", "NetworkPolicy"):
        spec, is_policy = each["spec"], each["kind"] == "NetworkPolicy"
        known = set[str]().union(*map(ports_of, _selected(objects, each)))
        let_in = [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        named = let_in if is_policy else [port["targetPort"] for port in spec["ports"]]
        yield from (f"{name_of(each)}: port {port}" for port in named if port not in known)


def shows_public_port(objects: Objects) -> Iterator[str]:
    """Services of ours lead to the public port alone: the other one asks for no password."""
    for each in of_kind(objects, "Service"):
        if each["metadata"]["name"] in SERVICES:
            led = {port["targetPort"] for port in each["spec"]["ports"]}
            if led != {"http"}:
                yield f"{name_of(each)}: leads to {sorted(map(str, led))}"


def speaks(objects: Objects) -> Iterator[str]:
    """Policies let out what is spoken at a port: names over UDP and TCP, all else over TCP."""
    for each in of_kind(objects, "NetworkPolicy"):
        found: dict[Any, set[str]] = {}
        for rule in [*each["spec"].get("egress", []), *each["spec"].get("ingress", [])]:
            for port in rule["ports"]:
                found.setdefault(port["port"], set()).add(port.get("protocol", "TCP"))
        for port, protocols in found.items():
            if protocols != NAMES.get(port, {"TCP"}):
                yield f"{name_of(each)}: {port} over {sorted(protocols)}"


def enforced(objects: Objects) -> Iterator[str]:
    """The namespace takes no pod that is not restricted."""
    for each in of_kind(objects, "Namespace"):
        if each["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{name_of(each)}: pod-security"


def nobody_by_default(objects: Objects) -> Iterator[str]:
    """Who is not told to come or go does not."""
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(each["spec"] == shut for each in of_kind(objects, "NetworkPolicy")):
        yield "no NetworkPolicy lets nobody in and out"


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


RULES: tuple[Rule, ...] = (
    restricted,
    apart_from_kubernetes,
    bounded,
    pinned,
    as_the_image,
    runs_its_service,
    probed,
    patient,
    shows_secrets,
    rolls_out,
    replaced_in_turn,
    selects,
    disrupted_in_turn,
    names_ports,
    shows_public_port,
    speaks,
    enforced,
    nobody_by_default,
)
