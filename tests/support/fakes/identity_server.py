"""An identity server of the test's own: it says what it is told to, hangs, goes and comes back."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
_KINDS = (
    (rsa.RSAPrivateKey | rsa.RSAPublicKey, "RS256"),
    (ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey, "ES256"),
)


def private_jwk(key: Any, kid: str | None = "k1", **fields: Any) -> dict[str, Any]:
    """Write a key as it is as a JWK; a private one nobody should publish."""
    name = next((name for kind, name in _KINDS if isinstance(key, kind)), "EdDSA")
    named = {} if kid is None else {"kid": kid}
    return {**get_default_algorithms()[name].to_jwk(key, as_dict=True), **named, **fields}


def jwk(key: Any, kid: str | None = "k1", **fields: Any) -> dict[str, Any]:
    """Write the public half of a key as a JWK."""
    written = private_jwk(key.public_key(), kid)
    return {name: value for name, value in written.items() if name != "key_ops"} | fields


def jwks(*keys: dict[str, Any]) -> bytes:
    """Write a JWK set."""
    return msgspec.json.encode({"keys": keys})


def pem(key: Any) -> str:
    """Write the public half of a key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


@dataclass(frozen=True)
class Said:
    """What a server answers."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


class IdentityServer:
    """
    A server.

    Args:
        certificates: What it shows; None: it speaks plain HTTP.

    Attributes:
        says: Answers, by what is asked.
        asked: What was, in order.
        holds: What is not answered while it hangs; else everything.
    """

    def __init__(self, certificates: Certificates | None = None) -> None:
        self._context: ssl.SSLContext | None = None
        if certificates is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(certificates.certificate, certificates.key)
        self.says: Callable[[Asked], Said] = lambda _: Said()
        self.asked: list[Asked] = []
        self.holds: Callable[[Asked], bool] = lambda _: True
        self._heard = asyncio.Condition()
        self._open = asyncio.Event()
        self._open.set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is, also while it is gone."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    def answers(self, body: bytes | dict[str, Any], status: int = 200, **headers: str) -> None:
        """Answer everybody alike from now on."""
        text = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.says = lambda _: Said(text, status, headers)

    def hang(self) -> None:
        """Answer nobody until `go_on`."""
        self._open.clear()

    def go_on(self) -> None:
        """Answer those who wait, and all others."""
        self._open.set()

    async def heard(self, count: int) -> None:
        """Wait until that many requests have come, since the beginning."""
        async with asyncio.timeout(DEADLINE), self._heard:
            await self._heard.wait_for(lambda: len(self.asked) >= count)

    async def come(self) -> None:
        """Listen, at the same place as before."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self._port, reuse_address=True, ssl_context=self._context
        )
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def go(self) -> None:
        """Be gone: nobody can connect, and connections end."""
        self.go_on()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked = Asked(request.method, request.path, dict(request.headers), form)
        async with self._heard:
            self.asked.append(asked)
            self._heard.notify_all()
        if self.holds(asked):
            await self._open.wait()
        said = self.says(asked)
        return web.Response(body=said.body, status=said.status, headers=said.headers)


@asynccontextmanager
async def identity_server(
    certificates: Certificates | None = None,
) -> AsyncIterator[IdentityServer]:
    """Run an identity server, with TLS where it has a certificate."""
    server = IdentityServer(certificates)
    await server.come()
    try:
        yield server
    finally:
        await server.go()
