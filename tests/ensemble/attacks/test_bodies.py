"""
The program under attack by bodies that never end: little of them is kept, and others are answered meanwhile.

What is refused, and in which order, tests/service/dispatcher/test_ways.py tells, and tests/service/web/bodies.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients.attackers import caller, callers, flooding
from tests.support.clients.back_ends import BackEnd, back_end, basic, signed
from tests.support.clients.raw_client import RawClient
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.siege import MIB, Siege, besieged
from tests.support.tokens.user_tokens import SECRET, token

FORM = "application/x-www-form-urlencoded"
MANY = 200
PUBLISHES = 20
WINDOWS = 32 * MIB  # What may be kept of what nobody wants: less than a sixth of what is sent.
ROOM = 16 * MIB  # Half of `server.max_bodies`.
OTHER = App(id="2", key="other-key", secrets=(Secret("other-secret"),))
RULES = f"""
[[apps]]
id = "{OTHER.id}"
key = "{OTHER.key}"
secrets = ["{OTHER.secrets[0].reveal()}"]
"""
ISSUER = f"""
[auth]
max_body = {MIB}
requests_per_user = 0

[[channels]]
app = "{APP.id}"
pattern = "private-news"
allow = "true"

[[auth.issuers]]
issuer = "fanfare-dev"
audience = "fanfare"
secret = "{SECRET}"
"""
WRONG = basic(APP.key, "wrong")
EVENTS = f"/apps/{APP.id}/events"


def held(
    method: str, target: str, headers: Mapping[str, str] | None = None, *, body: bytes
) -> bytes:
    """Compose a request whose last byte is missing."""
    lines = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
    length = f"Content-Length: {len(body)}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: a\r\n{length}{lines}\r\n"
    return head.encode() + body[:-1]


def in_chunks(target: str, *, body: bytes) -> bytes:
    """Compose a request of unknown length that is not at its end."""
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b" % (len(body), body[:-1])


BODY = b"x" * MIB
FORGED = signed(APP, EVENTS, b"y", auth_signature="0" * 64)
STRANGERS = {  # Kind to request: 200 of them, in equal parts, send some 170 MiB.
    "publish": held("POST", f"{EVENTS}?{FORGED}", body=BODY),
    "short": held("POST", f"{EVENTS}?{FORGED}", body=BODY[: MIB // 4]),
    "chunked": in_chunks(f"{EVENTS}?{FORGED}", body=BODY),
    "query": held("GET", f"/apps/{APP.id}/channels?{FORGED}", body=BODY),
    "receipts": held("POST", f"/presence/apps/{APP.id}/users", {"Authorization": WRONG}, body=BODY),
    "tokens": held("POST", f"/auth/tokens?{FORGED}", body=BODY),
}


async def status_of(client: RawClient) -> tuple[bytes, bool]:
    """Read the head of an answer: its status, and whether it says when to come back."""
    head = await client.head()
    return head.split()[1], b"\r\nRetry-After: " in head


async def publishing(siege: Siege, back: BackEnd) -> list[int]:
    """Publish several times, and tell what was answered."""
    return [
        (await back.publish(siege.program.url, "news", number)).status
        for number in range(PUBLISHES)
    ]


class TestStrangers:
    """Who has no more than the public key."""

    async def test_held(self, tmp_path: Path, backend: BackEnd) -> None:
        """
        They are refused before their bodies are read, wherever they post.
        """
        async with (
            besieged(tmp_path) as siege,
            callers(siege.program.port, MANY) as clients,
        ):
            each = len(clients) // len(STRANGERS)
            shares = [clients[each * at : each * (at + 1)] for at in range(len(STRANGERS))]
            attack = zip(shares, STRANGERS.values(), strict=True)
            flood = asyncio.gather(*(flooding(share, request) for share, request in attack))
            try:
                published = await publishing(siege, backend)
                attackers = [client for share in shares for client in share]
                answers = [await status_of(client) for client in attackers]
                await siege.ping()
            finally:
                flood.cancel()

            assert published == [200] * PUBLISHES
            assert {status for status, _ in answers} == {b"401"}
            assert await siege.number("fanfare_http_body_bytes") == 0
            assert siege.grown < WINDOWS


class TestTenants:
    """Who has an app, as others have."""

    async def test_held(self, tmp_path: Path) -> None:
        """
        It has half of the room, so others publish; beyond it is told to come back, and the operator once.
        """
        request = held("POST", f"{EVENTS}?{signed(APP, EVENTS, BODY)}", body=BODY)
        async with (
            besieged(tmp_path, rules=RULES) as siege,
            callers(siege.program.port, MANY) as clients,
            back_end(OTHER) as other,
        ):
            flood = asyncio.ensure_future(flooding(clients, request))
            try:
                refused = await first(clients, MANY - ROOM // MIB)
                assert await siege.number("fanfare_http_body_bytes") == ROOM
                published = await publishing(siege, other)
                await siege.ping()
            finally:
                flood.cancel()

            assert published == [200] * PUBLISHES
            assert {*refused} == {(b"503", True)}
            assert await siege.number("fanfare_http_bodies_refused") == len(refused)
            assert len(said(siege.program, "bodies.refused")) == 1
            assert siege.grown < ROOM + WINDOWS


class TestUsers:
    """Who has a token, as other users of the app have."""

    async def test_held(self, tmp_path: Path, backend: BackEnd) -> None:
        """
        One has half of the room, whose it is alone: the app publishes, and another user is let in.
        """
        question = b"socket_id=1.2&channel_name=private-news"
        async with (
            besieged(tmp_path, rules=ISSUER) as siege,
            callers(siege.program.port, MANY) as clients,
        ):
            flood = asyncio.ensure_future(flooding(clients, asked("mallory", BODY)[:-1]))
            try:
                refused = await first(clients, MANY - ROOM // MIB)
                assert await siege.number("fanfare_http_body_bytes") == ROOM
                published = await publishing(siege, backend)
                other = await caller(siege.program.port)
                await other.write(asked("ann", question))
                let_in = await status_of(other)
                other.close()
            finally:
                flood.cancel()

            assert published == [200] * PUBLISHES
            assert let_in == (b"200", False)
            assert {*refused} == {(b"503", True)}
            assert len(said(siege.program, "bodies.refused")) == 1


def asked(user: str, body: bytes) -> bytes:
    """Compose what a user's client asks auth."""
    told = {"Authorization": f"Bearer {token(sub=user)}", "Content-Type": FORM}
    lines = "".join(f"{name}: {text}\r\n" for name, text in told.items())
    length = f"Content-Length: {len(body)}\r\n"
    return f"POST /pusher/auth HTTP/1.1\r\nHost: a\r\n{length}{lines}\r\n".encode() + body


async def first(clients: Sequence[RawClient], many: int) -> list[tuple[bytes, bool]]:
    """Read the answers that come first."""
    waiting = {asyncio.ensure_future(status_of(client)) for client in clients}
    done: set[asyncio.Future[tuple[bytes, bool]]] = set()
    async with asyncio.timeout(DEADLINE):
        while len(done) < many:
            come, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= come
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return [each.result() for each in done]
