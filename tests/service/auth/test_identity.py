"""The auth service over real HTTP: users whom identity servers know, by published keys or by asking."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest
from jwt.utils import base64url_encode
from structlog.testing import capture_logs

from libs.common.tokens.key_ring import TYPE
from services.auth.settings import AuthSettings, Introspection, Issuer
from tests.support.fakes.identity_server import (
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    Asked,
    IdentityServer,
    Said,
    identity_server,
    jwk,
    jwks,
    pem,
)
from tests.support.health import health_of
from tests.support.services.auth import ISSUERS, NOW, ONE, TWO, fields, reason, serving
from tests.support.tokens.user_tokens import AUDIENCE, claims

KEYS = jwks(jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"), jwk(ED_KEY, "ed"))
PRIVATE: dict[str, tuple[Any, str]] = {
    "RS256": (RSA_KEY, "rsa"),
    "ES256": (EC_KEY, "ec"),
    "EdDSA": (ED_KEY, "ed"),
}
ROOM = "presence-room"


def signed(algorithm: str, *, key: Any = None, kid: str | None = None, **others: Any) -> str:
    """Sign a token of the issuer that publishes its keys."""
    own, name = PRIVATE[algorithm]
    content = claims(iss="idp", **others) if "iss" not in others else claims(**others)
    return jwt.encode(content, key or own, algorithm=algorithm, headers={"kid": kid or name})


def forged(header: dict[str, Any], key: str = "") -> str:
    """Sign with HS256 and any text, or not at all, whatever the header says."""
    head = base64url_encode(msgspec.json.encode(header))
    text = head + b"." + base64url_encode(msgspec.json.encode(claims(iss="idp")))
    mac = hmac.new(key.encode(), text, hashlib.sha256).digest() if key else b""
    return (text + b"." + base64url_encode(mac)).decode()


@pytest.fixture
async def server() -> AsyncIterator[IdentityServer]:
    """An identity server that publishes keys at /jwks, and is asked elsewhere."""
    async with identity_server() as server:
        server.answers(KEYS)
        yield server


def published(server: IdentityServer) -> AuthSettings:
    """Believe the server's keys, beside a shared secret."""
    issuer = Issuer(
        issuer="idp",
        audience=AUDIENCE,
        algorithms=("RS256", "ES256", "EdDSA"),
        jwks=f"{server.url}/jwks",
        user_info={"name": "name"},
    )
    return AuthSettings(issuers=(*ISSUERS, issuer))


def sanctum(server: IdentityServer, **settings: Any) -> AuthSettings:
    """Ask the server who is calling, as a Laravel application wants it."""
    spec = {"url": f"{server.url}/api/user", "mode": "whoami", "app": "1"} | settings
    info = {"user_info": {"name": "name"}}
    asked = msgspec.convert(info | spec, Introspection)
    return AuthSettings(issuers=ISSUERS, introspection=(asked,))


def knows(*tokens: str) -> Any:
    """Answer as Laravel's ``/api/user`` does."""

    def says(asked: Asked) -> Said:
        if asked.headers.get("Authorization") in {f"Bearer {token}" for token in tokens}:
            return Said(b'{"id":7,"name":"Ann","email":"ann@example.org","companies":["1"]}')
        return Said(b'{"message":"Unauthenticated."}', 401)

    return says


