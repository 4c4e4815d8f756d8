"""deploy/k8s: that Fanfare accepts the settings and secrets that its pods are given, and that these fit the manifests."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from libs.common.errors import Misconfigured
from libs.common.policies.policies import Policies
from services.cli import COMMANDS, parser
from services.settings import DEVELOPMENT_SECRETS, SERVICES, check_services
from tests.support.deployments.program import ROOT
from tests.support.kubernetes.given import KAFKA, secret, settings
from tests.support.kubernetes.kustomize import DEPLOY, OVERLAYS, Object, combined, render
from tests.support.kubernetes.manifests import by_name, container_of, ours, reworded, spec_of
from tests.support.kubernetes.rules import fits_settings

TRUSTED = "FANFARE_SERVER_TRUSTED_PROXIES"
OF_BACKENDS_INSIDE = {"redis-password", "postgres-password"}

by_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
by_service = pytest.mark.parametrize("name", SERVICES)


def shown(workload: Object) -> Iterator[str]:
    """Yield the keys of the Secret that a workload's pods are shown."""
    for volume in spec_of(workload)["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            if source["secret"]["name"] == "fanfare":
                yield from (item["key"] for item in source["secret"]["items"])


class TestAccepted:
    """By the program, whatever the overlay."""

    @by_overlay
    @by_service
    def test_service(self, tmp_path: Path, overlay: str, name: str) -> None:
        """The service can work with them, and the manifest fits: ports, time to end, memory."""
        loaded = settings(tmp_path, render(overlay), name)

        check_services(loaded, [name])
        assert not [*fits_settings(render(overlay), name, loaded)]

    @by_overlay
    def test_modes(self, tmp_path: Path, overlay: str) -> None:
        """Files have the modes of the manifest: secrets are nobody else's to read, settings are anybody's."""
        settings(tmp_path, render(overlay), "gateway")

        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.*")}
        assert found["token-public-keys.json"] == 0o440
        assert found["fanfare.toml"] == 0o644

    @by_overlay
    def test_commands(self, tmp_path: Path, overlay: str) -> None:
        """Arguments are a command's, and the Job migrates what services read."""
        for workload in ours(render(overlay)):
            assert parser().parse_args(container_of(workload)["args"]).command in COMMANDS
        migrates = settings(tmp_path, render(overlay), "migrate", "Job").backends
        serves = settings(tmp_path / "presence", render(overlay), "presence").backends

        assert (migrates.apps, migrates.sightings) == (serves.apps, serves.sightings)

    def test_kafka(self, tmp_path: Path) -> None:
        """Who speaks with Kafka is given its password, and the gateway is not."""
        objects = combined("production", "kafka-sasl")
        given = {
            name: settings(tmp_path / name, objects, name).kafka.sasl_password.reveal()
            for name in SERVICES
        }

        assert given == {**dict.fromkeys(SERVICES, "hush"), "gateway": ""}

    def test_rules(self, tmp_path: Path) -> None:
        """The policies compile."""
        assert Policies(settings(tmp_path, render("production"), "auth").channels)

    def test_no_development_secrets(self) -> None:
        """What everybody knows is nowhere."""
        files = [path for path in DEPLOY.rglob("*") if path.is_file()]
        text = "".join(path.read_text(encoding="utf-8") for path in files)

        assert not [one for one in DEVELOPMENT_SECRETS if one.reveal() in text]


class TestNoticed:
    """What would not fit is told."""

    @pytest.mark.parametrize(
        "name, variable, words",
        [
            ("gateway", {"FANFARE_SERVER_LISTEN": "*:6002"}, "port http"),
            ("auth", {"FANFARE_SERVER_INTERNAL_LISTEN": "*:9600"}, "port internal"),
            ("presence", {"FANFARE_SERVER_INTERNAL_LISTEN": "127.0.0.1:9601"}, "by nobody"),
            ("dispatcher", {"FANFARE_SERVER_DRAIN_TIMEOUT": "40"}, "terminationGracePeriod"),
            ("auth", {"FANFARE_SERVER_LB_DELAY": "15"}, "terminationGracePeriod"),
            ("gateway", {"FANFARE_SERVER_LB_DELAY": "6"}, "minReadySeconds"),
            ("gateway", {"FANFARE_GATEWAY_MAX_CONNECTIONS": "50000"}, "memory"),
            ("auth", {"FANFARE_SERVER_DRAIN_TIMEOUT": "5"}, "readinessProbe sees after 15"),
            ("auth", {TRUSTED: "0.0.0.0/0"}, "trusted_proxies"),
            ("auth", {TRUSTED: "::/0"}, "trusted_proxies"),
            ("gateway", {TRUSTED: "10.0.0.0/8"}, "trusted_proxies"),
        ],
    )
    def test_settings(
        self, tmp_path: Path, name: str, variable: Mapping[str, str], words: str
    ) -> None:
        """A setting that the manifest was not made for."""
        objects = copy.deepcopy(render("production"))
        workload = by_name(objects, "Deployment")[name]
        for key, text in variable.items():
            container_of(workload)["env"].append({"name": key, "value": text})

        told = [*fits_settings(objects, name, settings(tmp_path, objects, name))]

        assert len(told) == 1
        assert words in told[0]

    def test_renamed_variable(self, tmp_path: Path) -> None:
        """A variable that no setting has."""
        objects = copy.deepcopy(render("production"))
        workload = by_name(objects, "Deployment")["auth"]
        for each in container_of(workload)["env"]:
            each["name"] = each["name"].replace("AUTH_ISSUERS", "AUTH_ISSUER")

        with pytest.raises(Misconfigured, match="FANFARE_AUTH_ISSUER_FILE"):
            settings(tmp_path, objects, "auth")

    def test_mode(self, tmp_path: Path) -> None:
        """Another mode of the manifest is that of the files."""
        old, new = f'"defaultMode": {0o440}', f'"defaultMode": {0o400}'
        objects = reworded(render("production"), old, new, kind="Deployment")

        settings(tmp_path, objects, "auth")

        (file,) = tmp_path.rglob("bus-url")
        assert file.stat().st_mode & 0o777 == 0o400

    def test_renamed_key(self, tmp_path: Path) -> None:
        """A key of fanfare.toml that no setting has."""
        objects = reworded(
            render("production"), "drain_timeout =", "drain_time =", kind="ConfigMap"
        )

        with pytest.raises(Misconfigured, match=r"server\.drain_time\b"):
            settings(tmp_path, objects, "gateway")


class TestSecrets:
    """The Secret `fanfare`."""

    @by_overlay
    def test_made(self, overlay: str) -> None:
        """deploy/k8s/secrets.sh makes each key that a pod is shown, and no other."""
        keys = {key for each in ours(render(overlay)) for key in shown(each)}

        assert keys == set(secret()) - OF_BACKENDS_INSIDE

    def test_example(self) -> None:
        """The example of an ExternalSecret has each of them."""
        path = DEPLOY / "overlays" / "production" / "external-secret.example.yaml"
        example = yaml.safe_load(path.read_text(encoding="utf-8"))

        assert example["spec"]["target"]["name"] == "fanfare"
        assert {each["secretKey"] for each in example["spec"]["data"]} == (
            set(secret()) - OF_BACKENDS_INSIDE
        )

    def test_documented(self) -> None:
        """The page lists each of them, and who is shown it."""
        page = (ROOT / "docs" / "deploy" / "kubernetes.md").read_text(encoding="utf-8")

        assert not [
            key for key in {*secret(), *KAFKA} - OF_BACKENDS_INSIDE if f"`{key}`" not in page
        ]

    def test_no_more_than_needed(self) -> None:
        """Auth alone is shown what signs, and what it believes in."""
        of = {each["metadata"]["name"]: {*shown(each)} for each in ours(render("production"))}

        assert {name for name, keys in of.items() if "token-keys.json" in keys} == {"auth"}
        assert {name for name, keys in of.items() if "issuers.json" in keys} == {"auth"}
        assert of["migrate"] == {"apps-url", "sightings-url"}
