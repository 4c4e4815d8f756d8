"""What brings clients in: that each way has the paths of deploy/haproxy/haproxy.cfg, keeps sockets open and clients where they are."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from services.gateway.settings import GatewaySettings
from tests.support.balancers.paths import NOBODYS
from tests.support.deployments.haproxy import FILE
from tests.support.kubernetes import routes
from tests.support.kubernetes.kustomize import OVERLAYS, Objects, render
from tests.support.kubernetes.manifests import by_name, reworded
from tests.support.kubernetes.routes import (
    NotUnderstood,
    Request,
    Router,
    haproxy,
    haproxy_expressions,
    router,
    traefik_expressions,
    traefik_rules,
)

WAYS = ["gateway-api", "ingress-haproxy", "ingress-nginx", "ingress-traefik"]
TEXT = FILE.read_text(encoding="utf-8")
HAPROXY = haproxy(TEXT)
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


@pytest.mark.parametrize("path", [*NOBODYS, "/batch", "/users/7/end_connections"])
@pytest.mark.parametrize("route", [HAPROXY, of("ingress-traefik")], ids=["haproxy", "traefik"])
def test_nobodys(route: Router, path: str) -> None:
    """
    What belongs to no service goes to none, where whole paths can be told apart.
    """
    assert route(Request(path)) is None


def test_no_more() -> None:
    """
    HAProxy's file and the IngressRoute have the same expressions in the same order: what one alone has is noticed.
    """
    route = by_name(render("ingress-traefik"), "IngressRoute")["fanfare"]

    assert haproxy_expressions(TEXT) == traefik_expressions(route)
    assert re.findall(r"default_backend (\w+)", TEXT) == ["nobody"]


@pytest.mark.parametrize(
    "line",
    [
        "use_backend dispatcher if { path /batch }",
        "use_backend dispatcher if { path_reg ^/users/[^/]+/end_connections$ }",
        "use_backend presence if { path /presence }",
    ],
)
def test_added(line: str) -> None:
    route = by_name(render("ingress-traefik"), "IngressRoute")["fanfare"]
    default = "    default_backend"

    added = TEXT.replace(default, f"    {line}\n{default}", 1)

    assert haproxy_expressions(added) != traefik_expressions(route)


@pytest.mark.parametrize(
    "line",
    [
        "use_backend dispatcher unless { path /app }",
        "use_backend dispatcher",
        "use_backend dispatcher if batch",
        "use_backend dispatcher if { path /batch } { method POST }",
        "use_backend %[path,map(paths)] if { path / }",
    ],
)
def test_not_understood(line: str) -> None:
    """
    What is added in another way is refused, not passed over.
    """
    with pytest.raises(NotUnderstood):
        haproxy(line)
    with pytest.raises(NotUnderstood):
        haproxy_expressions(line)


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
    What is named is there, and no way lacks what it must have.
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


def parent(found: Any) -> Any:
    """Return the Gateway of the HTTPRoute."""
    (one,) = found["fanfare"]["spec"]["parentRefs"]
    return one


def annotations(found: Any, name: str = "fanfare") -> Any:
    """Return those of an Ingress."""
    return found[name]["metadata"]["annotations"]


def cookie(found: Any) -> Any:
    """Return the last cookie of the IngressRoute."""
    return found["fanfare"]["spec"]["routes"][-1]["services"][0]["sticky"]["cookie"]


MERGEABLE, REDIRECT = "nginx.org/mergeable-ingress-type", "haproxy.org/ssl-redirect"
# What is changed, of which kind in which overlay, and what is told.
BREACHES: dict[str, tuple[str, str, Callable[[Any], object], str]] = {
    "Gateway": (
        "gateway-api",
        "HTTPRoute",
        lambda found: parent(found).update(name="other"),
        "there is no Gateway other",
    ),
    "Service for a Gateway": (
        "gateway-api",
        "HTTPRoute",
        lambda found: parent(found).update(kind="Service"),
        "there is no Service fanfare",
    ),
    "listener": (
        "gateway-api",
        "HTTPRoute",
        lambda found: parent(found).update(sectionName="http"),
        "Gateway fanfare has no http",
    ),
    "no kind of Ingress": (
        "ingress-nginx",
        "Ingress",
        lambda found: annotations(found, "fanfare-gateway").pop(MERGEABLE),
        "Ingress fanfare-gateway: mergeable-ingress-type None",
    ),
    "unknown kind of Ingress": (
        "ingress-nginx",
        "Ingress",
        lambda found: annotations(found, "fanfare-gateway").update({MERGEABLE: "servant"}),
        "Ingress fanfare-gateway: mergeable-ingress-type servant",
    ),
    "two masters": (
        "ingress-nginx",
        "Ingress",
        lambda found: annotations(found, "fanfare-gateway").update({MERGEABLE: "master"}),
        "there are 2 masters",
    ),
    "no master": (
        "ingress-nginx",
        "Ingress",
        lambda found: annotations(found).update({MERGEABLE: "minion"}),
        "there are 0 masters",
    ),
    "class": (
        "ingress-nginx",
        "Ingress",
        lambda found: found["fanfare"]["spec"].update(ingressClassName="ngins"),
        "there is no class 'ngins'",
    ),
    "entry point": (
        "ingress-traefik",
        "IngressRoute",
        lambda found: found["fanfare"]["spec"].update(entryPoints=["web"]),
        "IngressRoute fanfare: entryPoints",
    ),
    "entry point beside": (
        "ingress-traefik",
        "IngressRoute",
        lambda found: found["fanfare"]["spec"]["entryPoints"].append("web"),
        "IngressRoute fanfare: entryPoints",
    ),
    "plain cookie": (
        "ingress-traefik",
        "IngressRoute",
        lambda found: cookie(found).update(secure=False),
        "IngressRoute fanfare: secure",
    ),
    "cookie for scripts": (
        "ingress-traefik",
        "IngressRoute",
        lambda found: cookie(found).pop("httpOnly"),
        "IngressRoute fanfare: httpOnly",
    ),
    "no TLS": (
        "ingress-haproxy",
        "Ingress",
        lambda found: annotations(found).update({REDIRECT: "false"}),
        "Ingress fanfare: ssl-redirect",
    ),
    "TLS by chance": (
        "ingress-haproxy",
        "Ingress",
        lambda found: annotations(found).pop(REDIRECT),
        "Ingress fanfare: ssl-redirect",
    ),
}


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

    @pytest.mark.parametrize("breach", BREACHES)
    def test_breach(self, breach: str) -> None:
        way, kind, change, told = BREACHES[breach]
        objects = deepcopy(list(render(way)))
        change(by_name(objects, kind))

        assert any(told in fault for fault in routes.faults(objects))

    def test_gateway_elsewhere(self) -> None:
        """
        Who has a Gateway already drops that of the component, and names the other.
        """
        objects = [one for one in render("gateway-api") if one["kind"] != "Gateway"]
        old, new = '"parentRefs": [{"name": "fanfare"', '"parentRefs": [{"name": "mine"'

        assert not [*routes.faults(reworded(objects, old, new, kind="HTTPRoute"))]

    def test_parentheses(self) -> None:
        """
        Without them Traefik would ask for the host in the first of several paths alone.
        """
        rule = "Host(`ws.example.org`) && {}Path(`/up`) || Path(`/events`){}"

        route = traefik_rules([(rule.format("(", ")"), 1, "gateway")])

        assert route(Request("/events")) == "gateway"
        with pytest.raises(NotUnderstood):
            traefik_rules([(rule.format("", ""), 1, "gateway")])
