"""
Text that is no text, wherever a stranger, a user or a back end may put it: it is answered, and no error of ours.

Bytes that are not UTF-8, halves of surrogate pairs, NUL, ends of lines, numbers that no float holds, depths.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

from libs.common.apps.signatures import channel_text, user_text
from libs.common.apps.signatures import token as app_token
from tests.support.clients import pusher
from tests.support.clients.attackers import caller
from tests.support.clients.back_ends import basic, signed
from tests.support.clients.raw_client import PING, PONG, RawClient
from tests.support.deployments.fleet import APP
from tests.support.deployments.siege import PATH, Siege, besieged
from tests.support.tokens.user_tokens import SECRET, token

RULES = f"""
[[channels]]
app = "1"
pattern = "private-team.{{team}}"
allow = "user.id == team"

[[typing]]
app = "1"
pattern = "private-team.{{team}}"

[auth]
cookie = "session"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "{SECRET}"
"""
BYTES = [b"\xff\xfe", b"\xed\xa0\x80", "é😀".encode(), b"x" * 4000, b"9" * 400, b"\t", b""]
HEADERS = [
    "Host",
    "Origin",
    "Referer",
    "Cookie",
    "Authorization",
    "User-Agent",
    "Content-Type",
    "Content-Encoding",
    "Accept",
    "traceparent",
    "tracestate",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Requested-With",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Key",
    "If-None-Match",
    "Range",
    "TE",
    "Expect",
    "Idempotency-Key",
    "ce-id",
    "ce-type",
    "ce-source",
    "ce-subject",
    "ce-time",
]
VALUES = [
    *(r'"\u0000"', r'"\ud800"', r'"a\r\nX: y"', r'"\u001b[31m"', '"' + "x" * 3000 + '"', '""'),
    *("1e400", "1e308", "-1", "1" * 40, "NaN", "null", "true", "[]", "{}", r'["\ud800"]'),
    *("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, r'{"\ud800": "\u0000"}'),
    *('"9999-12-31T23:59:60Z"', '"0001-01-01T00:00:00+05:00"', '"text/plain; charset=foo"'),
]
BODIES = {
    "/broadcasting/auth": ["socket_id", "channel_name", "channels"],
    "/broadcasting/user-auth": ["socket_id"],
    "/auth/tokens": ["user", "channels", "ttl", "user_info", "claims"],
    "/auth/validate": ["token"],
    "/auth/revoke": ["token", "jti", "user"],
    "/auth/memberships": ["user", "group", "memberships"],
    "/events": ["id", "source", "type", "subject", "time", "data", "datacontenttype", "x"],
    "/apps/1/events": ["name", "channels", "channel", "data", "socket_id", "info"],
    "/apps/1/batch_events": ["batch"],
    "/presence/apps/1/users": ["users"],
    "/presence/apps/1/channels/private-team.7/typing": ["user_id", "typing"],
    "/presence/apps/1/channels/private-team.7/read": ["user_id", "upto"],
}
GOOD = {
    "name": '"e"',
    "data": '"x"',
    "channels": '["news"]',
    "socket_id": '"1.2"',
    "specversion": '"1.0"',
    "id": '"1"',
    "source": '"/a"',
    "type": '"t"',
    "user": '"7"',
    "group": '"a:b"',
    "user_id": '"7"',
    "channel_name": '"private-team.7"',
}
EXACT: dict[str, dict[str, str]] = {  # Whose bodies take nothing else.
    "/auth/revoke": {},
    "/auth/memberships": {"user": '"7"', "group": '"a:b"'},
    "/auth/tokens": {"user": '"7"', "channels": '["news"]'},
}
PATHS = [
    *("/", "/up", "/nothing", "/app/app-key?protocol=7", "/pusher/auth?callback=a&socket_id=1.2"),
    *("/broadcasting/auth", "/apps/1/channels", "/apps/1/channels/news", "/.well-known/jwks.json"),
    *("/presence/apps/1/channels/presence-room/members", "/pusher/user-auth?callback=a"),
]
PARTS = 4  # Clients who share what is said.
BEARER = b"Bearer " + token().encode()
BASIC = basic(APP.key, APP.secrets[0].reveal()).encode()


def composed(method: str, target: bytes, headers: dict[str, bytes], body: bytes = b"") -> bytes:
    """Compose a request, with a host and a length unless it says otherwise."""
    told = {"Host": b"a", "Content-Length": b"%d" % len(body)} | headers
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in told.items())
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n" + body


def with_headers() -> Iterator[bytes]:
    """Each header with each of the bytes, for whom it may concern."""
    for path in PATHS:
        methods = ("GET", "OPTIONS") if "auth" in path or "presence" in path else ("GET",)
        for header in HEADERS:
            for value in BYTES[:2]:
                for method in methods:
                    known = {"Authorization": BEARER, header: value}
                    yield composed(method, path.encode(), known)
                yield composed("GET", path.encode(), {"Cookie": b"session=a.b.c", header: value})


def with_paths() -> Iterator[bytes]:
    """Each of the bytes as a part of a path, and of a query."""
    for path in PATHS:
        plain, _, query = path.partition("?")
        for value in (*BYTES, b"\x00", b"\r\nX: y", b"../..", b"%"):
            spelled = quote_from_bytes(value, safe="")
            for target in (
                f"/{spelled}{path}",
                f"{plain}/{spelled}?{query}",
                f"{plain}?{query}&{spelled}={spelled}",
                *(f"{path}?{query}&{name}={spelled}" for name in ("app_key", "limit", "token")),
            ):
                yield composed("GET", target.encode(), {"Authorization": BEARER})


def with_bodies() -> Iterator[bytes]:
    """Each field with each of the values, of whoever may say so."""
    for path, names in BODIES.items():
        for name in names:
            for value in VALUES:
                fields = EXACT.get(path, GOOD) | {name: value}
                body = ("{" + ",".join(f'"{n}": {v}' for n, v in fields.items()) + "}").encode()
                yield said_by_one_who_may(path, body)
        for body in (b"", b"{", b"\xff\xfe{", b'"\\ud800"', b"[" * 50_000, b"a=%ff&b=%zz", b"\x00"):
            yield said_by_one_who_may(path, body)


def said_by_one_who_may(path: str, body: bytes) -> bytes:
    """Compose a request of a back end, or of a user."""
    method = "PUT" if path == "/auth/memberships" else "POST"
    media = b"application/cloudevents+json" if path == "/events" else b"application/json"
    headers = {"Content-Type": media}
    if path.startswith(("/apps", "/presence")):
        return composed(method, f"{path}?{signed(APP, path, body)}".encode(), headers, body)
    headers["Authorization"] = BEARER if path.startswith("/broadcasting") else BASIC
    return composed(method, path.encode(), headers, body)


async def answered(port: int, requests: Sequence[bytes]) -> None:
    """Send requests one after the other, on as many connections as it takes; none is a fault of ours."""
    left = list(requests)
    while left:
        client = await caller(port)
        await client.write(b"".join(left[:50]) + composed("GET", b"/up", {"Connection": b"close"}))
        answers = await client.rest()
        client.close()
        heads = [part for part in answers.split(b"HTTP/1.1 ")[1:] if not part.startswith(b"100")]
        assert heads
        assert [head for head in heads if head.startswith((b"500", b"503"))] == []
        del left[: min(50, len(heads))]


@asynccontextmanager
async def asked_of_all(directory: Path, redis: str) -> AsyncIterator[Siege]:
    """Run all services, with users and their channels."""
    async with besieged(
        directory,
        rules=RULES,
        redis=redis,
        FANFARE_AUTH_REQUESTS_PER_ADDRESS="0",
        FANFARE_AUTH_REQUESTS_PER_USER="0",
        FANFARE_SERVER_TRUSTED_PROXIES="127.0.0.1/32",
        FANFARE_GATEWAY_FRAMES="0",
    ) as siege:
        yield siege


class TestRequests:
    """Requests of anybody."""

    async def test_answered(self, tmp_path: Path, redis_url: str) -> None:
        """
        In each header that somebody reads, in paths, in queries, and in each field of what is posted.
        """
        async with asked_of_all(tmp_path, redis_url) as siege:
            for requests in (with_headers(), with_paths(), with_bodies()):
                await answered(siege.program.port, list(requests))
                await siege.ping()


def frames(socket_id: str) -> Iterator[bytes]:
    """Each field with each of the values, and such as users whom a back end has signed."""
    events = ["pusher:subscribe", "pusher:signin", "client-typing"]
    for event in events:
        for value in VALUES:
            for name in ("channel", "auth", "channel_data", "user_data"):
                known = {"channel": '"private-team.7"', "auth": '"app-key:x"', name: value}
                data = "{" + ",".join(f'"{n}": {v}' for n, v in known.items()) + "}"
                yield f'{{"event": "{event}", "data": {data}}}'.encode()
            yield f'{{"event": "{event}", "channel": {value}, "data": {value}}}'.encode()
    for value in VALUES:
        yield f'{{"event": {value}, "data": {{}}}}'.encode()
        member = f'{{"user_id": {value}, "user_info": {value}}}'
        auth = app_token(APP, channel_text(socket_id, "presence-odd", member))
        yield pusher.subscribe("presence-odd", auth=auth, channel_data=member)
        yield pusher.unsubscribe("presence-odd")
        user = f'{{"id": {value}, "user_info": {value}, "watchlist": [{value}]}}'
        told = {"auth": app_token(APP, user_text(socket_id, user)), "user_data": user}
        yield json.dumps({"event": "pusher:signin", "data": told}).encode()


class TestFrames:
    """Messages of a client."""

    async def test_fields(self, tmp_path: Path, redis_url: str) -> None:
        """
        In each field of what is said, signed and not: each connection goes on, or is told why not.
        """
        async with asked_of_all(tmp_path, redis_url) as siege:
            await asyncio.gather(*(say(siege.program.port, part) for part in range(PARTS)))
            await siege.ping()


async def say(port: int, part: int) -> None:
    """Say a part of all that."""
    client = await RawClient.connect(port, PATH)
    try:
        greeting = pusher.read((await client.frame()).payload)
        said = list(frames(greeting["data"]["socket_id"]))[part::PARTS]
        for first in range(0, len(said), 20):
            for each in said[first : first + 20]:
                await client.send(each)
            await client.send(b"", PING)
            while (await client.frame()).opcode != PONG:
                pass
    finally:
        client.close()
