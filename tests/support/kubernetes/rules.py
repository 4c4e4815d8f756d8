"""
What must hold of objects for Kubernetes beyond their schemas: each rule yields a sentence for each breach.

Those about one pod come first, then those about what objects say of each other.  What the code knows too, such as its
ports, is taken from there.
"""

import inspect
import re
from collections.abc import Callable, Iterator

from libs.common.web.server import Server
from services.program import DRAIN_SPREAD
from services.settings import SERVICES, Settings
from services.version import VERSION
from tests.support.deployments.program import ROOT
from tests.support.kubernetes import network
from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import (
    SELECTORS,
    WORKLOADS,
    by_name,
    container_of,
    fits,
    labels_of,
    name_of,
    of_kind,
    ours,
    selected,
    spec_of,
)

Rule = Callable[[Objects], Iterator[str]]

VOLUMES = {"configMap", "emptyDir", "projected", "secret"}  # Restricted has more; we need no other.
WRITES_BESIDE_ITSELF = {"kafka"}
SPARE = 5  # Seconds of grace, for the end itself.
BARE = 100 << 20  # Bytes that a process takes without clients; some 95 MiB.
CONNECTION = 20 << 10  # Bytes: what docs/benchmarks.md has as its bound.
SECRET_MODE = 0o440  # The account's group reads, which is fsGroup; nobody else does.
ENFORCE = "pod-security.kubernetes.io/enforce"
# Seconds, at least and at most.  A start is given up when backends had the time to come back.  Who hangs gets no more
# requests within half a minute, in which many a process is well again: restarted, all its clients return at once, so that
# waits for `gateway.loop_timeout`.
BUDGETS = {"startupProbe": (60, 300), "readinessProbe": (5, 30), "livenessProbe": (60, 120)}
HASH = re.compile(r".-[2456789bcdfghkmt]{10}$")  # As kustomize writes it.


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


def shows_secrets(objects: Objects) -> Iterator[str]:
    """Files of Secrets are the group's to read, and the pod's account is in that group."""
    for each in of_kind(objects, *WORKLOADS):
        volumes = [*_secret_volumes(each)]
        for volume in volumes:
            shown = volume.get("secret") or volume["projected"]
            sources = [shown, *(one.get("secret", {}) for one in shown.get("sources", []))]
            items = [item for one in sources for item in one.get("items", [])]
            modes = {shown.get("defaultMode"), *(one["mode"] for one in items if "mode" in one)}
            if modes != {SECRET_MODE}:
                yield f"{name_of(each)}: defaultMode of {volume['name']}"
        pod = spec_of(each)["securityContext"]
        if volumes and pod.get("fsGroup") != pod["runAsGroup"]:
            yield f"{name_of(each)}: fsGroup"


def _secret_volumes(workload: Object) -> Iterator[Object]:
    for volume in spec_of(workload).get("volumes", []):
        sources = volume.get("projected", {}).get("sources", [])
        if "secret" in volume or any("secret" in source for source in sources):
            yield volume


def rolls_out(objects: Objects) -> Iterator[str]:
    """The ConfigMaps that pods read are named after what is in them: a change rolls out, and rolls back."""
    there = by_name(objects, "ConfigMap")
    for each in of_kind(objects, *WORKLOADS):
        for name in _config_maps(each):
            if name not in there:
                yield f"{name_of(each)}: there is no ConfigMap {name}"
            if not HASH.search(name):
                yield f"{name_of(each)}: a change of ConfigMap {name} would not roll out"


def _config_maps(workload: Object) -> Iterator[str]:
    container = container_of(workload)
    for volume in spec_of(workload).get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if "configMap" in source:
                yield source["configMap"]["name"]
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            yield source["configMapRef"]["name"]
    for variable in container.get("env", []):
        if "configMapKeyRef" in variable.get("valueFrom", {}):
            yield variable["valueFrom"]["configMapKeyRef"]["name"]


def patient(objects: Objects) -> Iterator[str]:
    """
    Probes fail after seconds that fit what they decide: a start waits for backends, a pod that is busy lives on.

    A roll-out waits for longer than a start may take.
    """
    for each in ours(objects, "Deployment"):
        for name, (least, most) in BUDGETS.items():
            probe = container_of(each)[name]
            seconds = _budget(probe)
            if not least <= seconds <= most or probe.get("timeoutSeconds", 1) < 2:
                yield f"{name_of(each)}: {name} gives up after {seconds} s"
        start = container_of(each)["startupProbe"]
        longest = start.get("initialDelaySeconds", 0) + _budget(start)
        if longest >= each["spec"].get("progressDeadlineSeconds", 600):
            yield f"{name_of(each)}: progressDeadlineSeconds, a start may take {longest} s"


def _budget(probe: Object) -> int:
    """Return the seconds of failures after which a probe has failed, with Kubernetes' defaults."""
    seconds: int = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    return seconds


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
    yield from _unready(each, settings)
    if name == "gateway":
        yield from _gateway(each, settings)


def _unready(workload: Object, settings: Settings) -> Iterator[str]:
    """
    Who ends is seen to be unready before it is gone.

    Of a pod that Kubernetes deletes it takes the endpoint away by itself, which is what server.lb_delay is for.  The probe is
    for a process that is told to end by others, or ends a drain of its own: it has until the end of that.
    """
    server, seen = settings.server, _budget(container_of(workload)["readinessProbe"])
    if seen > server.lb_delay + server.drain_timeout:
        yield f"{name_of(workload)}: readinessProbe sees after {seen} seconds who is gone by then"


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


def enforced(objects: Objects) -> Iterator[str]:
    """Namespaces refuse pods that are not restricted."""
    for each in of_kind(objects, "Namespace"):
        if each["metadata"].get("labels", {}).get(ENFORCE) != "restricted":
            yield f"{name_of(each)}: {ENFORCE}"


def selects(objects: Objects) -> Iterator[str]:
    """Whoever selects pods finds some, and a workload its own."""
    for each in of_kind(objects, *SELECTORS):
        found = selected(objects, each)
        if not found or (each["kind"] != "NetworkPolicy" and len(found) != 1):
            yield f"{name_of(each)}: selects {[*map(name_of, found)]}"
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        if not fits(each["spec"]["selector"], labels_of(each)):
            yield f"{name_of(each)}: selects others"


def disrupted_in_turn(objects: Objects) -> Iterator[str]:
    """Of each service one pod may be missing at a time, on purpose."""
    kept = by_name(objects, "PodDisruptionBudget")
    for each in ours(objects, "Deployment"):
        budget = kept.get(each["metadata"]["name"])
        if budget is None or budget["spec"].get("maxUnavailable") != 1:
            yield f"{name_of(each)}: PodDisruptionBudget"


RULES: tuple[Rule, ...] = (
    restricted,
    apart_from_kubernetes,
    bounded,
    pinned,
    as_the_image,
    runs_its_service,
    probed,
    replaced_in_turn,
    selects,
    disrupted_in_turn,
    shows_secrets,
    patient,
    rolls_out,
    enforced,
    network.names_ports,
    network.shows_public_port,
    network.nobody_by_default,
    network.speaks,
)
