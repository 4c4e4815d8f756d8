"""Channel tokens over real HTTP: issued, asked about, and whom nobody serves."""

from collections.abc import AsyncIterator, Mapping

import jwt
import msgspec
import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs

from libs.common.apps.limits import Limits
from libs.common.tokens.channel_tokens import verify
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.keys import Algorithm
from tests.support.clients.token_calls import FORM, JSON, FaultyControl, TokenCaller
from tests.support.services.auth import NOW, OFF, ONE, TWO, Client, reason, serving
from tests.support.tokens.keys import ALGORITHMS, app_key, forged, payload, settings, token_key

SETTINGS = settings()
ASKED = {
    "user": "7",
    "user_info": {"name": "Ann"},
    "claims": {"plan": "free"},
    "channels": ["private-company.5.*"],
    "ttl": 600,
}
PATHS = ("/auth/tokens", "/auth/validate", "/auth/revoke")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Auth for two apps."""
    async with serving(ONE, TWO, OFF, tokens=SETTINGS) as (client, _):
        yield client


@pytest.fixture
def one(client: Client) -> TokenCaller:
    """Return the first app's back end."""
    return TokenCaller(client, ONE)


class TestIssue:
    """``POST /auth/tokens``."""

    async def test_issued(self, one: TokenCaller) -> None:
        """A gateway believes what is issued, without asking."""
        response = await one.issue(**ASKED)

        answer = await response.json()
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert answer.keys() == {"token", "jti", "expires_at"}
        assert answer["expires_at"] == NOW + 600
        token = verify(answer["token"], KeyRing(SETTINGS), app=ONE, now=NOW)
        assert token.jti == answer["jti"]
        assert (token.app, token.user, token.user_info) == ("1", "7", {"name": "Ann"})
        assert (token.channels, token.claims) == (("private-company.5.*",), {"plan": "free"})

    async def test_logged_without_the_token(self, one: TokenCaller) -> None:
        with capture_logs() as logs:
            text = await one.issued(**ASKED)

        assert [line["event"] for line in logs] == ["token.issued"]
        assert text not in str(logs)

    @pytest.mark.parametrize(
        "body,expected",
        [
            (b"", "malformed"),
            (b"{", "malformed"),
            (b'{"user": "7", "claims": ' + b'{"a":' * 50_000, "malformed"),
            (b"{}", "`user`"),
            (b'{"user": 7}', "$.user"),
            (b'{"user": "7", "chanels": []}', "`chanels`"),
            (b'{"user": "7", "channels": ["a b"]}', "pattern"),
            (b'{"user": "7", "ttl": 86401}', "tokens.max_ttl"),
        ],
    )
    async def test_bad_body(self, one: TokenCaller, body: bytes, expected: str) -> None:
        """The answer says what is wrong."""
        response = await one.ask("/auth/tokens", body, JSON)

        assert response.status == 400
        assert expected in await reason(response)

    async def test_too_much(self, one: TokenCaller) -> None:
        response = await one.issue(claims={"x": "y" * 30_000})

        assert response.status == 413

    async def test_nobody_signs(self) -> None:
        """Without a private key there is nothing to sign with, which is said."""
        async with serving(ONE, tokens=settings(token_key(signs=False))) as (client, _):
            response = await TokenCaller(client, ONE).issue()

        assert response.status == 501
        assert "tokens.keys" in await reason(response)


