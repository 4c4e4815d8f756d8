"""docs/deploy/kubernetes.md: that what it says to write and to type works, as far as it goes without a cluster."""

import re
import shutil
from pathlib import Path

import yaml

from services.settings import SERVICES
from tests.support.deployments.program import ROOT
from tests.support.kubernetes.kustomize import DEPLOY, build, render
from tests.support.kubernetes.manifests import COMPONENT, container_of, labels_of, of_kind, ours

PAGE = (ROOT / "docs" / "deploy" / "kubernetes.md").read_text(encoding="utf-8")


def test_overlay_of_your_own(tmp_path: Path) -> None:
    """The example, beside a copy of the repository, has one's own rules, Kafka and image in every pod, and one's own name."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    copy, host = yaml.safe_load(text)["resources"]
    shutil.copytree(DEPLOY, tmp_path / copy.removesuffix("/overlays/production"))
    (tmp_path / "kustomization.yaml").write_text(text)
    (tmp_path / "fanfare.toml").write_text("# Mine.\n")
    theirs = (DEPLOY / "overlays" / "ingress-traefik" / host).read_text(encoding="utf-8")
    (tmp_path / host).write_text(theirs.replace("ws.example.org", "my.example.org"))

    objects = build(tmp_path)

    data = [each["data"] for each in of_kind(objects, "ConfigMap")]
    assert {"fanfare.toml": "# Mine.\n"} in data
    assert {"FANFARE_BACKENDS_EVENTS": "kafka://kafka.example.org:9092"} in data
    assert len(data) == 2
    known = {each["metadata"]["name"] for each in of_kind(objects, "ConfigMap")}
    for each in ours(objects, "Deployment"):
        (source,) = container_of(each)["envFrom"]
        assert source["configMapRef"]["name"] in known
        assert container_of(each)["image"] == "your.registry/fanfare:0.1.0"
    routes = [each["spec"]["routes"] for each in of_kind(objects, "IngressRoute")]
    assert routes
    assert all("Host(`my.example.org`)" in route["match"] for few in routes for route in few)


def test_order() -> None:
    """What comes before the gateways has all that they refer to, and the Job; nothing of any service."""
    (names,) = re.findall(r"notin \(([\w, ]+)\)", PAGE)
    before = [
        each
        for each in render("production")
        if each["metadata"].get("labels", {}).get(COMPONENT) not in SERVICES
    ]

    assert set(names.split(", ")) == set(SERVICES)
    assert len(of_kind(before, "ConfigMap")) == 2
    assert [each["metadata"]["name"] for each in of_kind(before, "Job")] == ["migrate"]
    assert not of_kind(before, "Deployment")
    for each in ours(render("production"), "Deployment"):
        assert each["metadata"]["labels"][COMPONENT] == labels_of(each)[COMPONENT]


def test_figures() -> None:
    """Numbers of pods, and the settings that it names, are those of the manifests."""
    for each in of_kind(render("production"), "HorizontalPodAutoscaler"):
        spec = each["spec"]
        (row,) = re.findall(rf"(?m)^\| {each['metadata']['name']} \| (\d+) to (\d+) \|", PAGE)
        assert (int(row[0]), int(row[1])) == (spec["minReplicas"], spec["maxReplicas"])
        cpu = spec["metrics"][0]["resource"]["target"]["averageUtilization"]
        assert re.search(rf"(?m)^\| {each['metadata']['name']} \|.*CPU above {cpu} %", PAGE)
