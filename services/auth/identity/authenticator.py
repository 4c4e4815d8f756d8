"""
Who is calling: from a request to a user.

The shell around `bearer_tokens`, `jwk_sets` and `opaque_tokens`: it looks keys up, asks identity
servers, and holds what runs beside.  A token of an issuer of the settings is verified here, and
shown to nobody, good or bad; nor is a channel token.  Any other is asked about, if the app has
somebody to ask.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.config.address import Network
from libs.common.web.entrance import caller_of
from libs.common.web.health import Dependency
from services.auth.identity.app_lookup import app_for
from services.auth.identity.asking.fair_line import FairLine
from services.auth.identity.asking.unknown_tokens import UnknownTokens
from services.auth.identity.bearer_tokens import (
    BadToken,
    Identity,
    Issuers,
    UnverifiedToken,
    taken_apart,
    verify,
)
from services.auth.identity.credentials import Credential, credential
from services.auth.identity.introspection import Introspector
from services.auth.identity.jwks import Jwks
from services.auth.identity.provider_client import ProviderClient
from services.auth.identity.verifying_keys import VerifyingKey, prepared_key
from services.auth.settings import AuthSettings, Issuer


class UserAuthenticator:
    """
    Knows users by their tokens, while it runs.

    Args:
        apps: The tenants.
        settings: The issuers whose tokens are believed, and how users come with tokens.
        clock: UTC epoch seconds.
        timer: Monotonic seconds.
        allow: Networks where identity servers may be, beyond the usual.

    Attributes:
        jwks: The keys that issuers publish, by the issuer.

    Raises:
        Misconfigured: An issuer's key cannot be used.
    """

    def __init__(
        self,
        apps: Apps,
        settings: AuthSettings,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        allow: Sequence[Network] = (),
    ) -> None:
        self._apps = apps
        self._cookie = settings.cookie
        self._clock = clock
        self._client = ProviderClient(allow)
        self._issuers = Issuers(settings.issuers)
        self._keys = {
            issuer.issuer: prepared_key(issuer) for issuer in settings.issuers if not issuer.jwks
        }
        self.jwks = {
            issuer.issuer: Jwks(
                issuer,
                self._client,
                ttl=settings.jwks_ttl,
                max_age=settings.jwks_max_age,
                timer=timer,
            )
            for issuer in settings.issuers
            if issuer.jwks
        }
        unknown = UnknownTokens(settings.unknown_tokens, burst=settings.unknown_tokens_burst)
        lines: defaultdict[str, FairLine] = defaultdict(FairLine)  # One for each server.
        self._introspectors = {
            spec.app: Introspector(
                spec,
                self._client,
                clock=clock,
                timer=timer,
                line=lines[urlsplit(spec.url).netloc],
                unknown=unknown,
            )
            for spec in settings.introspection
        }

    async def run(self) -> None:
        """Keep what tokens are verified with at hand, until cancelled."""
        async with self._client.opened(), asyncio.TaskGroup() as tasks:
            for jwks in self.jwks.values():
                tasks.create_task(jwks.run())
            await asyncio.Event().wait()

    def dependencies(self) -> Iterable[Dependency]:
        """Name the identity servers: whether they answered when they were last asked."""
        for name, jwks in self.jwks.items():
            yield Dependency(f"keys of {name}", jwks.check, is_needed=False)
        for app, one in self._introspectors.items():
            yield Dependency(f"introspection of {app}", one.check, is_needed=False)

    async def user(self, request: web.Request) -> Identity:
        """
        Tell who is calling.

        Raises:
            MissingToken: The request brings no token.
            BadToken: It is not believed.
            ForeignOrigin: It came in a cookie, from a page that is not the app's.
            TooManyUnknownTokens: Its address has brought too many that nobody believed yet.
            ProviderUnavailable: That cannot be told now.
            AppUnnamed, WrongApp, UnknownApp, AppDisabled, Unavailable: Whom to ask depends on the
                app, see `app_for`.
        """
        brought = credential(request.headers, cookie=self._cookie)
        try:
            token = taken_apart(brought.token)
            issuer = self._issuers.of(token)
        except BadToken:
            if self._issuers.claimed_by(brought.token):
                raise
            introspector = self._introspector(request, brought)
            if introspector is None:
                raise
            return await introspector.user(brought, address=caller_of(request).site)
        if brought.cookie:
            self._check_origin(request, brought, bound=issuer.app)
        key = await self._key(issuer, token, address=caller_of(request).site)
        return verify(token, issuer, key=key, now=self._clock())

    async def _key(self, issuer: Issuer, token: UnverifiedToken, *, address: str) -> VerifyingKey:
        jwks = self.jwks.get(issuer.issuer)
        if jwks is None:
            return self._keys[issuer.issuer]
        return await jwks.find(token.header_for(issuer), address=address)

    def _introspector(self, request: web.Request, brought: Credential) -> Introspector | None:
        if not self._introspectors:
            return None
        app = app_for(self._apps, request.query.get("app_key"), bound="")
        brought.check_origin(app)
        return self._introspectors.get(app.id)

    def _check_origin(self, request: web.Request, brought: Credential, *, bound: str) -> None:
        brought.check_origin(app_for(self._apps, request.query.get("app_key"), bound=bound))
