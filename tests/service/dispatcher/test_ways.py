"""Publishes on the short way and on the long way: what is answered, logged and counted is the same."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from yarl import URL

from libs.common.apps.app import App
from libs.common.web.door.visitor import Visitor
from tests.support.clients.back_ends import signed
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import audited
from tests.support.services.dispatcher import APP, OFF, ServedDispatcher, served_dispatcher

UP = b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n"
EVENT: dict[str, Any] = {"name": "step", "channel": "news", "data": "1"}
LARGE = json.dumps(EVENT | {"data": "x" * 20_000})
BATCH = {"batch": [EVENT, EVENT | {"channel": "presence-a", "info": "user_count"}]}
PATHS = [
    "/apps/1/events",
    "/apps/1/batch_events",
    "/ws/apps/1/events",
    "/a/b/c/apps/1/batch_events",
    "//apps/1/events",
    "/./apps/1/events",
    "/../apps/1/events",
    "/%2e%2e/apps/1/events",
    "/%61pps/1/events",
    "/apps/%31/events",
    "/apps/../events",
    "/apps/./events",
    "/apps/2/apps/1/events",
    "/apps/apps/1/events",
    "/apps/1/apps/1/events",
    "/apps/1/events/",
    "/apps/1/./events",
    "/apps/1/event%73",
    "/apps/1;a/events",
    "/apps/1:a/events",
    "/apps/-/events",
    "/apps/~/events",
    "/apps/2/events",
    "/apps/none/events",
    "/apps/1/event",
    "/presence/apps/1/events",
    "/p%C3%A9/apps/1/events",
]
BODIES = [
    json.dumps(EVENT),
    json.dumps(BATCH),
    json.dumps(EVENT | {"channels": ["a", "b", "presence-c"], "info": "subscription_count"}),
    json.dumps(EVENT | {"channel": "presence-a", "info": "user_count,subscription_count"}),
    json.dumps(EVENT | {"info": "nothing"}),
    json.dumps(EVENT | {"channel": "bad channel"}),
    json.dumps(EVENT | {"channel": "é"}),
    json.dumps(EVENT | {"channels": [f"c{number}" for number in range(200)]}),
    json.dumps(EVENT | {"name": "x" * 300}),
    json.dumps(EVENT | {"data": {"a": 1}}),
    json.dumps(EVENT | {"socket_id": "1.1"}),
    json.dumps(EVENT | {"socket_id": "x"}),
    json.dumps(EVENT | {"user_id": 7}),
    json.dumps({"batch": []}),
    json.dumps({"batch": [EVENT] * 20}),
    json.dumps({"batch": [EVENT, {"name": 1}]}),
    "{}",
    "[]",
    "",
    "{",
    '"\ud83d',
    '{"name": "\x00"}',
    "[" * 5000,
    LARGE,
    json.dumps(EVENT | {"data": "x" * 300_000}),
    "x" * ((1 << 20) + 1),
]
QUERIES: list[dict[str, str | None]] = [
    {},
    {"auth_signature": "0" * 64},
    {"auth_signature": "é"},
    {"auth_signature": None},
    {"auth_key": "none"},
    {"auth_key": "off-key"},
    {"auth_key": None},
    {"auth_timestamp": "1"},
    {"auth_timestamp": "x"},
    {"auth_timestamp": None},
    {"auth_version": "2"},
    {"body_md5": "0" * 32},
    {"body_md5": None},
    {"extra": "a b&c=d"},
    {"info": "user_count"},
    {"é": "%"},
]
SUFFIXES = [
    "",
    "&auth_key=app-key",
    "&AUTH_KEY=x",
    "&",
    "&x",
    "&x=%ff",
    "&x=%",
    "&x=+",
    "?y=z",
    "#z",
]
HEADERS = [
    b"Content-Type: application/json",
    b"Content-Type: text/plain; charset=utf-16",
    b"X-Idempotency-Key: same",
    b"X-Idempotency-Key: " + b"x" * 300,
    b"X-Idempotency-Key: \xff\xfe",
    b"X-Forwarded-For: 1.2.3.4",
    b"X-Forwarded-For: \xff",
    b"X-Forwarded-Proto: https",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"traceparent: \xff",
    b"Content-Encoding: \xff",
    b"Content-Encoding: gzip",
    b"Authorization: Basic \xff",
    b"Accept-Encoding: gzip",
    b"User-Agent: \xc3\xa9",
    b"Accept: text/html",
    b"Cookie: a=b; c",
    b"X-Long: " + b"x" * 8000,
]


class Publish(NamedTuple):
    """A request, good or bad."""

    app: App
    path: str
    said: str
    body: bytes
    query: dict[str, str | None]
    suffix: str
    headers: tuple[bytes, ...]

    def wire(self) -> bytes:
        """Compose it."""
        query = signed(self.app, self.said, self.body, **self.query) + self.suffix
        target = f"{self.path}?{query}".encode()
        lines = b"".join(line + b"\r\n" for line in self.headers)
        size = b"Content-Length: %d\r\n" % len(self.body)
        return b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n%b" % (target, lines, size, self.body)


def publishes() -> Iterator[Publish]:
    """Make publishes with one thing that is odd, and then with several."""
    plain = Publish(APP, PATHS[0], PATHS[0], BODIES[0].encode(), {}, "", ())
    bodies = [body.encode("utf-8", "surrogatepass") for body in BODIES]
    yield from (plain._replace(path=path, said=path) for path in PATHS)
    yield from (plain._replace(body=body) for body in bodies)
    yield from (plain._replace(body=body, path=PATHS[1], said=PATHS[1]) for body in bodies)
    yield from (plain._replace(query=query) for query in QUERIES)
    yield from (plain._replace(suffix=suffix) for suffix in SUFFIXES)
    yield from (plain._replace(headers=(line,)) for line in HEADERS)
    yield plain._replace(app=OFF, path="/apps/2/events", said="/apps/2/events")
    dice = random.Random(16)  # noqa: S311 - the same ones in every run.
    for _ in range(400):
        path = dice.choice(PATHS[:4] + PATHS)
        yield Publish(
            dice.choice([APP, APP, APP, OFF]),
            path,
            dice.choice([path, unquote(path), PATHS[0]]),
            dice.choice(bodies[:-2]),
            dice.choice([{}, {}, dice.choice(QUERIES)]),
            dice.choice(["", "", dice.choice(SUFFIXES)]),
            tuple(dice.sample(HEADERS[:-1], dice.randint(0, 3))),
        )


class Told(NamedTuple):
    """What became of a request."""

    head: list[str]
    body: bytes
    lines: list[Any]
    audited: list[Any]


async def ask(here: ServedDispatcher, request: bytes, *, before: bytes = b"") -> Told:
    """Send a request on a connection of its own, after another."""
    url = URL(here.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    if before:
        writer.write(before)
        await _answer(reader)
    with capture_logs() as lines, audited() as audit:
        writer.write(request)
        head, body = await _answer(reader)
    writer.close()
    kept = [line for line in lines if line["event"] != "proxy.untrusted"]  # It is said once.
    return Told([each for each in head if not each.startswith("Date: ")], body, kept, audit)


async def _answer(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    async with asyncio.timeout(DEADLINE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        (size,) = [line.partition(": ")[2] for line in head if line.startswith("Content-Length")]
        return head, await reader.readexactly(int(size))


async def counted(here: ServedDispatcher) -> dict[str, float]:
    """Read how many answers were counted, by status, and what was posted."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{here.internal}/metrics") as response,
    ):
        families = text_string_to_metric_families(await response.text())
    return {
        f"{sample.name}{sample.labels}": sample.value
        for family in families
        for sample in family.samples
        if "http_request" in sample.name or "posted" in sample.name
        if not sample.name.endswith(("_sum", "_bucket"))
    }


