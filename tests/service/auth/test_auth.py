"""The auth service over real HTTP: what it grants, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import ClientSession, FormData
from structlog.testing import capture_logs

from libs.common.apps.signatures import channel_text, check_grant, check_token, user_text
from services.auth.settings import AuthSettings
from tests.support.fakes.logs import audited
from tests.support.services.auth import (
    CHANNEL_PATHS,
    ISSUERS,
    NOW,
    ONE,
    SITE,
    USER_PATHS,
    Client,
    fields,
    reason,
    serving,
)
from tests.support.tokens.user_tokens import AUDIENCE, ISSUER, token


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Auth for one app."""
    async with serving(ONE) as (client, _):
        yield client


class TestChannel:
    """docs/protocol.md, "Client-side auth endpoints"."""

    @pytest.mark.parametrize("path", CHANNEL_PATHS)
    async def test_granted(self, client: Client, path: str) -> None:
        """A gateway accepts what is granted, whichever name the endpoint is asked by."""
        answer = await fields(await client.ask("private-company.1", path))

        assert answer.keys() == {"auth"}
        check_grant(ONE, answer["auth"], "1.2", channel="private-company.1")

    async def test_json(self, client: Client) -> None:
        """A body of JSON is as good as a form."""
        response = await client.post(
            json={"socket_id": "1.2", "channel_name": "private-company.1"},
            headers={"Authorization": f"Bearer {token(companies=['1'])}"},
        )

        answer = await fields(response)
        check_grant(ONE, answer["auth"], "1.2", channel="private-company.1")

    async def test_presence(self, client: Client) -> None:
        """Members see of each other what the issuer's settings name."""
        answer = await fields(await client.ask("presence-room"))

        member = msgspec.json.decode(answer["channel_data"])
        assert (member["user_id"], member["user_info"]) == ("7", {"name": "Ann"})
        text = channel_text("1.2", "presence-room", answer["channel_data"])
        check_token(ONE, answer["auth"], text)

    async def test_encrypted(self, client: Client) -> None:
        answer = await fields(await client.ask("private-encrypted-room"))

        assert answer.keys() == {"auth", "shared_secret"}

    async def test_not_cached(self, client: Client) -> None:
        """A grant is for one connection."""
        response = await client.ask("presence-room")

        assert response.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "channel",
        [
            "private-company.2",
            "private-unheard-of",
            "private-two",
            "public",
            "#server-to-user-7",
            "#server-to-user-8",
        ],
    )
    async def test_forbidden(self, client: Client, channel: str) -> None:
        """A refusal is worded the same whether the channel exists or not."""
        response = await client.ask(channel)

        assert response.status == 403
        assert await reason(response) == "you may not join this channel"
        assert "WWW-Authenticate" not in response.headers

    @pytest.mark.parametrize(
        "bearer,channel,status",
        [("nonsense", "presence-room", 401), ("", "private-two", 403), ("", "a b", 400)],
    )
    async def test_refusals_are_readable(
        self, client: Client, bearer: str, channel: str, status: int
    ) -> None:
        """A page of another origin can read why it is refused, and no cache keeps it."""
        response = await client.ask(channel, bearer=bearer, Origin=SITE)

        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cache-Control"] == "no-store"
        assert ("WWW-Authenticate" in response.headers) == (status == 401)

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_method(self, client: Client, method: str) -> None:
        async with ClientSession() as session:
            response = await session.request(method, client.base + "/broadcasting/auth")
            await response.read()

        assert response.status == 405


class TestUser:
    """The twins that sign a user in."""

    @pytest.mark.parametrize("path", USER_PATHS)
    async def test_granted(self, client: Client, path: str) -> None:
        response = await client.post(
            path,
            data={"socket_id": "1.2"},
            headers={"Authorization": f"Bearer {token(name='Ann')}"},
        )

        answer = await fields(response)
        assert answer.keys() == {"auth", "user_data"}
        assert msgspec.json.decode(answer["user_data"]) == {
            "id": "7",
            "user_info": {"name": "Ann"},
        }
        check_token(ONE, answer["auth"], user_text("1.2", answer["user_data"]))

    @pytest.mark.parametrize("path", USER_PATHS)
    async def test_unknown(self, client: Client, path: str) -> None:
        response = await client.post(path, data={"socket_id": "1.2"})

        assert response.status == 401


