"""
Which service gets a request: as HAProxy's file has it, and as Gateway API, Traefik and Ingress have it.

Pure.  Each is read as far as deploy/ uses it; what is written in another way is refused, not guessed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, starmap
from operator import itemgetter
from typing import Any

from tests.support.kubernetes.kustomize import Object, Objects
from tests.support.kubernetes.manifests import by_name, name_of


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request at the public address.

    Attributes:
        path: Without the query.
        is_socket: Whether it asks for a WebSocket.
    """

    path: str
    is_socket: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Those by which anything is routed."""
        return {"Upgrade": "websocket"} if self.is_socket else {}


Router = Callable[[Request], str | None]


class NotUnderstood(Exception):
    """A rule is written in a way that is not read here."""


def haproxy(text: str) -> Router:
    """Read the ``use_backend`` lines of HAProxy's file; the first that fits counts."""
    lines = [(service, [*starmap(_condition, any_of)]) for service, any_of in _lines(text)]

    def route(request: Request) -> str | None:
        return next(
            (service for service, any_of in lines if any(one(request) for one in any_of)), None
        )

    return route


def haproxy_expressions(text: str) -> list[tuple[str, set[str]]]:
    """Read the same lines, those of a service together: by which expressions it is found, as Traefik writes these."""
    return [
        (name, {one for _, any_of in lines for condition in any_of for one in _written(*condition)})
        for name, lines in groupby(_lines(text), key=itemgetter(0))
    ]


