"""What deploy/k8s must keep to, in every overlay; and that a breach of each kind is noticed."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kubernetes import network, rules
from tests.support.kubernetes.kustomize import OVERLAYS, Object, Objects, combined, render
from tests.support.kubernetes.manifests import COMPONENT, by_name, container_of, spec_of
from tests.support.kubernetes.rules import Rule

Change = Callable[[Any], object]


def gateway(change: Change) -> tuple[str, str, Change]:
    """Say that the Deployment of gateways is changed."""
    return "Deployment", "gateway", change


def secrets(workload: Object) -> Any:
    """Return what is shown of Secrets."""
    (found,) = [each for each in spec_of(workload)["volumes"] if each["name"] == "secrets"]
    return found["projected"]


def config(workload: Object) -> Any:
    """Return which ConfigMap is mounted."""
    (found,) = [each["configMap"] for each in spec_of(workload)["volumes"] if "configMap" in each]
    return found


def port_of(policy: Object, direction: str) -> Any:
    """Return the one port that a NetworkPolicy lets through."""
    ((port,),) = [rule["ports"] for rule in policy["spec"][direction]]
    return port


BASELINE = {rules.ENFORCE: "baseline"}

# Which rule notices a change of which object, and what it says.
BREACHES: dict[str, tuple[Rule, tuple[str, str, Change], str]] = {
    "root": (
        rules.restricted,
        gateway(lambda it: spec_of(it)["securityContext"].update(runAsUser=0)),
        "runAsNonRoot",
    ),
    "capability": (
        rules.restricted,
        ("Job", "migrate", lambda it: container_of(it)["securityContext"]["capabilities"].clear()),
        "capabilities",
    ),
    "volume": (
        rules.restricted,
        gateway(lambda it: spec_of(it)["volumes"].append({"hostPath": {"path": "/"}})),
        "volumes",
    ),
    "token": (
        rules.apart_from_kubernetes,
        gateway(lambda it: spec_of(it).update(automountServiceAccountToken=True)),
        "automountServiceAccountToken",
    ),
    "account": (
        rules.apart_from_kubernetes,
        gateway(lambda it: spec_of(it).update(serviceAccountName="default")),
        "serviceAccountName",
    ),
    "CPU": (
        rules.bounded,
        gateway(lambda it: container_of(it)["resources"]["limits"].update(cpu="1")),
        "limits",
    ),
    "latest": (
        rules.pinned,
        gateway(lambda it: container_of(it).update(image="fanfare:latest")),
        "fanfare:latest",
    ),
    "release": (
        rules.pinned,
        ("Job", "migrate", lambda it: container_of(it).update(image="fanfare:0.0.9")),
        "fanfare:0.0.9",
    ),
    "user": (
        rules.as_the_image,
        gateway(lambda it: spec_of(it)["securityContext"].update(runAsUser=1000)),
        "not the image's",
    ),
    "service": (
        rules.runs_its_service,
        gateway(lambda it: container_of(it).update(args=["run", "auth"])),
        "args",
    ),
    "probe's path": (
        rules.probed,
        gateway(lambda it: container_of(it)["startupProbe"]["httpGet"].update(path="/startz")),
        "/startz",
    ),
    "probe's port": (
        rules.probed,
        gateway(lambda it: container_of(it)["livenessProbe"]["httpGet"].update(port="http")),
        "livenessProbe port http",
    ),
    "rolling": (
        rules.replaced_in_turn,
        gateway(lambda it: it["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1)),
        "rollingUpdate",
    ),
    "Service's selector": (
        rules.selects,
        ("Service", "auth", lambda it: it["spec"]["selector"].update({COMPONENT: "nobody"})),
        "Service auth: selects",
    ),
    "pod's label": (
        rules.selects,
        gateway(
            lambda it: it["spec"]["template"]["metadata"]["labels"].update({COMPONENT: "gate"})
        ),
        "Deployment gateway: selects others",
    ),
    "budget": (
        rules.disrupted_in_turn,
        ("PodDisruptionBudget", "auth", lambda it: it["metadata"].update(name="auth-budget")),
        "Deployment auth",
    ),
    "Service's port": (
        network.names_ports,
        ("Service", "gateway", lambda it: it["spec"]["ports"][0].update(targetPort="web")),
        "port web",
    ),
    "port": (
        network.names_ports,
        gateway(lambda it: container_of(it)["ports"][0].update(name="public")),
        "Service gateway: port http",
    ),
    "open": (
        network.nobody_by_default,
        ("NetworkPolicy", "nothing", lambda it: it["spec"]["policyTypes"].pop()),
        "nobody",
    ),
    "group": (
        rules.shows_secrets,
        gateway(lambda it: spec_of(it)["securityContext"].pop("fsGroup")),
        "Deployment gateway: fsGroup",
    ),
    "group of a Job": (
        rules.shows_secrets,
        ("Job", "migrate", lambda it: spec_of(it)["securityContext"].update(fsGroup=0)),
        "Job migrate: fsGroup",
    ),
    "mode": (
        rules.shows_secrets,
        gateway(lambda it: secrets(it).update(defaultMode=0o444)),
        "defaultMode of secrets",
    ),
    "no mode": (
        rules.shows_secrets,
        gateway(lambda it: secrets(it).pop("defaultMode")),
        "defaultMode of secrets",
    ),
    "mode of a file": (
        rules.shows_secrets,
        gateway(lambda it: secrets(it)["sources"][0]["secret"]["items"][0].update(mode=0o644)),
        "defaultMode of secrets",
    ),
    "mounted ConfigMap": (
        rules.rolls_out,
        gateway(lambda it: config(it).update(name="fanfare")),
        "ConfigMap fanfare would not roll out",
    ),
    "ConfigMap of variables": (
        rules.rolls_out,
        gateway(lambda it: container_of(it)["envFrom"][0]["configMapRef"].update(name="variables")),
        "there is no ConfigMap variables",
    ),
    "short start": (
        rules.patient,
        gateway(lambda it: container_of(it)["startupProbe"].update(failureThreshold=10)),
        "startupProbe gives up after 20 s",
    ),
    "endless start": (
        rules.patient,
        gateway(lambda it: container_of(it)["startupProbe"].update(periodSeconds=20)),
        "startupProbe gives up after 1200 s",
    ),
    "hasty restart": (
        rules.patient,
        gateway(lambda it: container_of(it)["livenessProbe"].update(failureThreshold=2)),
        "livenessProbe gives up after 20 s",
    ),
    "late restart": (
        rules.patient,
        gateway(lambda it: container_of(it)["livenessProbe"].update(failureThreshold=60)),
        "livenessProbe gives up after 600 s",
    ),
    "late readiness": (
        rules.patient,
        gateway(lambda it: container_of(it)["readinessProbe"].update(periodSeconds=20)),
        "readinessProbe gives up after 60 s",
    ),
    "haste": (
        rules.patient,
        gateway(lambda it: container_of(it)["livenessProbe"].pop("timeoutSeconds")),
        "livenessProbe gives up",
    ),
    "roll-out": (
        rules.patient,
        gateway(lambda it: it["spec"].update(progressDeadlineSeconds=90)),
        "progressDeadlineSeconds, a start may take 120 s",
    ),
    "security": (
        rules.enforced,
        ("Namespace", "fanfare", lambda it: it["metadata"]["labels"].pop(rules.ENFORCE)),
        "Namespace fanfare",
    ),
    "baseline": (
        rules.enforced,
        ("Namespace", "fanfare", lambda it: it["metadata"]["labels"].update(BASELINE)),
        "Namespace fanfare",
    ),
    "operators' port": (
        network.shows_public_port,
        ("Service", "gateway", lambda it: it["spec"]["ports"][0].update(targetPort="internal")),
        "Service gateway: leads to internal",
    ),
    "names by UDP alone": (
        network.speaks,
        ("NetworkPolicy", "names", lambda it: it["spec"]["egress"][0]["ports"].pop()),
        "53 by UDP",
    ),
    "names by TCP alone": (
        network.speaks,
        ("NetworkPolicy", "names", lambda it: it["spec"]["egress"][0]["ports"].pop(0)),
        "53 by TCP",
    ),
    "Redis by UDP": (
        network.speaks,
        ("NetworkPolicy", "redis", lambda it: port_of(it, "egress").update(protocol="UDP")),
        "6379 by UDP",
    ),
    "clients by UDP": (
        network.speaks,
        ("NetworkPolicy", "public", lambda it: port_of(it, "ingress").update(protocol="UDP")),
        "http by UDP",
    ),
    "range": (
        network.speaks,
        ("NetworkPolicy", "kafka", lambda it: port_of(it, "egress").update(endPort=9999)),
        "9092 and those up to 9999",
    ),
}


def changed(kind: str, name: str, change: Change) -> Objects:
    """Render an overlay, and change one object of it."""
    objects = copy.deepcopy(render("production"))
    change(by_name(objects, kind)[name])
    return objects


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("rule", rules.RULES)
def test_kept(overlay: str, rule: Rule) -> None:
    """No overlay breaks a rule."""
    assert not [*rule(render(overlay))]


@pytest.mark.parametrize("rule", rules.RULES)
def test_kept_by_components(rule: Rule) -> None:
    """Nor do the components that no overlay has."""
    assert not [*rule(combined("production", "kafka-sasl", "keda", "keda-sasl", "tls"))]


@pytest.mark.parametrize("breach", BREACHES)
def test_noticed(breach: str) -> None:
    """A breach is told, and the object named."""
    rule, (kind, name, change), words = BREACHES[breach]

    told = [*rule(changed(kind, name, change))]

    assert any(words in sentence for sentence in told)


def test_all_tried() -> None:
    """Each rule has a breach here."""
    assert {rule for rule, _, _ in BREACHES.values()} == set(rules.RULES)