class TestToken:
    """401: who is calling is not believed."""

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Basic b25lOmZpcnN0", "Bearer "])
    async def test_missing(self, client: Client, header: str | None) -> None:
        """RFC 6750, 3: a request without a token is told what is wanted, without an error code."""
        response = await client.post(
            data={"socket_id": "1.2", "channel_name": "presence-room"},
            headers={} if header is None else {"Authorization": header},
        )

        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="fanfare"'
        assert await reason(response) == "a bearer token is required"

    @pytest.mark.parametrize(
        "bearer,expected",
        [
            ("nonsense", "malformed"),
            (token(exp=NOW - 60), "expired"),
            (token(exp=None), "expires"),
            (token(nbf=NOW + 60), "not valid yet"),
            (token(aud="other"), "audience"),
            (token(iss="other"), "issuer"),
            (token(iss=None), "issuer"),
            (token(key="x" * 40), "signature"),
            (token(key="", algorithm="none"), "algorithm"),
            (token(key="x" * 64, algorithm="HS512"), "algorithm"),
            ("a" * 8050, "longer"),
        ],
    )
    async def test_not_believed(self, client: Client, bearer: str, expected: str) -> None:
        """The reason is told to the user, and the token to nobody."""
        with capture_logs() as logs:
            response = await client.ask("presence-room", bearer=bearer)

        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith(
            'Bearer realm="fanfare", error="invalid_token", error_description="'
        )
        assert expected in await reason(response)
        assert bearer not in str(logs) + await response.text()

    @pytest.mark.parametrize(
        "bearer,facts",
        [
            (
                token(iss="https://id.example.org/"),
                {"token_issuer": "https://id.example.org/", "known_issuers": f"{ISSUER}, two-only"},
            ),
            (token(iss=None), {"token_issuer": "", "known_issuers": f"{ISSUER}, two-only"}),
            (token(iss="x\n" * 400), {"token_issuer": "x?" * 50 + "…"}),
            (token(aud="other"), {"token_audience": "other", "expected_audience": AUDIENCE}),
            (token(aud=["a", "b"]), {"token_audience": "a, b", "expected_audience": AUDIENCE}),
            (token(aud=["a\x1b"] * 400), {"token_audience": "a?, " * 25 + "…"}),
        ],
    )
    async def test_told_to_operators(
        self, client: Client, bearer: str, facts: dict[str, str]
    ) -> None:
        """Who was expected, and who came, stands in the log alone, cut and printable."""
        with capture_logs() as logs, audited() as audit:
            response = await client.ask("presence-room", bearer=bearer)

        (line,) = (line for line in logs if line["event"] == "auth.refused")
        assert facts.items() <= line.items()
        assert facts.items() <= audit[0].items()
        assert line["reason"] == await reason(response)
        assert line["reason"] in {
            "the token's issuer is missing or not known here",
            "the token is not made for this audience",
        }
        assert bearer.rpartition(".")[2] not in str(logs)

    async def test_leeway(self, client: Client) -> None:
        """Clocks may differ by half a minute."""
        await fields(await client.ask("presence-room", bearer=token(exp=NOW - 29)))


class TestBadRequest:
    """400 and its kin: what is asked is not understood."""

    @pytest.mark.parametrize(
        "form,expected",
        [
            ({"channel_name": "presence-room"}, "socket_id"),
            ({"socket_id": "", "channel_name": "presence-room"}, "socket_id"),
            ({"socket_id": "1", "channel_name": "presence-room"}, "socket_id"),
            ({"socket_id": "1.2:presence-x", "channel_name": "presence-room"}, "socket_id"),
            ({"socket_id": "1.2\n", "channel_name": "presence-room"}, "socket_id"),
            ({"socket_id": "1.2"}, "channel name"),
            ({"socket_id": "1.2", "channel_name": ""}, "channel name"),
            ({"socket_id": "1.2", "channel_name": "private-a b"}, "channel name"),
            ({"socket_id": "1.2", "channel_name": "private-a:b"}, "channel name"),
            ({"socket_id": "1.2", "channel_name": "#private"}, "channel name"),
            ({"socket_id": "1.2", "channel_name": "private-" + "x" * 157}, "channel name"),
        ],
    )
    async def test_fields(self, client: Client, form: dict[str, str], expected: str) -> None:
        """The answer says which field is wrong."""
        response = await client.post(data=form, headers={"Authorization": f"Bearer {token()}"})

        assert response.status == 400
        assert expected in await reason(response)

    @pytest.mark.parametrize(
        "body,headers,status",
        [
            (b"", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
            (b"{", {"Content-Type": "application/json"}, 400),
            (b"[]", {"Content-Type": "application/json; charset=utf-8"}, 400),
            (b"\xff\xfe", {"Content-Type": "application/x-www-form-urlencoded"}, 400),
            (b"hello", {"Content-Type": "text/plain"}, 415),
            (b"not gzip", {"Content-Encoding": "gzip"}, 415),
            (b"x" * (64 * 1024 + 1), {}, 413),
        ],
    )
    async def test_body(
        self, client: Client, body: bytes, headers: dict[str, str], status: int
    ) -> None:
        response = await client.post(
            data=body, headers={"Authorization": f"Bearer {token()}"} | headers
        )

        assert response.status == status
        assert await reason(response)

    async def test_multipart(self, client: Client) -> None:
        form = FormData({"socket_id": "1.2"}, default_to_multipart=True)

        response = await client.post(data=form, headers={"Authorization": f"Bearer {token()}"})

        assert response.status == 415

    async def test_endless_body(self, client: Client) -> None:
        """A body without a length is cut off at the bound."""

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 4096

        response = await client.post(data=endless(), headers={"Authorization": f"Bearer {token()}"})

        assert response.status == 413

    async def test_slow_body(self) -> None:
        """A body that does not come is not waited for."""
        settings = AuthSettings(issuers=ISSUERS, read_timeout=0.05)
        answered = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            yield b"socket_id"
            await answered.wait()

        async with serving(ONE, settings=settings) as (client, _):
            response = await client.post(
                data=stalled(), headers={"Authorization": f"Bearer {token()}"}
            )
            answered.set()

        assert response.status == 408
