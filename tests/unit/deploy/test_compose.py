"""docker-compose.yml: that Fanfare accepts what it says, that its parts fit each other, and that it is hardened."""

import json
import re
import time
from copy import deepcopy
from itertools import product
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.config.secret import Secret
from libs.common.policies.policies import Policies
from services.cli import COMMANDS, client, parser, token
from services.descriptors import SPARE_FILES
from services.dispatcher.service import compiled
from services.settings import DEVELOPMENT_SECRETS, SERVICES, Settings, check_services
from tests.support.deployments.composition import (
    FILE,
    IMAGE,
    Service,
    composition,
    references,
    secrets,
    settings_of,
    share_network,
)
from tests.support.deployments.program import ROOT
from tests.support.go.modules import find_schema
from tests.support.tokens.user_tokens import user_of

SECRETS = secrets()
# An .env without them works, as far as it goes.
OPTIONAL = {"GRAFANA_PASSWORD", "PUBLISH", "TOKEN_KEYS", "TOKEN_PUBLIC_KEYS"}
COMPOSITION = composition(SECRETS)
CONTAINERS: dict[str, Service] = COMPOSITION["services"]
OURS = sorted(name for name, container in CONTAINERS.items() if container["image"] == IMAGE)
BACKENDS = ("redis", "kafka", "postgres")
COMMANDERS = sorted({"roles", "migrate", "app", "cli"})  # They do something, and end.
LASTING = sorted(set(CONTAINERS) - set(COMMANDERS))
WATCHERS = ("collector", "grafana", "prometheus", "tempo")
MUTE = {"collector", "tempo"}  # Their images have no program that could ask for their health.
PORTS = {  # From the outside; HAProxy's and Grafana's from this machine only.
    "haproxy": ["127.0.0.1:6001:6001"],
    "haproxy-tls": ["443:6443", "80:6001"],
    "grafana": ["127.0.0.1:3000:3000"],
}
DOCUMENT = yaml.safe_load(FILE.read_text())  # As it stands there, with references.
SCHEMA = Draft202012Validator(json.loads(find_schema("compose-spec.json").read_text()))
BALANCER = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text()


def settings(name: str, containers: dict[str, Service] = CONTAINERS) -> Settings:
    """Load the settings of a container, as it does."""
    return settings_of(containers[name])


def seconds(text: str) -> float:
    return float(re.fullmatch(r"(\d+)s", text)[1])  # type: ignore[index]