def _lines(text: str) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Yield each service, and its conditions: their kinds and words."""
    for line in map(str.strip, text.splitlines()):
        if line.startswith(("use_backend", "use-server")):
            found = re.fullmatch(r"use_backend (\w+) if (.*)", line)
            if found is None:
                raise NotUnderstood(line)
            yield found[1], [*_conditions(found[2])]


def _conditions(text: str) -> Iterator[tuple[str, list[str]]]:
    for part in text.split("||"):
        found = re.fullmatch(r"\{ (\S+) ([^{}]+) \}", part.strip())
        if found is None:
            raise NotUnderstood(part)
        yield found[1], found[2].split()


def _written(kind: str, words: Sequence[str]) -> Iterator[str]:
    match kind:
        case "path":
            yield from (f"Path(`{word}`)" for word in words)
        case "path_beg":
            yield from (f"PathPrefix(`{word}`)" for word in words)
        case "path_reg":
            yield from (f"PathRegexp(`{word}`)" for word in words)
        case "hdr(Upgrade)" if words == ["-i", "websocket"]:
            yield "HeaderRegexp(`Upgrade`, `(?i)^websocket$`)"
        case _:
            raise NotUnderstood(kind)


def _condition(kind: str, words: Sequence[str]) -> Callable[[Request], bool]:
    match kind:
        case "path":
            return lambda request: request.path in words
        case "path_beg":
            return lambda request: request.path.startswith(words[0])
        case "path_reg":
            return lambda request: re.search(words[0], request.path) is not None
        case "hdr(Upgrade)" if words == ["-i", "websocket"]:
            return lambda request: request.is_socket
    raise NotUnderstood(kind)


def router(objects: Objects) -> Router | None:
    """Read what brings clients in, of rendered objects; None: nothing does."""
    if found := by_name(objects, "HTTPRoute"):
        return gateway_api(found["fanfare"])
    if found := by_name(objects, "IngressRoute"):
        return traefik(found["fanfare"])
    if found := by_name(objects, "Ingress"):
        return ingress([*found.values()])
    return None


def gateway_api(route: Object) -> Router:
    """Read an HTTPRoute: exact paths come before prefixes, longer ones and those with more headers first."""
    matches = [
        (match, rule["backendRefs"][0]["name"])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    ]

    def find(request: Request) -> str | None:
        fitting = [(match, name) for match, name in matches if _fits(match, request)]
        return max(fitting, key=lambda each: _precedence(each[0]))[1] if fitting else None

    return find


def _fits(match: Mapping[str, Any], request: Request) -> bool:
    kind, value = match["path"]["type"], match["path"]["value"]
    headers = {each["name"]: each["value"] for each in match.get("headers", [])}
    if not headers.items() <= request.headers.items():
        return False
    return _is_at(kind, value, request.path)


def _is_at(kind: str, value: str, path: str) -> bool:
    match kind:
        case "Exact":
            return path == value
        case "PathPrefix" | "Prefix":  # Of whole parts of a path.
            return f"{path}/".startswith(f"{value.rstrip('/')}/")
    raise NotUnderstood(kind)


def _precedence(match: Mapping[str, Any]) -> tuple[bool, int, int]:
    path = match["path"]
    return path["type"] == "Exact", len(path["value"]), len(match.get("headers", []))


_HOST = r"Host\(`[^`]+`\) && "
_ONE = r"(?:[^&|`]|`[^`]*`)*"  # Of several behind a host, without parentheses, the first alone has the host.
_RULE = re.compile(rf"^(?:{_HOST}(?:\((?P<any>.*)\)|(?P<one>{_ONE}))|(?P<hostless>(?!Host).*))$")
_CALL = re.compile(r"^(\w+)\((`[^`]*`(?:, `[^`]*`)*)\)$")


def traefik(route: Object) -> Router:
    """Read an IngressRoute."""
    routes = route["spec"]["routes"]
    return traefik_rules(
        (each["match"], each["priority"], each["services"][0]["name"]) for each in routes
    )


def traefik_expressions(route: Object) -> list[tuple[str, set[str]]]:
    """Return each service of an IngressRoute, and by which expressions, in the order in which they count."""
    order = sorted(route["spec"]["routes"], key=lambda each: -each["priority"])
    return [(each["services"][0]["name"], {*_parts(each["match"])}) for each in order]


def traefik_rules(rules: Iterable[tuple[str, int, str]]) -> Router:
    """Read rules of Traefik, with their priorities and services: the highest priority that fits counts."""
    order = sorted(rules, key=lambda each: -each[1])
    read = [([*_calls(match)], service) for match, _, service in order]

    def find(request: Request) -> str | None:
        return next((name for any_of, name in read if any(one(request) for one in any_of)), None)

    return find


def _parts(text: str) -> Sequence[str]:
    """Return the calls of a rule, any of which will do, without the host."""
    found = _RULE.match(text)
    if found is None:
        raise NotUnderstood(text)
    return str(found["any"] or found["one"] or found["hostless"]).split(" || ")


def _calls(text: str) -> Iterator[Callable[[Request], bool]]:
    for part in _parts(text):
        call = _CALL.match(part)
        if call is None:
            raise NotUnderstood(part)
        yield _call(call[1], [each.strip("`") for each in call[2].split(", ")])


def _call(name: str, words: Sequence[str]) -> Callable[[Request], bool]:
    match name:
        case "Path":
            return lambda request: request.path == words[0]
        case "PathPrefix":
            return lambda request: request.path.startswith(words[0])
        case "PathRegexp":
            return lambda request: re.search(words[0], request.path) is not None
        case "HeaderRegexp":
            return lambda request: bool(re.search(words[1], request.headers.get(words[0], "")))
    raise NotUnderstood(name)


def ingress(found: Objects) -> Router:
    """Read Ingresses of one host: exact paths come before prefixes, and longer ones first."""
    paths = [
        path
        for one in found
        for rule in one["spec"]["rules"]
        for path in rule.get("http", {}).get("paths", [])
    ]
    order = sorted(paths, key=lambda each: (each["pathType"] != "Exact", -len(each["path"])))

    def find(request: Request) -> str | None:
        return next(
            (
                str(each["backend"]["service"]["name"])
                for each in order
                if _is_at(each["pathType"], each["path"], request.path)
            ),
            None,
        )

    return find


def targets(objects: Objects) -> Iterator[tuple[str, str | int]]:
    """Yield the Services and their ports, by name or number, to which anything routes."""
    for route in by_name(objects, "HTTPRoute").values():
        for rule in route["spec"]["rules"]:
            yield from ((each["name"], each["port"]) for each in rule["backendRefs"])
    for route in by_name(objects, "IngressRoute").values():
        for rule in route["spec"]["routes"]:
            yield from ((each["name"], each["port"]) for each in rule["services"])
    for one in by_name(objects, "Ingress").values():
        for rule in one["spec"]["rules"]:
            for path in rule.get("http", {}).get("paths", []):
                service = path["backend"]["service"]
                yield service["name"], next(iter(service["port"].values()))


def faults(objects: Objects) -> Iterator[str]:
    """Say what is named and not there, and what a way has not that it must have."""
    yield from _of_targets(objects)
    yield from _of_parents(objects)
    yield from _of_traefik(objects)
    yield from _of_ingress(objects)


def _of_targets(objects: Objects) -> Iterator[str]:
    """Services and ports are there, to which anything routes."""
    services = by_name(objects, "Service")
    for name, port in targets(objects):
        there = services[name]["spec"]["ports"] if name in services else []
        if name not in services:
            yield f"there is no Service {name}"
        elif not any(port in {each["name"], each["port"]} for each in there):
            yield f"Service {name} has no port {port}"


def _of_parents(objects: Objects) -> Iterator[str]:
    """Routes belong to the Gateway that is beside them; a user's own is elsewhere."""
    gateways = by_name(objects, "Gateway")
    for route in by_name(objects, "HTTPRoute").values():
        for parent in route["spec"]["parentRefs"] if gateways else []:
            place = parent.get("kind", "Gateway"), parent["name"]
            if place[0] != "Gateway" or place[1] not in gateways:
                yield f"{name_of(route)}: there is no {' '.join(place)}"
                continue
            listeners = gateways[place[1]]["spec"]["listeners"]
            section = parent.get("sectionName")
            if section not in {None, *(each["name"] for each in listeners)}:
                yield f"{name_of(route)}: {' '.join(place)} has no {section}"


