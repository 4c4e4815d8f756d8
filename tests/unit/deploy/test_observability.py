"""Profile `observability` of docker-compose.yml: that what looks on finds what it looks at, and its parts each other."""

import re
import subprocess
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from services.settings import SERVICES
from tests.support.deployments.composition import (
    Service,
    composition,
    secrets,
    settings_of,
    share_network,
)
from tests.support.deployments.program import ROOT

SECRETS = secrets()
CONTAINERS: dict[str, Service] = composition(SECRETS)["services"]


class TestTelemetry:
    """What the services send, and where it arrives."""

    def test_off(self) -> None:
        """Nothing is sent where nobody has asked for it."""
        assert all(
            settings_of(CONTAINERS[name]).telemetry.otlp_endpoint.reveal() == ""
            for name in SERVICES
        )

    @pytest.mark.parametrize("name", SERVICES)
    def test_on(self, name: str) -> None:
        """The address that .env offers is the collector's, on a network that is shared."""
        (offered,) = re.findall(
            r"^#OTLP_ENDPOINT=(.*)$", (ROOT / "deploy" / "secrets.sh").read_text(), re.MULTILINE
        )
        asked = composition(SECRETS | {"OTLP_ENDPOINT": offered, "TRACE_RATIO": "0.1"})["services"]

        loaded = settings_of(asked[name]).telemetry

        assert str(loaded.otlp_endpoint) == offered
        assert loaded.sample_ratio == 0.1
        receiver = read("otel", "collector.yaml")["receivers"]["otlp"]["protocols"]["http"]
        url = urlsplit(offered)
        assert (url.hostname, f"0.0.0.0:{url.port}") == ("collector", receiver["endpoint"])
        assert share_network(CONTAINERS, name, "collector")
        assert share_network(CONTAINERS, name, "prometheus")

    def test_traces(self) -> None:
        """The collector hands spans to Tempo, where Grafana finds them; metrics it drops, which Prometheus has."""
        collector, tempo = read("otel", "collector.yaml"), read("tempo", "tempo.yaml")
        (source,) = read("grafana/provisioning/datasources", "tempo.yml")["datasources"]
        pipelines = collector["service"]["pipelines"]

        receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
        sent = urlsplit(collector["exporters"]["otlp_http"]["endpoint"])
        assert (sent.hostname, f"0.0.0.0:{sent.port}") == ("tempo", receiver)
        assert source["url"] == f"http://tempo:{tempo['server']['http_listen_port']}"
        assert pipelines["traces"]["exporters"] == ["otlp_http"]
        assert pipelines["metrics"]["exporters"] == ["nop"]
        assert share_network(CONTAINERS, "collector", "tempo")
        assert share_network(CONTAINERS, "grafana", "tempo")

    def test_kept(self) -> None:
        """What Tempo and Prometheus keep lies on their volumes, which have bounds."""
        tempo = read("tempo", "tempo.yaml")["storage"]["trace"]
        command = CONTAINERS["prometheus"]["command"]

        assert "tempo:/var/tempo" in CONTAINERS["tempo"]["volumes"]
        assert all(tempo[part]["path"].startswith("/var/tempo/") for part in ("wal", "local"))
        assert "--storage.tsdb.path=/prometheus" in command
        assert any(option.startswith("--storage.tsdb.retention.size=") for option in command)

    def test_mounted(self) -> None:
        """Files that a command names are mounted."""
        for name in ("collector", "tempo", "prometheus"):
            container = CONTAINERS[name]
            source, target, _ = container["volumes"][0].split(":")
            (named,) = [
                PurePosixPath(word.split("=")[1])
                for word in container["command"]
                if word.split("=")[0].strip("-") in {"config", "config.file"}
            ]
            assert (ROOT / source / named.relative_to(target)).exists()

    def test_grafana(self) -> None:
        """Grafana starts with a password of its own, and else says what is missing."""
        container = CONTAINERS["grafana"]
        *shell, script = container["entrypoint"]

        refused = subprocess.run(  # noqa: S603 - ours.
            [*shell, script], env={}, check=False, capture_output=True, text=True
        )

        assert container["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == SECRETS["GRAFANA_PASSWORD"]
        assert refused.returncode == 1
        assert "GRAFANA_PASSWORD is missing" in refused.stderr


def read(*names: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy").joinpath(*names).read_text())
    return document
