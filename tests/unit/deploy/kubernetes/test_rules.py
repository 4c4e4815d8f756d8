"""What deploy/k8s must keep to, in every overlay; and that a breach of each kind is noticed."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kubernetes import rules
from tests.support.kubernetes.kustomize import OVERLAYS, Objects, render
from tests.support.kubernetes.manifests import COMPONENT, by_name, container_of, spec_of
from tests.support.kubernetes.rules import Rule

Change = Callable[[Any], object]


def gateway(change: Change) -> tuple[str, str, Change]:
    """Say that the Deployment of gateways is changed."""
    return "Deployment", "gateway", change


def secrets_of(workload: Any) -> Any:
    """Return the volume that has the files of the Secret."""
    (volume,) = [one for one in spec_of(workload)["volumes"] if one["name"] == "secrets"]
    return volume["projected"]


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
    "busy": (
        rules.patient,
        gateway(lambda it: container_of(it)["livenessProbe"].update(failureThreshold=1)),
        "livenessProbe gives up after 10 s",
    ),
    "start": (
        rules.patient,
        gateway(lambda it: container_of(it)["startupProbe"].update(failureThreshold=2)),
        "startupProbe gives up after 4 s",
    ),
    "group": (
        rules.shows_secrets,
        gateway(lambda it: spec_of(it)["securityContext"].pop("fsGroup")),
        "Deployment gateway: fsGroup",
    ),
    "mode": (
        rules.shows_secrets,
        ("Job", "migrate", lambda it: secrets_of(it).update(defaultMode=0o444)),
        "Job migrate: defaultMode of secrets",
    ),
    "hash": (
        rules.rolls_out,
        gateway(lambda it: container_of(it)["envFrom"][0]["configMapRef"].update(name="fanfare")),
        "ConfigMap fanfare has no hash",
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
        rules.names_ports,
        ("Service", "gateway", lambda it: it["spec"]["ports"][0].update(targetPort="web")),
        "port web",
    ),
    "port": (
        rules.names_ports,
        gateway(lambda it: container_of(it)["ports"][0].update(name="public")),
        "Service gateway: port http",
    ),
    "operators' port": (
        rules.shows_public_port,
        ("Service", "auth", lambda it: it["spec"]["ports"][0].update(targetPort="internal")),
        "Service auth: leads to ['internal']",
    ),
    "names over TCP": (
        rules.speaks,
        ("NetworkPolicy", "names", lambda it: it["spec"]["egress"][0]["ports"].pop(0)),
        "NetworkPolicy names: 53 over ['TCP']",
    ),
    "Redis over UDP": (
        rules.speaks,
        (
            "NetworkPolicy",
            "redis",
            lambda it: it["spec"]["egress"][0]["ports"][0].update(protocol="UDP"),
        ),
        "NetworkPolicy redis: 6379 over ['UDP']",
    ),
    "any pod": (
        rules.enforced,
        ("Namespace", "fanfare", lambda it: it["metadata"]["labels"].clear()),
        "Namespace fanfare: pod-security",
    ),
    "open": (
        rules.nobody_by_default,
        ("NetworkPolicy", "nothing", lambda it: it["spec"]["policyTypes"].pop()),
        "nobody",
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


@pytest.mark.parametrize("breach", BREACHES)
def test_noticed(breach: str) -> None:
    """A breach is told, and the object named."""
    rule, (kind, name, change), words = BREACHES[breach]

    told = [*rule(changed(kind, name, change))]

    assert any(words in sentence for sentence in told)


def test_all_tried() -> None:
    """Each rule has a breach here."""
    assert {rule for rule, _, _ in BREACHES.values()} == set(rules.RULES)
