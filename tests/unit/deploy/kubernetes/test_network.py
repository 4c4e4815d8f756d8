"""deploy/k8s: who may reach whom."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.settings import SERVICES, Settings
from tests.support.kubernetes.given import settings
from tests.support.kubernetes.kustomize import render
from tests.support.kubernetes.manifests import by_name, of_kind, ours
from tests.support.kubernetes.network import let_in, let_out

NAMES = {53}  # The port of those who know names.

by_service = pytest.mark.parametrize("name", SERVICES)


def ports(settings: Settings, name: str) -> Iterator[int]:
    """Yield the ports of the backends that a service uses."""
    backends = settings.backends
    urls = {"bus": backends.bus, "roster": backends.roster, "apps": backends.apps}
    if name != "gateway":
        urls["events"] = backends.events
    for url in urls.values():
        for host in url.reveal().partition("://")[2].rpartition("@")[2].split(","):
            yield urlsplit(f"//{host}").port or 0


class TestLetIn:
    """NetworkPolicies tell who may come."""

    @by_service
    def test_services(self, name: str) -> None:
        """Whoever a namespace's label lets to the one port is not let to the other."""
        objects = render("production")
        workload = by_name(objects, "Deployment")[name]

        assert let_in(objects, workload) == {
            "http": [{"namespaceSelector": {"matchLabels": {"fanfare/public": "true"}}}],
            "internal": [{"namespaceSelector": {"matchLabels": {"fanfare/internal": "true"}}}],
        }

    def test_job(self) -> None:
        """Nobody comes to what migrates."""
        (job,) = ours(render("production"), "Job")

        assert let_in(render("production"), job) == {}

    def test_backends(self) -> None:
        """Those inside are there for Fanfare's pods alone, and reach nobody."""
        objects = render("dev")
        here = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "fanfare"}}}]
        for backend in of_kind(objects, "StatefulSet"):
            assert let_in(objects, backend)[backend["metadata"]["name"]] == here
            assert not let_out(objects, backend)


class TestLetOut:
    """NetworkPolicies let pods reach what their settings name."""

    @by_service
    def test_backends(self, tmp_path: Path, name: str) -> None:
        """Each backend's port, where that is the usual one; no backend's that it has not."""
        objects = render("dev")
        workload = by_name(objects, "Deployment")[name]
        needed = {*ports(settings(tmp_path, objects, name), name)}

        beside = {4318} | ({443} if name in {"auth", "presence"} else set())
        assert let_out(objects, workload) == needed | NAMES | beside

    def test_job(self) -> None:
        """What migrates reaches the database alone."""
        (job,) = ours(render("production"), "Job")

        assert let_out(render("production"), job) == {5432} | NAMES