class TestSettings:
    """Fanfare accepts them."""

    @pytest.mark.parametrize("name", OURS)
    def test_command(self, name: str) -> None:
        """The container's command is one of ours, with settings that it can work with."""
        arguments = parser().parse_args(CONTAINERS[name]["command"])

        loaded = settings(name)

        assert arguments.command in COMMANDS
        if arguments.command == "run":
            check_services(loaded, arguments.services)

    def test_all_services(self) -> None:
        """Every service runs, alone, and two gateways do."""
        run = [CONTAINERS[name]["command"][1:] for name in OURS if name not in COMMANDERS]

        assert sorted(run) == sorted([name] for name in SERVICES)
        assert CONTAINERS["gateway"]["scale"] == 2

    @pytest.mark.parametrize("name", SERVICES)
    def test_real_backends(self, name: str) -> None:
        """Nothing is kept in memory, and everything is reached over networks that are shared."""
        backends = settings(name).backends
        urls = [backends.bus, backends.roster, backends.control, backends.events, backends.apps]

        hosts = {urlsplit(url.reveal()).hostname for url in urls}

        assert hosts == set(BACKENDS)
        assert all(share_network(CONTAINERS, name, str(host)) for host in hosts)

    def test_rules(self) -> None:
        """Policies and routes compile for the first app."""
        loaded = settings("dispatcher")
        apps = [App(id="1", key="key", secrets=(Secret("secret"),))]

        assert Policies(loaded.channels)
        assert compiled(loaded.routes, MemoryApps(apps), loaded.dispatcher).topics == {
            "fanfare.events.1"
        }

    def test_users(self) -> None:
        """Auth believes the tokens that the command line makes, and lets their user into the channel it tests."""
        arguments = parser().parse_args(CONTAINERS["cli"]["command"])
        text = token.make(settings("cli"), arguments.user, ttl=60.0, claims={})
        auth = settings("auth")

        user = user_of(text, auth.auth.issuers, now=time.time())

        assert Policies(auth.channels).decide("1", arguments.channel, user).allowed

    def test_token_keys(self) -> None:
        """Auth alone can sign channel tokens; gateways and presence verify with the same key; nobody else knows of it."""
        (signing,) = settings("auth").tokens.keys
        (known,) = settings("gateway").tokens.keys

        assert signing.signs
        assert not known.signs
        assert (known.kid, known.public_key) == (signing.kid, signing.public_key)
        assert settings("presence").tokens == settings("gateway").tokens
        others = set(OURS) - {"auth", "gateway", "presence"}
        assert not any(settings(name).tokens.keys for name in others)

    def test_no_token_keys(self) -> None:
        """With an .env that is older than channel tokens auth and gateways start, and know no key."""
        older = {name: value for name, value in SECRETS.items() if not name.startswith("TOKEN_")}
        containers = composition(older)["services"]

        assert [settings(name, containers).tokens.keys for name in ("auth", "gateway")] == [(), ()]

    def test_where_the_command_line_looks(self) -> None:
        """It finds the app, and HAProxy."""
        loaded = settings("cli")

        assert client.app_of(loaded, None).key == SECRETS["APP_KEY"]
        assert client.public_url(loaded, None) == "http://haproxy:6001"
        assert share_network(CONTAINERS, "cli", "haproxy")

    def test_no_development_secrets(self) -> None:
        """What everybody knows is nowhere."""
        texts = [
            (ROOT / name).read_text()
            for name in ("docker-compose.yml", "deploy/compose.toml", "deploy/app.sql")
        ]

        assert not any(
            secret.reveal() in text for secret, text in product(DEVELOPMENT_SECRETS, texts)
        )


class TestSchema:
    """The Compose specification's own schema, which Compose itself goes by."""

    def test_valid(self) -> None:
        """The file is one of Compose's, by what it says of every service."""
        assert not [*SCHEMA.iter_errors(DOCUMENT)]

    @pytest.mark.parametrize(
        "right,wrong",
        [
            ("mem_limit", "memory_limit"),
            ("stop_grace_period", "stop_grace"),
            ("profiles", "profile"),
        ],
    )
    def test_misspelt(self, right: str, wrong: str) -> None:
        """A word that Compose does not know is found."""
        spoilt = deepcopy(DOCUMENT)
        container = spoilt["services"]["haproxy-tls"]
        container[wrong] = container.pop(right)

        (error,) = SCHEMA.iter_errors(spoilt)

        assert wrong in error.message


class TestVariables:
    """What the file refers to."""

    def test_made(self) -> None:
        """Every variable without a default is among the secrets that `make up` makes, and each of those is used."""
        needed = {reference.name for reference in references() if reference.default is None}

        assert needed == set(SECRETS) - OPTIONAL
        assert {reference.name for reference in references()} >= OPTIONAL

    def test_missing(self) -> None:
        """Compose refuses to start without any of them."""
        text = (ROOT / "docker-compose.yml").read_text()

        for name in set(SECRETS) - OPTIONAL:
            assert f"${{{name}:?" in text


