"""
The auth endpoints over HTTP.

A client proves who it is with a bearer token, and is given what it shows the gateway.  401: not believed; 403:
believed and still not allowed, in words that do not tell whether the channel exists; 400: not understood.
"""

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from libs.common.apps import App, Apps
from libs.common.channels import Kind, check_channel, check_socket_id, kind_of
from libs.common.errors import Denied, Forbidden, Invalid, Unavailable
from libs.common.rates import Act, Rates
from libs.common.throttle import Throttle
from libs.common.web import answer, read_body, refusal
from services.auth.identity import BadToken, Issuers, User, bearer, prepared_key, verify
from services.auth.issuing import grant_channel, grant_user
from services.auth.policy import Decision, Policies
from services.auth.requests import Fields, parse, permission, preflight
from services.auth.settings import AuthSettings

_REALM = 'Bearer realm="fanfare"'
_SIGN_IN = Decision(allowed=False, pattern="", reason="a user's own channel needs a sign-in")

log = structlog.get_logger()

Work = Callable[[web.Request], Awaitable[web.Response]]


class NotAllowed(Forbidden):
    """
    A user may not join a channel, whether it exists or not.

    Attributes:
        facts: Who, what and why, for the operators' log alone.
    """

    def __init__(self, facts: dict[str, str]) -> None:
        super().__init__("you may not join this channel")
        self.facts = facts


class WrongApp(Forbidden):
    """A token is used for another app than the one its issuer is bound to."""

    def __init__(self) -> None:
        super().__init__("the token is not good for this app")


class AppUnnamed(Invalid):
    """A request does not say which app it is for, and there are several."""

    def __init__(self) -> None:
        super().__init__("name the app with ?app_key=")


class Api:
    """
    The endpoints.

    Args:
        apps: The tenants.
        settings: Whose tokens are believed, and bounds.
        policies: Who may join what; may be put in another's place at any time.
        rates: Counts what apps do.
        clock: UTC epoch seconds.

    Raises:
        Misconfigured: An issuer's key cannot be used.
    """

    def __init__(
        self,
        apps: Apps,
        settings: AuthSettings,
        *,
        policies: Policies,
        rates: Rates,
        clock: Callable[[], float],
    ) -> None:
        self.policies = policies
        self._apps = apps
        self._settings = settings
        self._issuers = Issuers(settings.issuers)
        self._keys = {issuer.issuer: prepared_key(issuer) for issuer in settings.issuers}
        self._throttle = Throttle(rates)
        self._clock = clock

    async def authorise_channel(self, request: web.Request) -> web.Response:
        """Answer ``{"auth", …}`` for a channel, or the reason why not."""
        return await self._answered(request, self._channel)

    async def authenticate_user(self, request: web.Request) -> web.Response:
        """Answer ``{"auth", "user_data"}`` for a sign-in, or the reason why not."""
        return await self._answered(request, self._user)

    async def allow_origin(self, request: web.Request) -> web.Response:
        """Answer a browser that asks, before a page of another origin posts."""
        headers = self._permission(request)
        if "Access-Control-Allow-Origin" in headers:
            headers |= preflight(request.headers)
        return web.Response(status=204, headers=headers)

    async def _answered(self, request: web.Request, work: Work) -> web.Response:
        # Not left to the server's middleware: a page can read a refusal only with the headers of CORS.
        try:
            response = await work(request)
        except (Invalid, Denied, Unavailable) as error:
            log.info("auth.refused", path=request.path, status=error.status, **_facts(error))
            response = refusal(error)
            if error.status == 401:
                response.headers[hdrs.WWW_AUTHENTICATE] = _challenge(error)
        response.headers.update(self._permission(request))
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    async def _channel(self, request: web.Request) -> web.Response:
        user = self._caller(request)
        app = await self._app(request, user)
        fields = await self._fields(request)
        self._decide(app, fields.channel_name, user)
        return answer(grant_channel(app, fields.socket_id, channel=fields.channel_name, user=user))

    async def _user(self, request: web.Request) -> web.Response:
        user = self._caller(request)
        app = await self._app(request, user)
        fields = await self._fields(request)
        return answer(grant_user(app, fields.socket_id, user=user))

    def _caller(self, request: web.Request) -> User:
        token = bearer(request.headers.get(hdrs.AUTHORIZATION))
        issuer = self._issuers.of(token)
        return verify(token, issuer, key=self._keys[issuer.issuer], now=self._clock())

    async def _app(self, request: web.Request, user: User) -> App:
        """Find the app, and count the request."""
        app = self._found(request, user)
        act = Act(app.id, "auth_requests")
        await self._throttle.check(act, rate=app.limits.auth_requests)
        return app

    def _found(self, request: web.Request, user: User) -> App:
        """Find the app: the one named, else the one that the issuer is bound to, else the only one."""
        key, bound = request.query.get("app_key"), user.issuer.app
        if key:
            app = self._apps.by_key(key)
            if bound not in {"", app.id}:
                raise WrongApp
            return app
        if bound:
            return self._apps.by_id(bound)
        apps = self._apps.all()
        if len(apps) != 1:
            raise AppUnnamed
        return self._apps.by_id(apps[0].id)

    async def _fields(self, request: web.Request) -> Fields:
        media_type = request.content_type if hdrs.CONTENT_TYPE in request.headers else ""
        body = await read_body(
            request, limit=self._settings.max_body, timeout=self._settings.read_timeout
        )
        fields = parse(body, media_type)
        check_socket_id(fields.socket_id)
        return fields

    def _decide(self, app: App, channel: str, user: User) -> None:
        check_channel(channel)
        decision = _SIGN_IN
        if kind_of(channel) is not Kind.USER:
            decision = self.policies.decide(app.id, channel, user)
        facts = {"app": app.id, "channel": channel, "user": user.id, "pattern": decision.pattern}
        if not decision.allowed:
            raise NotAllowed({**facts, "reason": decision.reason})
        log.debug("channel.granted", **facts)

    def _permission(self, request: web.Request) -> dict[str, str]:
        """Compose the headers of CORS.  Where no app is named it may be any: the token is not known yet."""
        key = request.query.get("app_key")
        try:
            apps = (self._apps.by_key(key),) if key else self._apps.all()
        except (Denied, Unavailable):
            apps = ()
        return permission(request.headers, apps)


def _facts(error: Exception) -> dict[str, str]:
    return error.facts if isinstance(error, NotAllowed) else {"reason": str(error)}


def _challenge(error: Exception) -> str:
    """Word a ``WWW-Authenticate`` (RFC 6750, 3: a request without a token gets no error code)."""
    if not isinstance(error, BadToken):
        return _REALM
    return f'{_REALM}, error="invalid_token", error_description="{error}"'
