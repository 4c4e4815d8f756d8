"""deploy/traefik, as far as that can be judged without Traefik, which Debian has not: what goes where."""

import pytest
import yaml

from tests.support.balancers.balancer import PLACES
from tests.support.balancers.paths import NOBODYS, PUBLIC
from tests.support.deployments.program import ROOT
from tests.support.kubernetes.routes import Request, traefik_rules

DIRECTORY = ROOT / "deploy" / "traefik"
STATIC = yaml.safe_load((DIRECTORY / "traefik.yml").read_text())
DYNAMIC = yaml.safe_load((DIRECTORY / "dynamic.yml").read_text())
HTTP = DYNAMIC["http"]


ROUTE = traefik_rules(
    (each["rule"], each["priority"], each["service"]) for each in HTTP["routers"].values()
)


@pytest.mark.parametrize("prefix", ["", "/realtime"])
@pytest.mark.parametrize("path,service", PUBLIC)
def test_public(path: str, service: str, prefix: str) -> None:
    """Each path has its service, also below the prefix that is taken off."""
    assert ROUTE(Request(prefix + path.partition("?")[0])) == f"fanfare-{service}"


@pytest.mark.parametrize("path", NOBODYS)
def test_nobodys(path: str) -> None:
    """What belongs to no service has no router."""
    assert ROUTE(Request(path)) is None


@pytest.mark.parametrize("path", [*NOBODYS, *(path for path, _ in PUBLIC)])
def test_sockets(path: str) -> None:
    """Sockets come before all else, whatever their path is."""
    assert ROUTE(Request(path, is_socket=True)) == "fanfare-gateway"


def test_names() -> None:
    """All that is named is there: services, middlewares, entry points and transports; each router speaks TLS."""
    for each in HTTP["routers"].values():
        assert each["service"] in HTTP["services"]
        assert set(each["middlewares"]) <= set(HTTP["middlewares"])
        assert "tls" in each
    balancers = [each["loadBalancer"] for each in HTTP["services"].values()]
    assert {each["serversTransport"] for each in balancers} == set(HTTP["serversTransports"])
    redirect = STATIC["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]["to"]
    assert redirect in STATIC["entryPoints"]
    urls = [server["url"] for each in balancers for server in each["servers"]]
    assert urls == [f"http://{place}" for place in PLACES]


def test_nobody_is_believed() -> None:
    """No entry point takes the word of strangers about where a client is."""
    for each in STATIC["entryPoints"].values():
        assert "forwardedHeaders" not in each
