"""
Who writes into the log of others: whatever strangers do, and however often, a line of each kind is written.

The others are counted: what the lines and their ``more`` tell together is what was done.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from tests.support.clients import pusher
from tests.support.clients.attackers import attackers, caller
from tests.support.clients.back_ends import basic, signed
from tests.support.clients.raw_client import CLOSE, PING, PONG, REQUEST, RawClient, masked
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.siege import PATH, Siege, besieged
from tests.support.tokens.user_tokens import SECRET, token

TIMES = 60  # That each is done.
CLIENTS, ROUNDS = 10, 20  # Who say what is refused, and how often each does.
SERIES = 40  # Samples of one metric.
LINES = 100  # That the log may have of all that, and of the start and the end.
BYTES = 32 * 1024
LONG = "x" * 6000  # A name.

RULES = f"""
[[apps]]
id = "2"
key = "closed"
secrets = ["closed-secret"]
allowed_origins = ["https://example.com"]

[[channels]]
app = "1"
pattern = "private-team.{{team}}"
allow = "user.id == team"

[auth]
cookie = "session"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "{SECRET}"

[log]
audit = "log"
"""
GUARDED = "/broadcasting/auth"
QUESTION = b"socket_id=1.2&channel_name=private-team.8"
BEARER = f"Authorization: Bearer {token()}"


def posted(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    """Compose a request."""
    told = "".join(f"{each}\r\n" for each in (*headers, f"Content-Length: {len(body)}"))
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{told}\r\n".encode("latin-1") + body


def got(path: str, *headers: str) -> bytes:
    """Compose a GET."""
    return posted(path, b"", *headers, method="GET")


REFUSED = {
    "request.refused": [
        got(f"/{LONG}"),
        got("/nothing?" + LONG),
        got(f"/app/{APP.key}", f"User-Agent: {LONG}"),
        posted("/up"),
        posted(f"/{LONG}", b"{}"),
        posted("/apps/1/events", b"{}"),
        posted("/apps/1/events?auth_key=" + LONG, b"{}"),
        posted("/apps/nobody/events?" + signed(APP, "/apps/nobody/events", b"{}"), b"{}"),
        posted("/apps/1/events?" + signed(APP, "/apps/1/events", b"{}"), b"[]"),
        posted("/apps/1/events?" + signed(APP, "/apps/1/events", b"{"), b"{"),
        posted("/events", b"{}"),
        posted("/events", b"{}", f"Authorization: {basic(APP.key, 'wrong')}"),
        posted("/presence/apps/1/users", b"{}", "Authorization: Basic ="),
        got("/presence/apps/1/channels/presence-room/members", "Authorization: Bearer a.b.c"),
        got("/%2e%2e/apps/1/channels"),
        got("/apps/1/channels", "X-Forwarded-For: " + LONG),
    ],
    "auth.refused": [
        posted(GUARDED, QUESTION),
        posted(GUARDED, QUESTION, "Authorization: Bearer a.b.c"),
        posted(GUARDED, QUESTION, f"Authorization: Bearer {token(iss=LONG[:4000])}"),
        posted(GUARDED, QUESTION, f"Authorization: Bearer {token('another' * 10)}"),
        posted(GUARDED, QUESTION, f"Authorization: Bearer {token(exp=1)}"),
        posted(GUARDED, QUESTION, BEARER),
        posted(GUARDED, b"socket_id=x&channel_name=" + LONG.encode(), BEARER),
        posted(GUARDED, b"{", BEARER, "Content-Type: application/json"),
        posted(GUARDED, b"{", BEARER, f"Content-Type: text/{LONG}"),
        got("/pusher/auth?callback=" + LONG, BEARER),
        got("/pusher/auth?callback=a", "Cookie: session=\xff", "Origin: https://\xff"),
        got("/pusher/auth?callback=a&" + QUESTION.decode(), BEARER, "User-Agent: \xff"),
        got("/pusher/user-auth?callback=a", BEARER, "X: \xff"),
        posted("/auth/tokens", b"{}"),
        posted("/auth/revoke", b"{}", f"Authorization: {basic(LONG, 'wrong')}"),
        posted("/auth/memberships", b"{}", "Authorization: Bearer x", method="PUT"),
    ],
}
NEWCOMERS = [
    ("/" + LONG, ""),
    ("/app/nobody?protocol=7", ""),
    (f"/app/{LONG}?protocol=7", ""),
    (f"/app/{APP.key}?protocol=" + LONG, ""),
    (f"/app/{APP.key}?protocol=1", f"Sec-WebSocket-Protocol: {LONG}\r\n"),
    (f"/app/{APP.key}?protocol=7&token=" + LONG, ""),
    ("/app/closed?protocol=7", f"Origin: https://{LONG}.example\r\n"),
    ("/app/closed?protocol=7", "Origin: https://\xff\r\n"),
]
FRAMES = [
    pusher.subscribe("private-" + LONG[:100], auth="app-key:wrong"),
    pusher.subscribe("private-a", auth=LONG),
    pusher.subscribe("presence-a", auth="app-key:wrong", channel_data="{}"),
    pusher.subscribe("no name"),
    pusher.subscribe(LONG),
    pusher.subscribe(""),
]

OTHERS = [
    b'{"event": "pusher:unsubscribe", "data": {"channel": "\\ud800"}}',
    b'{"event": "client-x", "channel": "private-a", "data": "\\u0000"}',
    b'{"event": "pusher:x", "data": {}}',
    b'{"event": "x"}',
]


async def asked(port: int, request: bytes, times: int) -> None:
    """Ask again and again, on as many connections as it takes, until all is answered."""
    left = times
    while left:
        client = await caller(port)
        await client.write(request * left + got("/up", "Connection: close"))
        answers = await client.rest()
        client.close()
        refused = answers.count(b"HTTP/1.1 4")
        assert refused
        assert b"HTTP/1.1 5" not in answers
        left -= refused


async def turned_away(port: int, path: str, headers: str) -> None:
    """Ask for a WebSocket, and read why not."""
    client = await caller(port)
    try:
        await client.write(REQUEST.format(path=path, headers=headers).encode("latin-1"))
        await client.write(masked((1000).to_bytes(2, "big"), CLOSE))
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"pusher:error" in answer
    finally:
        client.close()


async def rounds(work: Callable[[], Awaitable[None]], times: int, together: int = 20) -> None:
    """Do it so many times, some at once."""
    for _ in range(times // together):
        await asyncio.gather(*(work() for _ in range(together)))


def told(lines: Iterable[dict[str, Any]]) -> Counter[str]:
    """Count what the log tells of, each event with what was held back."""
    counts: Counter[str] = Counter()
    for line in lines:
        if line["event"] == "log.held_back":
            counts[line["name"]] += line["lines"]
        else:
            counts[line["event"]] += 1 + line.get("more", 0)
    return counts


ENDS = [
    *(masked(code.to_bytes(2, "big"), CLOSE) for code in (1000, 1001, *range(4000, 4050))),
    *(masked(code.to_bytes(2, "big"), CLOSE) for code in range(50)),
    *(masked(b"", opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    *(masked(text) for text in (b"\xff", b"\xed\xa0\x80")),
]


class TestLog:
    """What all of them write."""

    async def test_counted(self, tmp_path: Path) -> None:
        """
        A line of each kind, and between them they tell of all; so do metrics, in a few series.
        """
        async with besieged(
            tmp_path,
            rules=RULES,
            FANFARE_AUTH_REQUESTS_PER_ADDRESS="0",
            FANFARE_AUTH_REQUESTS_PER_USER="0",
        ) as siege:
            for request in chain(*REFUSED.values()):
                await asked(siege.program.port, request, TIMES)
            await siege.ping()
            for path, headers in NEWCOMERS:
                await rounds(partial(turned_away, siege.program.port, path, headers), TIMES)
            await siege.ping()
            await ended(siege)
            await frames_refused(siege)
            shown = await siege.samples("fanfare_connections_closed")

        lines = said(siege.program)
        counts = told(lines)
        expected = {event: TIMES * len(requests) for event, requests in REFUSED.items()}
        expected["connection.refused"] = TIMES * len(NEWCOMERS)
        expected["subscribe.refused"] = CLIENTS * ROUNDS * len(FRAMES)
        # Members, and whoever was watched, end with the siege.
        expected["connection.closed"] = len(ENDS) + CLIENTS + 4
        assert expected == {event: counts[event] for event in expected}
        assert len(shown) < SERIES
        assert len(lines) < LINES
        assert siege.program.log.stat().st_size < BYTES


async def ended(siege: Siege) -> None:
    """Have clients end with each code that they may make up, and with what is no frame."""
    async with attackers(siege.program.port, PATH, len(ENDS)) as clients:
        for client, end in zip(clients, ENDS, strict=True):
            await client.write(end)
        await asyncio.gather(*(client.rest() for client in clients))
    await siege.ping()


async def frames_refused(siege: Siege) -> None:
    """Have clients say what is refused, and nothing else."""
    async with attackers(siege.program.port, PATH, CLIENTS, receives=0) as clients:
        await asyncio.gather(*map(flood, clients))
        await siege.ping()
    await siege.until("fanfare_connections", 3, 3)


async def flood(client: RawClient) -> None:
    """Send each frame again and again, and what is refused in other ways; read all answers."""
    for _ in range(ROUNDS):
        await client.write(b"".join(map(masked, [*FRAMES, *OTHERS])))
        await client.send(b"", PING)
        while (await client.frame()).opcode != PONG:
            pass
