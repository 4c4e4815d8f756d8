"""What decides how many pods there are: that it fits the Deployments, the settings and the topics."""

import pytest

from tests.support.kubernetes import scaling
from tests.support.kubernetes.kustomize import OVERLAYS, Objects, combined, render
from tests.support.kubernetes.manifests import by_name, container_of, reworded


def changed(overlay: str, old: str, new: str, *, kind: str) -> Objects:
    """Return what an overlay has, with other words in the objects of a kind."""
    return reworded(render(overlay), old, new, kind=kind)


def found(objects: Objects) -> str:
    return "\n".join(scaling.faults(objects))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_fits(overlay: str) -> None:
    assert not found(render(overlay))


def test_all() -> None:
    """
    With KEDA and the metrics of users together every Deployment has one scaler.
    """
    objects = combined("production", "custom-metrics", "keda")

    assert not found(objects)
    assert {*by_name(objects, "HorizontalPodAutoscaler")} == {"gateway", "auth", "presence"}
    assert {*by_name(objects, "ScaledObject")} == {"dispatcher"}


def test_signals() -> None:
    """
    Each service scales on what its users notice, and on CPU.
    """
    scalers = by_name(render("monitoring"), "HorizontalPodAutoscaler")
    signals = {
        name: [
            each["pods"]["metric"]["name"] if each["type"] == "Pods" else each["resource"]["name"]
            for each in one["spec"]["metrics"]
        ]
        for name, one in scalers.items()
    }

    assert signals == {
        "gateway": ["cpu", "fanfare_connections"],
        "auth": ["cpu", "fanfare_auth_decision_seconds"],
        "dispatcher": ["cpu"],
        "presence": ["cpu", "fanfare_facts_lag_seconds"],
    }


def test_keda() -> None:
    """
    What is posted counts without Kafka, and Kafka's group is seldom divided anew.
    """
    (one,) = by_name(render("keda"), "ScaledObject").values()
    spec = one["spec"]
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]

    assert [each["type"] for each in spec["triggers"]] == ["cpu", "kafka"]
    assert spec["triggers"][1]["metadata"]["limitToPartitionsWithLag"] == "true"
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 900


def test_keda_signs_in() -> None:
    """
    As the dispatcher does: the same mechanism, user and password, and TLS.
    """
    objects = combined("production", "kafka-sasl", "keda", "keda-sasl")
    container = container_of(by_name(objects, "Deployment")["dispatcher"])
    given = {each["name"]: each.get("value") for each in container["env"]}
    trigger = by_name(objects, "ScaledObject")["dispatcher"]["spec"]["triggers"][1]
    spec = by_name(objects, "TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"]
    (user,) = spec["env"]
    (password,) = spec["secretTargetRef"]

    mechanism = (
        given["FANFARE_KAFKA_SASL_MECHANISM"].lower().replace("-sha-", "_sha").replace("-", "_")
    )
    assert trigger["metadata"]["sasl"] == mechanism
    assert (trigger["metadata"]["tls"] == "enable") == (given["FANFARE_KAFKA_TLS"] == "true")
    assert user["name"] in given
    assert user["containerName"] == container["name"]
    assert given["FANFARE_KAFKA_SASL_PASSWORD_FILE"].endswith(f"/{password['key']}")
    assert not found(objects)