class TestPublishedKeys:
    """``auth.issuers[].jwks``."""

    @pytest.mark.parametrize("algorithm", PRIVATE)
    async def test_granted(self, server: IdentityServer, algorithm: str) -> None:
        async with serving(ONE, settings=published(server)) as (client, auth):
            answer = await fields(await client.ask(ROOM, bearer=signed(algorithm, name="Ann")))

            assert set((await health_of(auth)).values()) == {"ok"}

        assert msgspec.json.decode(answer["channel_data"])["user_info"] == {"name": "Ann"}

    @pytest.mark.parametrize(
        "bearer,expected",
        [
            (forged({"alg": "none"}), "algorithm"),
            (forged({"alg": "None", "kid": "rsa"}), "algorithm"),
            (forged({"alg": "HS256", "kid": "rsa"}, pem(RSA_KEY)), "algorithm"),
            (forged({"alg": "HS256"}, KEYS.decode()), "algorithm"),
            (forged({"alg": "RS256", "kid": "rsa"}, pem(RSA_KEY)), "signature"),
            (forged({"alg": "RS256", "kid": 7}, "x"), "malformed"),
            (forged({"alg": "RS256"}, "x"), "which key"),
            (signed("ES256", kid="rsa"), "not for its algorithm"),
            (signed("RS256", kid="ec"), "not for its algorithm"),
            (signed("RS256", kid="RSA"), "not one of its issuer's"),
            (signed("RS256", key=OTHER_RSA_KEY), "signature"),
            (signed("RS256", exp=NOW - 60), "expired"),
            (signed("RS256", exp=None), "expires"),
            (signed("RS256", aud="other"), "audience"),
            (signed("RS256", iss="other"), "issuer"),
            (signed("RS256", iss="two-only"), "algorithm"),
        ],
    )
    async def test_not_believed(self, server: IdentityServer, bearer: str, expected: str) -> None:
        """RFC 8725: whatever a token says of itself, its issuer's algorithms and keys decide."""
        with capture_logs() as logs:
            async with serving(ONE, settings=published(server)) as (client, _):
                response = await client.ask(ROOM, bearer=bearer)

        assert response.status == 401
        assert expected in await reason(response)
        assert bearer not in str(logs)

    async def test_forgeries_ask_nobody(self, server: IdentityServer) -> None:
        """A token of an algorithm that is not allowed is refused without looking for its key."""
        async with serving(ONE, settings=published(server)) as (client, _):
            await fields(await client.ask(ROOM, bearer=signed("RS256")))
            for number in range(10):
                await client.ask(ROOM, bearer=forged({"alg": "none", "kid": str(number)}))

        assert len(server.asked) == 1

    async def test_storm(self, server: IdentityServer) -> None:
        """A hundred made-up keys cause one request, and are refused."""
        async with serving(ONE, settings=published(server)) as (client, _):
            await fields(await client.ask(ROOM, bearer=signed("RS256")))
            responses = await asyncio.gather(
                *[client.ask(ROOM, bearer=signed("RS256", kid=f"x{n}")) for n in range(100)]
            )

        assert {response.status for response in responses} == {401}
        assert len(server.asked) == 2

    async def test_gone(self, server: IdentityServer) -> None:
        """A server that was never there is an outage: 503, and the user may try again."""
        await server.go()
        async with serving(ONE, settings=published(server)) as (client, auth):
            response = await client.ask(ROOM, bearer=signed("RS256"))
            health = await health_of(auth)

        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert "WWW-Authenticate" not in response.headers
        assert health["keys of idp"] != "ok"

    async def test_hanging(self, server: IdentityServer) -> None:
        """While a server hangs all others are answered, and whoever waits for it is when it goes on."""
        server.hang()
        async with serving(ONE, settings=published(server)) as (client, _):
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(client.ask(ROOM, bearer=signed("RS256")))
                await server.heard(1)
                for _ in range(50):
                    await fields(await client.ask(ROOM))

                assert not waiting.done()
                server.go_on()

            await fields(waiting.result())


