"""What brings clients in: that each way has the paths of deploy/haproxy/haproxy.cfg, keeps sockets open and clients where they are."""

import json
import re
from copy import deepcopy

import pytest

from services.gateway.settings import GatewaySettings
from tests.support.deployments.haproxy import FILE
from tests.support.kubernetes import routes
from tests.support.kubernetes.kustomize import OVERLAYS, Objects, render
from tests.support.kubernetes.manifests import by_name
from tests.support.kubernetes.routes import (
    NotUnderstood,
    Request,
    Router,
    haproxy,
    router,
    traefik_rules,
)

WAYS = ["gateway-api", "ingress-haproxy", "ingress-nginx", "ingress-traefik"]
HAPROXY = haproxy(FILE.read_text(encoding="utf-8"))
by_way = pytest.mark.parametrize("way", WAYS)

# Requests as clients and back ends make them, each kind of docs/operations.md, "Behind proxies", and who gets them.
TABLE = {
    Request("/app/app-key", is_socket=True): "gateway",
    Request("/app/app-key"): "gateway",
    Request("/"): "gateway",
    Request("/up"): "gateway",
    Request("/health/websocket"): "gateway",
    Request("/presence/apps/1/users/7"): "presence",
    Request("/presence/apps/1/channels/presence-a/members"): "presence",
    Request("/apps/1/events"): "dispatcher",
    Request("/apps/1/channels/private-a"): "dispatcher",
    Request("/events"): "dispatcher",
    Request("/users/7/terminate_connections"): "dispatcher",
    Request("/broadcasting/auth"): "auth",
    Request("/broadcasting/user-auth"): "auth",
    Request("/pusher/auth"): "auth",
    Request("/pusher/user-auth"): "auth",
    Request("/api/broadcasting/auth"): "auth",
    Request("/api/pusher/user-auth"): "auth",
    Request("/auth/tokens"): "auth",
    Request("/.well-known/jwks.json"): "auth",
    Request("/metrics"): None,  # Nothing of the internal address.
    Request("/health/live"): None,
    Request("/health/ready"): None,
    Request("/nothing"): None,
}
PREFIXED = {
    Request("/realtime/app/app-key", is_socket=True): "gateway",
    Request("/realtime/apps/1/events"): "dispatcher",
    Request("/realtime/presence/apps/1/users/7"): "presence",
    Request("/apps/1/app/app-key", is_socket=True): "gateway",
}
# Ways that take any prefix; the others say that a path is to be added.
FOR_PREFIXES = {"ingress-traefik"}


def of(way: str) -> Router:
    """Read a way; there is one."""
    found = router(render(way))
    assert found is not None
    return found


def service(objects: Objects, request: Request) -> str | None:
    """Tell who gets a request, by rendered objects."""
    found = router(objects)
    assert found is not None
    return found(request)


def test_ways() -> None:
    """
    No overlay that brings clients in is left out.
    """
    assert [each for each in OVERLAYS if router(render(each)) is not None] == WAYS


@pytest.mark.parametrize("request_", [*TABLE, *PREFIXED], ids=str)
def test_haproxy(request_: Request) -> None:
    """
    HAProxy's file is what the table is held against: tests/ensemble runs it.
    """
    assert HAPROXY(request_) == (TABLE | PREFIXED)[request_]


@by_way
@pytest.mark.parametrize("request_", TABLE, ids=str)
def test_table(way: str, request_: Request) -> None:
    assert of(way)(request_) == TABLE[request_]


@pytest.mark.parametrize("way", sorted(FOR_PREFIXES))
@pytest.mark.parametrize("request_", PREFIXED, ids=str)
def test_prefixes(way: str, request_: Request) -> None:
    assert of(way)(request_) == PREFIXED[request_]


@by_way
def test_services(way: str) -> None:
    """
    What is routed to is there.
    """
    assert not [*routes.faults(render(way))]


@by_way
def test_tls(way: str) -> None:
    """
    Each way has TLS from the same Secret.
    """
    found = [
        one
        for kind in ("Gateway", "IngressRoute", "Ingress")
        for one in by_name(render(way), kind).values()
    ]

    assert "fanfare-tls" in str(found)


@by_way
def test_host(way: str) -> None:
    """
    The public name is that of the overlay everywhere, and what names it is not sent to the cluster.
    """
    objects = render(way)

    assert "the-host" not in str(objects)
    assert "public" not in by_name(objects, "ConfigMap")


def test_no_timeouts() -> None:
    """
    Gateway API's time-outs would end sockets that are well.
    """
    (route,) = by_name(render("gateway-api"), "HTTPRoute").values()

    assert not [rule for rule in route["spec"]["rules"] if "timeouts" in rule]
    assert "sessionPersistence" not in str(route)


def test_patience() -> None:
    """
    NGINX waits for longer than gateways let a silent client be.
    """
    annotations = by_name(render("ingress-nginx"), "Ingress")["fanfare-gateway"]["metadata"][
        "annotations"
    ]
    silent = GatewaySettings().activity_timeout + GatewaySettings().pong_timeout

    for name in ("read", "send"):
        hours = re.fullmatch(r"(\d+)h", annotations[f"nginx.org/proxy-{name}-timeout"])
        assert hours is not None
        assert int(hours[1]) * 3600 > silent


def test_sticky() -> None:
    """
    Clients are kept at a gateway: by a cookie, or by a consistent hash.
    """
    traefik = by_name(render("ingress-traefik"), "IngressRoute")["fanfare"]["spec"]["routes"]
    kept = [each for one in traefik for each in one["services"] if "sticky" in each]
    nginx = by_name(render("ingress-nginx"), "Ingress")["fanfare-gateway"]["metadata"][
        "annotations"
    ]

    assert {each["name"] for each in kept} == {"gateway"}
    assert len(kept) == 2
    assert (
        "haproxy.org/cookie-persistence"
        in by_name(render("ingress-haproxy"), "Service")["gateway"]["metadata"]["annotations"]
    )
    assert nginx["nginx.org/lb-method"].endswith(" consistent")
    assert nginx["nginx.org/websocket-services"] == "gateway"


class TestRenamed:
    """The tests of these tests: what is renamed is missed."""

    @by_way
    def test_service(self, way: str) -> None:
        objects = deepcopy(list(render(way)))
        by_name(objects, "Service")["auth"]["metadata"]["name"] = "authority"

        assert "there is no Service auth" in [*routes.faults(objects)]

    @by_way
    def test_port(self, way: str) -> None:
        objects = deepcopy(list(render(way)))
        by_name(objects, "Service")["auth"]["spec"]["ports"] = [{"name": "web", "port": 80}]

        assert any("Service auth has no port" in fault for fault in routes.faults(objects))

    @by_way
    def test_path(self, way: str) -> None:
        objects = json.loads(json.dumps(render(way)).replace("/broadcasting", "/broadcast"))

        assert service(objects, Request("/broadcasting/auth")) != "auth"

    def test_parentheses(self) -> None:
        """
        Without them Traefik would ask for the host in the first of several paths alone.
        """
        rule = "Host(`ws.example.org`) && {}Path(`/up`) || Path(`/events`){}"

        route = traefik_rules([(rule.format("(", ")"), 1, "gateway")])

        assert route(Request("/events")) == "gateway"
        with pytest.raises(NotUnderstood):
            traefik_rules([(rule.format("", ""), 1, "gateway")])