class TestCaller:
    """Who calls is known, on each of the paths."""

    @pytest.mark.parametrize("path", PATHS)
    async def test_unsigned(self, client: Client, path: str) -> None:
        response = await client.post(path, data={"token": "x"})

        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="fanfare"'
        assert "sign the request" in await reason(response)

    @pytest.mark.parametrize("path", PATHS)
    async def test_wrong_secret(self, client: Client, path: str) -> None:
        forger = msgspec.structs.replace(ONE, secrets=TWO.secrets)

        response = await TokenCaller(client, forger).ask(path, b"token=x")

        assert response.status == 401

    @pytest.mark.parametrize(
        "wrong,says",
        [({"key": "nobody"}, "no app here has"), ({"secret": "x"}, "the secret is not")],
    )
    async def test_wrong_by_name(self, one: TokenCaller, wrong: dict[str, str], says: str) -> None:
        """What is wrong with a key and its secret is told apart."""
        response = await one.by_name("/auth/validate", {"token": "x"}, **wrong)

        assert response.status == 401
        assert says in await reason(response)

    @pytest.mark.parametrize("path", PATHS)
    async def test_switched_off(self, client: Client, path: str) -> None:
        response = await TokenCaller(client, OFF).ask(path, b"token=x")

        assert response.status == 403

    @pytest.mark.parametrize("path", PATHS[1:])
    async def test_basic(self, one: TokenCaller, path: str) -> None:
        """RFC 7662, 2.1 and RFC 7009, 2.1: resource servers show credentials of their own."""
        await one.heard()

        good = await one.by_name(path, {"token": "x"})
        wrong = await one.by_name(path, {"token": "x"}, secret="guess")
        unknown = await one.by_name(path, {"token": "x"}, key="nobody", secret="secret-by-mistake")

        assert (good.status, wrong.status, unknown.status) == (200, 401, 401)
        assert "nobody" not in await unknown.text()

    @pytest.mark.parametrize("path", PATHS)
    async def test_too_often(self, path: str) -> None:
        """Beyond the app's rate it is told when to ask again; other apps go on."""
        few = msgspec.structs.replace(TWO, limits=Limits(auth_requests=1))
        async with serving(ONE, few, tokens=SETTINGS) as (client, _):
            await TokenCaller(client, few).ask(path, b"{}")
            response = await TokenCaller(client, few).ask(path, b"{}")
            other = await TokenCaller(client, ONE).ask(path, b"{}")

        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert other.status != 429

    @pytest.mark.parametrize("path", PATHS)
    async def test_method(self, client: Client, path: str) -> None:
        async with ClientSession() as session, session.get(client.base + path) as response:
            assert response.status == 405


class TestValidate:
    """``POST /auth/validate``: RFC 7662."""

    async def test_active(self, one: TokenCaller) -> None:
        """What is told of a good token."""
        text = await one.issued(**ASKED)
        await one.heard()

        response = await one.validate(text)

        answer = await response.json()
        jti = answer.pop("jti")
        assert response.headers["Cache-Control"] == "no-store"
        assert jti
        assert answer == {
            "active": True,
            "iss": "fanfare",
            "aud": "1",
            "sub": "7",
            "iat": NOW,
            "exp": NOW + 600,
            "channels": ["private-company.5.*"],
            "user_info": {"name": "Ann"},
            "claims": {"plan": "free"},
        }

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "a.b.c",
            "x" * 100_000,
            forged(payload(exp=NOW)),
            forged(payload(aud="2")),
            forged(number=5),
            forged(kid="unheard of"),
            forged(typ="JWT"),
        ],
    )
    async def test_inactive(self, one: TokenCaller, text: str) -> None:
        """RFC 7662, 2.2: of a token that is not good nothing else is told, nor why."""
        await one.heard()

        response = await one.validate(text)

        assert (response.status, await response.json()) == (200, {"active": False})

    async def test_other_app(self, client: Client, one: TokenCaller) -> None:
        """Another app's back end learns nothing of a token."""
        text = await one.issued()
        two = TokenCaller(client, TWO)

        assert not await two.is_active(text)
        assert await one.is_active(text)

    async def test_hint(self, one: TokenCaller) -> None:
        """RFC 7662, 2.1: hints may come along, and bodies of JSON are as good."""
        text = await one.issued()
        await one.heard()
        form = f"token={text}&token_type_hint=access_token".encode()

        for body, media_type in ((form, FORM), (msgspec.json.encode({"token": text}), JSON)):
            response = await one.ask("/auth/validate", body, media_type)
            assert (await response.json())["active"]

    @pytest.mark.parametrize(
        "body,media_type,status",
        [
            (b"", FORM, 400),
            (b"token_type_hint=x", FORM, 400),
            (b"token=a&token=b", FORM, 400),
            (b"\xff", FORM, 400),
            (b"{", JSON, 400),
            (b'{"token": 1}', JSON, 400),
            (b"token=a", "text/plain", 415),
        ],
    )
    async def test_bad_body(
        self, one: TokenCaller, body: bytes, media_type: str, status: int
    ) -> None:
        response = await one.ask("/auth/validate", body, media_type)

        assert response.status == status
        assert await reason(response)

    async def test_app_issuer(self) -> None:
        """Tokens of an app's own issuer are good for it, without a key of the deployment."""
        own = msgspec.structs.replace(ONE, token_keys=(app_key(issuer="theirs"),))
        text = forged(payload(iss="theirs"), kid="own", number=9)
        async with serving(own, TWO, tokens=SETTINGS) as (client, _):
            assert await TokenCaller(client, own).is_active(text)
            assert not await TokenCaller(client, TWO).is_active(text)

    async def test_before_control_was_heard(self) -> None:
        """Who does not know what is revoked calls no token good, and goes on when it knows."""
        control = FaultyControl(lambda: NOW)
        control.is_away = True
        async with serving(ONE, tokens=SETTINGS, control=control) as (client, _):
            one = TokenCaller(client, ONE)
            text = await one.issued()
            before = await one.validate(text)
            bad = await one.validate("nonsense")
            control.is_away = False

            assert await one.is_active(text)

        assert before.status == 503
        assert before.headers["Retry-After"]
        assert await bad.json() == {"active": False}

    async def test_control_goes(self) -> None:
        """What is known holds while control is away."""
        control = FaultyControl(lambda: NOW)
        async with serving(ONE, tokens=SETTINGS, control=control) as (client, _):
            one = TokenCaller(client, ONE)
            good, bad = await one.issued(), await one.issued()
            await one.heard()
            await one.revoke(token=bad)
            control.is_away = True

            assert await one.is_active(good)
            assert not await one.is_active(bad)


