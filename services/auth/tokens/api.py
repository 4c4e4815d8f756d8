"""
Channel tokens over HTTP, for back ends: issued, asked about, revoked.

The public keys are for everybody.  A back end speaks for its app alone: another app's token is
none.  Source: RFC 7662, RFC 7009, RFC 7517.
"""

import hashlib
from collections.abc import Callable, Iterable

import msgspec
import structlog
from aiohttp import ETag, hdrs, web

from libs.common.control.commands import Command
from libs.common.errors import kind_of_refusal
from libs.common.telemetry.audit import audit_log
from libs.common.tokens.channel_tokens import LEEWAY, ChannelToken, hint, issue, new_jti, verify
from libs.common.tokens.key_ring import BadChannelToken, KeyRing
from libs.common.tokens.revocations import REVOKE
from libs.common.web.authentication import AppCall
from libs.common.web.http import answer
from services.auth.back_ends import BackEnds
from services.auth.tokens.requests import grant_of, question_of, revocation_of
from services.auth.tokens.revocations import RevocationList

KEYS_PATH = "/.well-known/jwks.json"
KEYS_AGE = 300  # Seconds for which others may keep the public keys.

_INACTIVE = {"active": False}

log = structlog.get_logger()


class TokensApi:
    """
    The endpoints.

    Args:
        back_ends: Whose requests are answered.
        ring: The keys of channel tokens.
        revocations: Gives and hears revocations.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        back_ends: BackEnds,
        ring: KeyRing,
        *,
        revocations: RevocationList,
        clock: Callable[[], float],
    ) -> None:
        self._back_ends = back_ends
        self._ring = ring
        self._revocations = revocations
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the endpoints; they stand under no prefix, as back ends know where they call."""
        return [
            web.post("/auth/tokens", self._issue),
            web.post("/auth/validate", self._validate),
            web.post("/auth/revoke", self._revoke),
            web.get(KEYS_PATH, self._tell_keys),
        ]

    async def _issue(self, request: web.Request) -> web.Response:
        """Answer ``{"token", "jti", "expires_at"}``."""

        async def work(call: AppCall) -> web.Response:
            grant = grant_of(call.body)
            await self._back_ends.check_here(call, "tokens", rate=call.app.limits.tokens)
            now = self._clock()
            text, token = issue(grant, self._ring, app_id=call.app.id, now=now, jti=new_jti())
            log.info("token.issued", app=token.app, user=token.user, jti=token.jti)
            expires_at = int(token.expires_at)
            return answer({"token": text, "jti": token.jti, "expires_at": expires_at})

        return await self._back_ends.answered(request, work)

    async def _validate(self, request: web.Request) -> web.Response:
        """Answer what a good token says, or ``{"active": false}`` (RFC 7662, 2.2)."""

        async def work(call: AppCall) -> web.Response:
            question = question_of(call.body, _media_type(request))
            try:
                token = verify(question.token, self._ring, app=call.app, now=self._clock())
                self._revocations.check(token)
            except BadChannelToken as error:
                kind = kind_of_refusal(error)
                log.info("token.refused", app=call.app.id, reason=str(error), pace_by=kind)
                return answer(_INACTIVE)
            return answer(_told(token))

        return await self._back_ends.answered(request, work)

    async def _revoke(self, request: web.Request) -> web.Response:
        """Answer ``{}`` when all gateways have their command, or none is needed (RFC 7009, 2.2)."""

        async def work(call: AppCall) -> web.Response:
            command = self._command(call, _media_type(request))
            if command is not None:
                limits = call.app.limits
                await self._back_ends.check(call, "revocations", rate=limits.revocations)
                await self._revocations.send(command, most=limits.commands)
                log.info(
                    "token.revoked", app=command.app, kind=command.kind, subject=command.subject
                )
                audit_log.info(
                    "audit.revoked", app=command.app, kind=command.kind, subject=command.subject
                )
            return answer({})

        return await self._back_ends.answered(request, work)

    async def _tell_keys(self, request: web.Request) -> web.Response:
        """Answer the public keys of now as a JWK Set: the settings may have been read again."""
        keys = msgspec.json.encode({"keys": self._ring.jwks()})
        mark = hashlib.sha256(keys).hexdigest()[:32]
        headers = {
            hdrs.CACHE_CONTROL: f"public, max-age={KEYS_AGE}",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
        }
        known = mark in {tag.value for tag in request.if_none_match or ()}
        response = web.Response(
            status=304 if known else 200,
            body=None if known else keys,
            content_type="application/jwk-set+json",
            headers=headers,
        )
        response.etag = ETag(mark)
        return response

    def _command(self, call: AppCall, media_type: str) -> Command | None:
        """
        Compose what control is to be told; None where there is nothing that could be accepted.

        A token's signature is not asked for: it may be of a key that this process does not know
        yet, and whoever calls may revoke any ``jti`` of its app.
        """
        revocation = revocation_of(call.body, media_type)
        now = self._clock()
        last = now + self._ring.max_ttl + LEEWAY  # No token that is issued now is good for longer.
        if revocation.user:
            return Command(REVOKE, call.app.id, revocation.user, now, last, kind="user")
        if revocation.jti:
            return Command(REVOKE, call.app.id, revocation.jti, now, last, kind="jti")
        said = hint(revocation.token)
        if said is None or call.app.id not in said.app_ids or not said.expires_at > now:
            return None
        expires_at = min(said.expires_at, last)
        return Command(REVOKE, call.app.id, said.jti, now, expires_at, kind="token")


def _media_type(request: web.Request) -> str:
    return request.content_type if hdrs.CONTENT_TYPE in request.headers else ""


def _told(token: ChannelToken) -> dict[str, object]:
    return {
        "active": True,
        "iss": token.issuer,
        "aud": token.app,
        "sub": token.user,
        "jti": token.jti,
        "iat": int(token.issued_at),
        "exp": int(token.expires_at),
        "channels": token.channels,
        "user_info": token.user_info,
        "claims": token.claims,
    }
