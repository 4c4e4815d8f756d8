"""Revoking channel tokens over real HTTP: RFC 7009, and what control is told."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.control.commands import Command
from libs.common.tokens.channel_tokens import LEEWAY, hint
from tests.support.clients.token_calls import FORM, JSON, FaultyControl, TokenCaller
from tests.support.fakes.logs import audited
from tests.support.services.auth import NOW, ONE, TWO, Client, reason, serving
from tests.support.tokens.keys import forged, payload, settings

SETTINGS = settings()
LAST = NOW + SETTINGS.max_ttl + LEEWAY  # When the last token that may exist now expires.


@pytest.fixture
def control() -> FaultyControl:
    """Return what all processes share."""
    return FaultyControl(lambda: NOW)


@pytest.fixture
async def client(control: FaultyControl) -> AsyncIterator[Client]:
    """Auth for two apps."""
    async with serving(ONE, TWO, tokens=SETTINGS, control=control) as (client, _):
        yield client


@pytest.fixture
def one(client: Client) -> TokenCaller:
    """Return the first app's back end."""
    return TokenCaller(client, ONE)


def jti_of(text: str) -> str:
    said = hint(text)
    assert said
    return said.jti


class TestRevoke:
    """``POST /auth/revoke``."""

    async def test_token(self, one: TokenCaller, control: FaultyControl) -> None:
        """Gateways are told its name, until it would have expired; its text goes nowhere."""
        text, other = await one.issued(ttl=600), await one.issued(ttl=600)

        with capture_logs() as logs:
            response = await one.revoke(token=text, token_type_hint="access_token")

        assert (response.status, await response.json()) == (200, {})
        assert response.headers["Cache-Control"] == "no-store"
        assert control.sent == [
            Command("revoke", "1", jti_of(text), NOW, NOW + 600, kind="token"),
        ]
        assert text not in str(logs)
        assert not await one.is_active(text)
        assert await one.is_active(other)

    async def test_jti(self, one: TokenCaller, control: FaultyControl) -> None:
        """Of a token of which only the name is known the longest life is assumed."""
        text = await one.issued()

        response = await one.revoke(jti=jti_of(text))

        assert response.status == 200
        assert control.sent == [Command("revoke", "1", jti_of(text), NOW, LAST, kind="jti")]
        assert not await one.is_active(text)

    async def test_user(self, one: TokenCaller, control: FaultyControl) -> None:
        """All tokens of a user that were issued until now, and of nobody else."""
        texts = [await one.issued(), await one.issued(ttl=60), await one.issued(user="8")]

        response = await one.revoke(user="7")

        assert response.status == 200
        assert control.sent == [Command("revoke", "1", "7", NOW, LAST, kind="user")]
        assert [await one.is_active(text) for text in texts] == [False, False, True]

    async def test_user_comes_back(self) -> None:
        """A token that is issued after its user was revoked is good."""
        now = NOW

        def clock() -> float:
            return now

        async with serving(ONE, tokens=SETTINGS, clock=clock) as (client, _):
            one = TokenCaller(client, ONE)
            before = await one.issued()
            await one.revoke(user="7")
            now = NOW + 0.001
            after = await one.issued()

            assert not await one.is_active(before)
            assert await one.is_active(after)

    async def test_json(self, one: TokenCaller, control: FaultyControl) -> None:
        text = await one.issued()

        with audited() as audit:
            await one.ask("/auth/revoke", msgspec.json.encode({"token": text}), JSON)
        assert [(line["event"], line["kind"]) for line in audit] == [("audit.revoked", "token")]
        assert text not in str(audit)

        assert [command.kind for command in control.sent] == ["token"]

    async def test_new_key(self, one: TokenCaller, control: FaultyControl) -> None:
        """A token of a key that this process does not know yet is revoked: others may know it."""
        response = await one.revoke(token=forged(kid="published elsewhere"))

        assert response.status == 200
        assert [command.subject for command in control.sent] == ["j"]

    async def test_endless(self, one: TokenCaller, control: FaultyControl) -> None:
        """What says that it never expires is believed by nobody, and not remembered for ever."""
        await one.revoke(token=forged(payload(exp=NOW + 1e9)))

        assert [command.expires_at for command in control.sent] == [LAST]

    @pytest.mark.parametrize(
        "text",
        [
            "nonsense",
            "a.b.c",
            "x" * 100_000,
            forged(payload(exp=NOW)),
            forged(payload(aud="2")),
            forged(payload(jti=None)),
        ],
    )
    async def test_unknown(self, one: TokenCaller, control: FaultyControl, text: str) -> None:
        """RFC 7009, 2.2: what is no token of the app, or none any more, needs no revoking."""
        response = await one.revoke(token=text)

        assert (response.status, control.sent) == (200, [])

    async def test_other_app(self, client: Client, one: TokenCaller) -> None:
        """An app revokes its own tokens and users, and no other's."""
        text = await one.issued()
        two = TokenCaller(client, TWO)

        for fields in ({"token": text}, {"jti": jti_of(text)}, {"user": "7"}):
            assert (await two.revoke(**fields)).status == 200

        assert await one.is_active(text)

    @pytest.mark.parametrize(
        "body,media_type,status",
        [
            (b"", FORM, 400),
            (b"token=", FORM, 400),
            (b"token=a&jti=b", FORM, 400),
            (b"user=a&jti=b", FORM, 400),
            (b"user=a&user=b", FORM, 400),
            (b"user=" + b"x" * 129, FORM, 400),
            (b"jti=" + b"x" * 129, FORM, 400),
            (b"{}", JSON, 400),
            (b'{"user": 7}', JSON, 400),
            (b"user=7", "text/plain", 415),
        ],
    )
    async def test_bad_body(
        self,
        one: TokenCaller,
        control: FaultyControl,
        *,
        body: bytes,
        media_type: str,
        status: int,
    ) -> None:
        """What is not clear revokes nothing."""
        response = await one.ask("/auth/revoke", body, media_type)

        assert (response.status, control.sent) == (status, [])
        assert await reason(response)

    async def test_control_away(self, one: TokenCaller, control: FaultyControl) -> None:
        """A revocation that nobody was told of is not acknowledged, and works when it is repeated."""
        text = await one.issued()
        await one.heard()
        control.is_away = True
        refused = await one.revoke(token=text)
        still = await one.is_active(text)
        control.is_away = False
        done = await one.revoke(token=text)

        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert still
        assert done.status == 200
        assert not await one.is_active(text)


class TestElsewhere:
    """Several processes."""

    async def test_heard(self, one: TokenCaller, control: FaultyControl) -> None:
        """What another process revoked, also before this one began, is refused here."""
        early, late = await one.issued(), await one.issued()
        await one.revoke(token=early)
        async with serving(ONE, TWO, tokens=SETTINGS, control=control) as (client, _):
            other = TokenCaller(client, ONE)
            first = await other.is_active(early)
            before = await other.is_active(late)
            await one.revoke(token=late)
            response = await other.validate(late)
            while (await response.json())["active"]:  # Announced, not waited for.
                response = await other.validate(late)

        assert (first, before) == (False, True)