class TestRenamed:
    """The tests of these tests: what no longer fits is found."""

    @pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
    def test_target(self, kind: str) -> None:
        overlay = "keda" if kind == "ScaledObject" else "production"
        target = "dispatcher" if kind == "ScaledObject" else "auth"
        objects = changed(overlay, f'"name": "{target}"', '"name": "other"', kind=kind)

        assert "there is no Deployment other" in found(objects)

    @pytest.mark.parametrize(
        "old, new, told",
        [
            ('"kind": "Deployment"', '"kind": "StatefulSet"', "no StatefulSet auth of apps/v1"),
            ('"apps/v1"', '"apps/v2"', "no Deployment auth of apps/v2"),
        ],
    )
    def test_kind(self, old: str, new: str, told: str) -> None:
        objects = changed("production", old, new, kind="HorizontalPodAutoscaler")

        assert f"HorizontalPodAutoscaler auth: there is {told}" in found(objects)

    def test_twice(self) -> None:
        hpas = by_name(render("production"), "HorizontalPodAutoscaler")
        objects = [*render("keda"), hpas["dispatcher"]]

        assert "another one scales Deployment dispatcher too" in found(objects)

    def test_replicas(self) -> None:
        objects = changed(
            "production",
            '"spec": {"minReady',
            '"spec": {"replicas": 3, "minReady',
            kind="Deployment",
        )

        assert "Deployment auth sets replicas" in found(objects)

    def test_bounds(self) -> None:
        objects = changed(
            "production", '"minReplicas": 2', '"minReplicas": 1', kind="HorizontalPodAutoscaler"
        )

        assert "HorizontalPodAutoscaler auth: from 1 to 10 pods" in found(objects)

    def test_haste(self) -> None:
        objects = changed("production", ": 1800", ": 300", kind="HorizontalPodAutoscaler")

        assert "gateway: takes gateways away within half an hour" in found(objects)

    def test_connections(self) -> None:
        objects = changed("monitoring", '"7000"', '"12000"', kind="HorizontalPodAutoscaler")

        assert "gateway: fanfare_connections of 12000, the bound is 10000" in found(objects)

    @pytest.mark.parametrize(
        "old, new, told",
        [
            ('"100m"', '"100"', "auth: fanfare_auth_decision_seconds of 100, the bound is 1"),
            ('"100m"', '"1000m"', "auth: fanfare_auth_decision_seconds of 1, the bound is 1"),
            ('"100m"', '"0"', "auth: fanfare_auth_decision_seconds of 0"),
            (
                '"averageValue": "5"',
                '"averageValue": "60"',
                "presence: fanfare_facts_lag_seconds of 60",
            ),
            ('"7000"', '"7000k"', "gateway: fanfare_connections of 7e+06"),
            (
                "fanfare_facts_lag",
                "fanfare_facts_age",
                "fanfare_facts_age_seconds of 5, the bound is None",
            ),
        ],
    )
    def test_metrics(self, old: str, new: str, told: str) -> None:
        assert told in found(changed("monitoring", old, new, kind="HorizontalPodAutoscaler"))

    @pytest.mark.parametrize("share", [0, 101, 700])
    def test_share(self, share: int) -> None:
        """
        Of the CPU that is requested.
        """
        hpas = changed("keda", ": 70", f": {share}", kind="HorizontalPodAutoscaler")
        keda = changed("keda", '"value": "70"', f'"value": "{share}"', kind="ScaledObject")

        assert f"HorizontalPodAutoscaler presence: {share} % of the CPU" in found(hpas)
        assert f"ScaledObject dispatcher: {share} % of the CPU" in found(keda)

    def test_quantity(self) -> None:
        """
        A quantity of CPU is no share of it.
        """
        objects = changed("keda", '"Utilization"', '"AverageValue"', kind="ScaledObject")

        assert "ScaledObject dispatcher: 0 % of the CPU" in found(objects)

    def test_takeover(self) -> None:
        """
        KEDA must be told that it may have what scales the dispatcher already.
        """
        said = f'"{scaling.TAKES_OVER}": '
        refused = changed("keda", f'{said}"true"', f'{said}"false"', kind="ScaledObject")
        without = changed("keda", said, '"mine": ', kind="ScaledObject")
        beside = changed("keda", '"name": "dispatcher"}}', '"name": "mine"}}', kind="ScaledObject")

        assert f"ScaledObject dispatcher: {scaling.TAKES_OVER}" in found(refused)
        assert f"ScaledObject dispatcher: {scaling.TAKES_OVER}" in found(without)
        assert "another HorizontalPodAutoscaler than dispatcher" in found(beside)

    def test_group(self) -> None:
        """
        A setting in fanfare.toml is what holds.
        """
        objects = changed(
            "keda", "[[routes]]", '[dispatcher]\\ngroup = \\"mine\\"\\n[[routes]]', kind="ConfigMap"
        )

        assert "ScaledObject dispatcher: the group is mine, not fanfare" in found(objects)

    def test_topic(self) -> None:
        objects = changed("keda", "fanfare.events.1", "fanfare.events.2", kind="ScaledObject")

        assert "fanfare.events.1 is not watched" in found(objects)
        assert "fanfare.events.2 is read by no route" in found(objects)

    def test_brokers(self) -> None:
        objects = changed("keda", "kafka-1", "kafka-9", kind="ScaledObject")

        assert "ScaledObject dispatcher: Kafka is kafka-0" in found(objects)