class TestKeys:
    """``GET /.well-known/jwks.json``, and how keys are rotated."""

    async def fetched(self, client: Client, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        url = client.base + "/.well-known/jwks.json"
        async with ClientSession() as session, session.get(url, headers=headers) as got:
            return got.status, got.headers, await got.read()

    async def test_published(self, client: Client) -> None:
        """Public halves, which anybody may keep for a while."""
        status, headers, body = await self.fetched(client)

        assert status == 200
        assert headers["Content-Type"] == "application/jwk-set+json"
        assert headers["Cache-Control"] == "public, max-age=300"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert [key["kid"] for key in msgspec.json.decode(body)["keys"]] == ["a"]
        assert b'"d"' not in body

    async def test_unchanged(self, client: Client) -> None:
        """Who has them already is told just that."""
        _, headers, _ = await self.fetched(client)

        status, again, body = await self.fetched(client, **{"If-None-Match": headers["ETag"]})
        other, _, _ = await self.fetched(client, **{"If-None-Match": '"other"'})

        assert (status, body, other) == (304, b"", 200)
        assert again["ETag"] == headers["ETag"]

    async def test_other_keys(self) -> None:
        """Another set has another tag."""
        tags = set()
        for keys in ((), (token_key(),), (token_key(), token_key("b", number=1))):
            tokens = msgspec.structs.replace(SETTINGS, keys=keys)
            async with serving(ONE, tokens=tokens) as (client, _):
                tags.add((await self.fetched(client))[1]["ETag"])

        assert len(tags) == 3

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    async def test_other_libraries(self, algorithm: Algorithm) -> None:
        """PyJWT verifies with them what is issued, as others would."""
        keys = (token_key("other", number=1, signs=False), token_key("main", algorithm))
        async with serving(ONE, tokens=settings(*keys)) as (client, _):
            text = await TokenCaller(client, ONE).issued()
            _, _, body = await self.fetched(client)

        published = jwt.PyJWKSet.from_json(body.decode())
        header = jwt.get_unverified_header(text)
        said = jwt.decode(
            text,
            published[header["kid"]],
            algorithms=[algorithm],
            audience="1",
            options={"verify_exp": False, "require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
        assert (header["kid"], header["typ"], said["sub"]) == ("main", "fanfare+jwt", "7")

    async def test_rotation(self) -> None:
        """The old key verifies while the new one signs; when it is removed its tokens are refused."""
        old, new = token_key("old"), token_key("new", number=1)
        async with serving(ONE, tokens=settings(old, new)) as (client, _):
            before = await TokenCaller(client, ONE).issued()
        async with serving(ONE, tokens=settings(new, token_key("old", signs=False))) as (client, _):
            one = TokenCaller(client, ONE)
            during = await one.issued()
            overlap = [await one.is_active(text) for text in (before, during)]
        async with serving(ONE, tokens=settings(new)) as (client, _):
            one = TokenCaller(client, ONE)
            afterwards = [await one.is_active(text) for text in (before, during)]

        assert jwt.get_unverified_header(before)["kid"] == "old"
        assert jwt.get_unverified_header(during)["kid"] == "new"
        assert overlap == [True, True]
        assert afterwards == [False, True]


class TestBearer:
    """RFC 8725, 3.12: a channel token is no token of a user's issuer."""

    async def test_refused(self, client: Client, one: TokenCaller) -> None:
        """It names channels for a gateway; auth's own endpoints do not take it."""
        text = await one.issued(channels=["presence-room"])

        for path in ("/broadcasting/auth?app_key=one", "/pusher/user-auth?app_key=one"):
            response = await client.ask("presence-room", path, bearer=text)
            assert response.status == 401