class TestOpaqueTokens:
    """``[[auth.introspection]]``."""

    async def test_sanctum(self, server: IdentityServer) -> None:
        """A token of Laravel Sanctum is shown to the application, whose answer is the user."""
        server.says = knows("12|AbC")
        async with serving(ONE, settings=sanctum(server)) as (client, _):
            member = await fields(await client.ask(ROOM, bearer="12|AbC"))
            policy = await client.ask("private-company.1", bearer="12|AbC")
            other = await client.ask("private-company.2", bearer="12|AbC")

        data = msgspec.json.decode(member["channel_data"])
        assert (data["user_id"], data["user_info"]) == ("7", {"name": "Ann"})
        assert (policy.status, other.status) == (200, 403)
        (asked,) = server.asked
        assert (asked.method, asked.path) == ("GET", "/api/user")
        assert asked.headers["Accept"] == "application/json"

    async def test_introspected(self, server: IdentityServer) -> None:
        """RFC 7662, and a sign-in."""
        server.answers({"active": True, "sub": "u7", "exp": NOW + 60})
        settings = sanctum(server, mode="introspect")
        async with serving(ONE, settings=settings) as (client, auth):
            response = await client.post(
                "/broadcasting/user-auth",
                data={"socket_id": "1.2"},
                headers={"Authorization": "Bearer opaque"},
            )
            health = await health_of(auth)

        assert msgspec.json.decode((await fields(response))["user_data"])["id"] == "u7"
        assert health["introspection of 1"] == "ok"

    async def test_not_believed(self, server: IdentityServer) -> None:
        """A no is 401, told to the user, and the token to no log."""
        server.says = knows("12|AbC")
        with capture_logs() as logs:
            async with serving(ONE, settings=sanctum(server)) as (client, _):
                response = await client.ask(ROOM, bearer="13|stolen")

        assert response.status == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
        assert "stolen" not in str(logs) + await response.text()

    async def test_gone(self, server: IdentityServer) -> None:
        """503, never a yes."""
        await server.go()
        async with serving(ONE, settings=sanctum(server)) as (client, _):
            response = await client.ask(ROOM, bearer="12|AbC")
            signed_here = await client.ask(ROOM)

        assert (response.status, signed_here.status) == (503, 200)
        assert response.headers["Retry-After"] == "1"

    async def test_jwts_stay_here(self, server: IdentityServer) -> None:
        """A JWT of an issuer of the settings is verified here, and shown to nobody, not even a bad one."""
        server.answers({"id": 1})
        async with serving(ONE, settings=sanctum(server)) as (client, _):
            good = await client.ask(ROOM)
            bad = await client.ask(ROOM, bearer=signed("RS256", iss="fanfare-dev"))
            malformed = await client.ask(ROOM, bearer=signed("RS256", iss="fanfare-dev", exp="x"))
            channel_token = await client.ask(ROOM, bearer=forged({"alg": "EdDSA", "typ": TYPE}))
            asked = len(server.asked)
            of_others = await client.ask(ROOM, bearer=signed("RS256", iss="elsewhere"))

        assert (good.status, bad.status, malformed.status) == (200, 401, 401)
        assert (channel_token.status, of_others.status) == (401, 200)
        assert (asked, len(server.asked)) == (0, 1)

    async def test_long(self, server: IdentityServer) -> None:
        async with serving(ONE, settings=sanctum(server)) as (client, _):
            response = await client.ask(ROOM, bearer="x" * 8050)

        assert response.status == 401
        assert not server.asked

    async def test_apps(self, server: IdentityServer) -> None:
        """A token is shown to the identity server of the app that is named, and to no other."""
        server.answers({"id": 7})
        async with serving(ONE, TWO, settings=sanctum(server)) as (client, _):
            unnamed = await client.ask(ROOM, bearer="1|x")
            two = await client.ask("private-two", "/pusher/auth?app_key=two", bearer="1|x")
            asked = len(server.asked)
            one = await client.ask(ROOM, "/pusher/auth?app_key=one", bearer="1|x")

        assert (unnamed.status, two.status, asked, one.status) == (400, 401, 0, 200)

    async def test_single_flight(self, server: IdentityServer) -> None:
        """Fifty channels that a page joins at once cost one question."""
        server.says = knows("12|AbC")
        server.hang()
        async with (
            serving(ONE, settings=sanctum(server)) as (client, _),
            asyncio.TaskGroup() as tasks,
        ):
            asking = [tasks.create_task(client.ask(ROOM, bearer="12|AbC")) for _ in range(50)]
            await server.heard(1)
            await fields(await client.ask(ROOM))
            server.go_on()

        assert {task.result().status for task in asking} == {200}
        assert len(server.asked) == 1