@pytest.fixture(scope="module")
async def here() -> AsyncIterator[ServedDispatcher]:
    async with served_dispatcher() as here:
        yield here


async def test_alike(here: ServedDispatcher) -> None:
    """Both answer and log alike, to the byte and in order."""
    seen: set[str] = set()
    for publish in publishes():
        request = publish.wire()

        told = await ask(here, request)

        # Whoever has asked aiohttp something stays with it.
        assert told == await ask(here, request, before=UP), publish
        assert not [line for line in told.lines if line["log_level"] == "error"], publish
        seen.add(told.head[0].split(" ")[1])
    assert seen >= {"200", "400", "401", "403", "404", "409", "413", "415"}


async def test_counted_alike(here: ServedDispatcher) -> None:
    """Both count alike."""
    some = [each.wire() for each in publishes()][::7]
    counts = [await counted(here)]
    for before in (b"", UP):
        for request in some:
            await ask(here, request, before=before)
        counts.append(await counted(here))

    first, second, third = counts
    ups = {"fanfare_http_requests_total{'status': '200'}", "fanfare_http_request_seconds_count{}"}
    assert first != second
    assert {key: third[key] - second[key] - len(some) * (key in ups) for key in third} == {
        key: second[key] - first.get(key, 0) for key in second
    }


async def test_the_short_way(here: ServedDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared goes two ways: most publishes never see aiohttp."""
    handed_over: list[Visitor] = []
    hand_over = Visitor._hand_over

    def noted(visitor: Visitor) -> None:
        handed_over.append(visitor)
        hand_over(visitor)

    monkeypatch.setattr(Visitor, "_hand_over", noted)
    some = [each.wire() for each in publishes()][::7]
    for request in some:
        await ask(here, request)

    assert len(some) / 10 < len(handed_over) < len(some) / 2