def _of_traefik(objects: Objects) -> Iterator[str]:
    """Clients come by TLS alone, and no script and no plain request sees the cookie."""
    for route in by_name(objects, "IngressRoute").values():
        if route["spec"].get("entryPoints") != ["websecure"]:
            yield f"{name_of(route)}: entryPoints"
        services = [service for rule in route["spec"]["routes"] for service in rule["services"]]
        for cookie in (each["sticky"].get("cookie", {}) for each in services if "sticky" in each):
            for field in ("secure", "httpOnly"):
                if cookie.get(field) is not True:
                    yield f"{name_of(route)}: {field}"


def _of_ingress(objects: Objects) -> Iterator[str]:
    """Each controller finds the annotations without which it would not do what is meant."""
    by_class: dict[str, list[Object]] = {}
    for one in by_name(objects, "Ingress").values():
        by_class.setdefault(one["spec"].get("ingressClassName", ""), []).append(one)
    for name, few in by_class.items():
        match name:
            case "haproxy":
                yield from _of_haproxy(few)
            case "nginx":
                yield from _of_nginx(few)
            case _:
                yield f"there is no class {name!r} of Ingresses"


def _of_haproxy(found: Objects) -> Iterator[str]:
    """Who comes without TLS is sent to where it is."""
    for one in found:
        if _annotations(one).get("haproxy.org/ssl-redirect") != "true":
            yield f"{name_of(one)}: ssl-redirect"


def _of_nginx(found: Objects) -> Iterator[str]:
    """Of a host's Ingresses one has the host, and the others the paths: F5's controller takes no two without."""
    kinds = {
        name_of(one): _annotations(one).get("nginx.org/mergeable-ingress-type") for one in found
    }
    for name, kind in kinds.items():
        if kind not in {"master", "minion"}:
            yield f"{name}: mergeable-ingress-type {kind}"
    if (masters := [*kinds.values()].count("master")) != 1:
        yield f"there are {masters} masters of Ingresses"


def _annotations(found: Object) -> Mapping[str, str]:
    annotations: Mapping[str, str] = found["metadata"].get("annotations", {})
    return annotations