class TestContainers:
    """Each of them."""

    @pytest.mark.parametrize("name", sorted(CONTAINERS))
    def test_hardened(self, name: str) -> None:
        """It runs as nobody special, may gain nothing, and writes only where it must."""
        container = CONTAINERS[name]

        assert str(container["user"]).partition(":")[0] not in {"", "0", "root"}
        assert container["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in container["security_opt"]
        assert container["read_only"] is (name != "kafka")
        assert "privileged" not in container

    @pytest.mark.parametrize("name", sorted(CONTAINERS))
    def test_bounded(self, name: str) -> None:
        """Its memory, its processes, its share of the machine and its log have bounds."""
        container = CONTAINERS[name]

        assert re.fullmatch(r"\d+[mg]", container["mem_limit"])
        assert 64 <= container["pids_limit"] <= 512
        assert 0 < container["cpus"] <= 1  # More than a machine has is refused by Docker.
        assert {"max-size", "max-file"} <= set(container["logging"]["options"])

    @pytest.mark.parametrize("name", sorted(CONTAINERS))
    def test_pinned(self, name: str) -> None:
        """Its image is built here, or of a version that is named."""
        container = CONTAINERS[name]

        if "build" in container:
            assert container["image"] == IMAGE
        else:
            assert re.fullmatch(r"[a-z/-]+:v?\d+(\.\d+)*(-alpine)?", container["image"])

    @pytest.mark.parametrize("name", LASTING)
    def test_lasting(self, name: str) -> None:
        """It is asked for its health, by itself or by our image, and started again when it ends."""
        container = CONTAINERS[name]

        assert container["restart"] == "unless-stopped"
        if container["image"] == IMAGE:
            assert "healthcheck" not in container
        elif name in MUTE:
            assert container["healthcheck"] == {"disable": True}
        else:
            assert container["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}

    @pytest.mark.parametrize("name", COMMANDERS)
    def test_commanders(self, name: str) -> None:
        """What ends by itself is not started again, and has no health."""
        container = CONTAINERS[name]

        assert container["restart"] == "no"
        assert container["healthcheck"] == {"disable": True}

    @pytest.mark.parametrize("name", sorted(CONTAINERS))
    def test_ports(self, name: str) -> None:
        """Nothing is reached from outside but HAProxy, and what profiles add."""
        assert CONTAINERS[name].get("ports", []) == PORTS.get(name, [])

    def test_profiles(self) -> None:
        """What is not asked for does not run, and nothing that runs needs it."""
        asked = {
            name: CONTAINERS[name]["profiles"]
            for name in CONTAINERS
            if "profiles" in CONTAINERS[name]
        }

        assert asked == {
            "cli": ["cli"],
            "haproxy-tls": ["tls"],
            **{name: ["observability"] for name in WATCHERS},
        }
        usual = set(CONTAINERS) - set(asked)
        assert not {
            need for name in usual for need in CONTAINERS[name].get("depends_on", {})
        } & set(asked)

    def test_networks(self) -> None:
        """Backends are in a network without a way out, where HAProxy is not."""
        assert COMPOSITION["networks"]["back"] == {"internal": True}
        assert CONTAINERS["migrate"]["networks"] == ["back"]
        assert all(CONTAINERS[name]["networks"] == ["back"] for name in BACKENDS)
        assert CONTAINERS["haproxy"]["networks"] == ["front"]
        assert CONTAINERS["haproxy-tls"]["networks"] == ["front"]
        assert CONTAINERS["grafana"]["networks"] == ["watch"]

    def test_order(self) -> None:
        """Services start when the tables and the first app are there; HAProxy when all of them are."""
        ready, done = (
            {"condition": "service_healthy"},
            {"condition": "service_completed_successfully"},
        )

        assert CONTAINERS["roles"]["depends_on"] == {"postgres": ready}
        assert CONTAINERS["migrate"]["depends_on"] == {"roles": done}
        assert CONTAINERS["app"]["depends_on"] == {"migrate": done}
        for name in SERVICES:
            assert CONTAINERS[name]["depends_on"] == {"redis": ready, "kafka": ready, "app": done}
        assert CONTAINERS["haproxy"]["depends_on"] == dict.fromkeys(SERVICES, ready)

    @pytest.mark.parametrize("name", SERVICES)
    def test_time_to_stop(self, name: str) -> None:
        """A service is killed only after the time that it gives itself."""
        server = settings(name).server

        grace = seconds(CONTAINERS[name]["stop_grace_period"])
        assert grace > server.lb_delay + server.drain_timeout

    def test_files(self) -> None:
        """A gateway may open as many files as its connections need."""
        allowed = CONTAINERS["gateway"]["ulimits"]["nofile"]

        assert allowed >= settings("gateway").gateway.max_connections + SPARE_FILES


class TestBalancer:
    """HAProxy's defaults are the names, ports and times of the others."""

    def test_services(self) -> None:
        """It looks for each service where that listens, and asks for its health there."""
        for name in SERVICES:
            server = settings(name).server
            (public,), (internal,) = server.listen, server.internal_listen
            assert default(name.upper()) == f"{name}:{public.port}"
            assert default("HEALTH_PORT") == str(internal.port)
            assert not public.is_loopback
            assert not internal.is_loopback
            assert share_network(CONTAINERS, "haproxy", name)

    def test_itself(self) -> None:
        """It listens where its port is published, and says how it is where Compose asks."""
        haproxy = CONTAINERS["haproxy"]

        assert haproxy["ports"][0].endswith(default("LISTEN"))
        assert haproxy["healthcheck"]["test"][-1] == f"http://{default('MONITOR')}/health/ready"

    def test_tls(self) -> None:
        """With a certificate it is the same program with the same file, which finds the certificate where it is mounted."""
        plain, secure = CONTAINERS["haproxy"], CONTAINERS["haproxy-tls"]
        differing = {"environment", "ports", "profiles", "volumes"}

        assert {name for name in secure if secure[name] != plain.get(name)} == differing
        assert secure["volumes"][0] == plain["volumes"][0]
        mount = secure["volumes"][1]
        added = dict(secure["environment"].items() - plain["environment"].items())
        assert added["CERTIFICATE"] == f"{mount['target']}/tls.crt"
        assert mount["read_only"] is True
        assert mount["bind"] == {"create_host_path": False}
        assert set(added) <= set(re.findall(r"\$\{?(\w+)", BALANCER))
        assert [port.split(":")[1] for port in secure["ports"]] == [
            default("LISTEN_TLS")[1:],
            default("LISTEN")[1:],
        ]

    def test_files(self) -> None:
        """It may open two files for each connection, and some more."""
        allowed = CONTAINERS["haproxy"]["ulimits"]["nofile"]

        assert allowed > 2 * int(default("MAX_CONNECTIONS")) + SPARE_FILES

    def test_notices_in_time(self) -> None:
        """Who stops accepts clients for longer than HAProxy takes to send it no more."""
        interval, fall = re.search(r"inter (\d+)s fall (\d+)", BALANCER).groups()  # type: ignore[union-attr]

        assert settings("gateway").server.lb_delay > int(interval) * int(fall)

    def test_silent_sockets(self) -> None:
        """It never ends a socket which the gateway would keep."""
        (hours,) = re.findall(r"timeout tunnel (\d+)h", BALANCER)
        gateway = settings("gateway").gateway

        assert int(hours) * 3600 > 2 * (gateway.activity_timeout + gateway.pong_timeout)

    def test_trusted(self) -> None:
        """The services believe what it says of clients, and nobody who is in no network with it."""
        for environ in (SECRETS, SECRETS | {"FRONT_SUBNET": "192.0.2.0/24"}):
            document = composition(environ)
            (front,) = document["networks"]["front"]["ipam"]["config"]
            for name in SERVICES:
                (network,) = settings(name, document["services"]).server.trusted_proxies
                assert str(network) == front["subnet"]
                assert network.prefixlen >= 24

    def test_limits(self) -> None:
        """What an address may have is told to it, and may be told otherwise."""
        usual, chosen = {"PER_ADDRESS": "1000", "RATE_PER_ADDRESS": "200"}, {"PER_ADDRESS": "5"}
        changed = composition(SECRETS | chosen)["services"]

        assert {name: default(name) for name in usual} == usual
        for name in ("haproxy", "haproxy-tls"):
            assert CONTAINERS[name]["environment"].items() >= usual.items()
            assert changed[name]["environment"].items() >= (usual | chosen).items()


def default(name: str) -> str:
    """Return what HAProxy takes where a variable is not set; the same wherever it stands."""
    (only,) = set(re.findall(r"\$\{%s-([^}]*)\}" % name, BALANCER))  # noqa: UP031 - braces abound.
    return str(only)
