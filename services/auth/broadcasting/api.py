"""
The auth endpoints over HTTP.

A client proves who it is with a bearer token, and is given what it shows the gateway.  401: not
believed; 403: believed and still not allowed, in words that do not tell whether the channel exists;
400: not understood.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.channels import Kind, check_channel, kind_of
from libs.common.errors import Denied, Forbidden, Invalid, Unavailable
from libs.common.json_text import whole, write
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Decision
from libs.common.rates.port import Act, Rates
from libs.common.rates.throttle import Throttle
from libs.common.web.bodies.budget import Owner
from libs.common.web.bodies.reading import read_body
from libs.common.web.cors import permission, permission_with_cookie, preflight
from libs.common.web.entrance import caller_of, name_app
from libs.common.web.http import answer, answered
from services.auth.bodies import FORM
from services.auth.broadcasting.client_rates import ClientRates
from services.auth.broadcasting.decisions import Decisions
from services.auth.broadcasting.grants import ChannelGrant, UserGrant, grant_channel, grant_user
from services.auth.broadcasting.jsonp import MEDIA_TYPE, check_callback, page, script
from services.auth.broadcasting.requests import Fields, parse
from services.auth.counters import AuthCounters
from services.auth.identity.app_lookup import app_for
from services.auth.identity.authenticator import UserAuthenticator
from services.auth.identity.bearer_tokens import BadToken, Identity
from services.auth.refusals import note_refusal
from services.auth.settings import AuthSettings

_REALM = 'Bearer realm="fanfare"'
_SIGN_IN = Decision(allowed=False, pattern="", reason="a user's own channel needs a sign-in")

log = structlog.get_logger()

Work = Callable[[web.Request], Awaitable[Any]]  # Returns what is answered, as JSON.


class NotAllowed(Forbidden):
    """
    A user may not join a channel, whether it exists or not.

    Args:
        decision: What the policies say.
        hint: What may be meant instead; empty: nothing is known.
        who: The app, the channel and the user, by name.

    Attributes:
        facts: Who, what and why, for the operators' log alone.
    """

    def __init__(self, decision: Decision, hint: str, **who: str) -> None:
        super().__init__("you may not join this channel")
        self.facts = {**who, "pattern": decision.pattern, "reason": decision.reason}
        if hint:
            self.facts["hint"] = hint


class BroadcastingApi:
    """
    The endpoints.

    Args:
        apps: The tenants.
        settings: Bounds of requests and rates, and the name of the cookie.
        authenticator: Tells who is calling.
        decisions: Who may join what.
        guards: Tell which claims gateways must know of a user who signs in.
        rates: Counts what apps do.
        counters: Count what is answered.
    """

    def __init__(
        self,
        apps: Apps,
        settings: AuthSettings,
        *,
        authenticator: UserAuthenticator,
        decisions: Decisions,
        guards: Guards,
        rates: Rates,
        counters: AuthCounters,
    ) -> None:
        self._counters = counters
        self._decisions = decisions
        self._guards = guards
        self._apps = apps
        self._settings = settings
        self._authenticator = authenticator
        self._throttle = Throttle(rates)
        self._client_rates = ClientRates(
            per_address=settings.requests_per_address, per_user=settings.requests_per_user
        )

    def replace(self, guards: Guards) -> None:
        """Put other policies of public channels in the place of all."""
        self._guards = guards

    async def authorise_channel(self, request: web.Request) -> web.Response:
        """Answer ``{"auth", …}`` for a channel, or for each of several, or the reason why not."""
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
        began = time.monotonic()
        response = await answered(
            request, partial(self._admitted, work), note=note_refusal, challenge=_challenge
        )
        # Of refusals too: without them a page cannot read why.
        response.headers.update(self._permission(request))
        self._counters.seconds.record(time.monotonic() - began)
        self._counters.requests[response.status] += 1
        return response

    async def _admitted(self, work: Work, request: web.Request) -> web.Response:
        with suppress(Denied, Unavailable):  # Judged once the user is known.
            name_app(request, self._apps.by_key(request.query.get("app_key", "")).id)
        await self._client_rates.check_address(caller_of(request).site)
        if request.method == hdrs.METH_GET:
            return await _by_script(request, work)
        return answer(await work(request))

    async def _channel(self, request: web.Request) -> ChannelGrant | dict[str, Any]:
        user = await self._authenticator.user(request)
        app = await self._app(request, user)
        fields = await self._fields(request, (app.id, user.id))
        if not fields.channels:
            return await self._grant(app, fields.socket_id, channel=fields.channel_name, user=user)
        async with asyncio.TaskGroup() as tasks:
            asked = {
                channel: tasks.create_task(
                    self._one_of_several(
                        request, app, socket_id=fields.socket_id, channel=channel, user=user
                    )
                )
                for channel in dict.fromkeys(fields.channels)
            }
        return {"channels": {channel: task.result() for channel, task in asked.items()}}

    async def _one_of_several(
        self, request: web.Request, app: App, *, socket_id: str, channel: str, user: Identity
    ) -> ChannelGrant | dict[str, Any]:
        try:
            return await self._grant(app, socket_id, channel=channel, user=user)
        except (Invalid, Denied, Unavailable) as error:
            note_refusal(request, error)
            return {"error": str(error), "status": error.status}

    async def _user(self, request: web.Request) -> UserGrant:
        user = await self._authenticator.user(request)
        app = await self._app(request, user)
        fields = await self._fields(request, (app.id, user.id))
        return grant_user(app, fields.socket_id, user=user, told=self._guards.claims(app.id))

    async def _app(self, request: web.Request, user: Identity) -> App:
        """Find the app, and count the request."""
        app = app_for(self._apps, request.query.get("app_key"), bound=user.issuer.app)
        name_app(request, app.id)
        await self._client_rates.check_user(app.id, user.id)
        act = Act(app.id, "auth_requests")
        await self._throttle.check(act, rate=app.limits.auth_requests)
        return app

    async def _fields(self, request: web.Request, owner: Owner) -> Fields:
        if request.method == hdrs.METH_GET:
            return parse(request.rel_url.raw_query_string.encode(), FORM)
        media_type = request.content_type if hdrs.CONTENT_TYPE in request.headers else ""
        body = await read_body(
            request,
            limit=self._settings.max_body,
            timeout=self._settings.read_timeout,
            owner=owner,
        )
        return parse(body, media_type)

    async def _grant(
        self, app: App, socket_id: str, *, channel: str, user: Identity
    ) -> ChannelGrant:
        """Grant a channel, and count what is decided."""
        result = "refused"
        try:
            grant = await self._granted(app, socket_id, channel=channel, user=user)
            result = "granted"
        except Unavailable:
            result = "unavailable"
            raise
        finally:
            self._counters.channels[result] += 1
        return grant

    async def _granted(
        self, app: App, socket_id: str, *, channel: str, user: Identity
    ) -> ChannelGrant:
        check_channel(channel, longest=app.limits.longest_channel_name)
        decision = _SIGN_IN
        if kind_of(channel) is not Kind.USER:
            decision = await self._decisions.decide(app.id, channel, user)
        if not decision.allowed:
            hint = self._decisions.hint(app.id, channel, user)
            raise NotAllowed(decision, hint, app=app.id, channel=channel, user=user.id)
        log.debug(
            "channel.granted", app=app.id, channel=channel, user=user.id, pattern=decision.pattern
        )
        return grant_channel(app, socket_id, channel=channel, user=user, now=time.time())

    def _permission(self, request: web.Request) -> dict[str, str]:
        """Compose the headers of CORS; where no app is named, any may be meant."""
        key = request.query.get("app_key")
        try:
            apps = (self._apps.by_key(key),) if key else self._apps.all()
        except (Denied, Unavailable):
            apps = ()
        compose = permission_with_cookie if self._settings.cookie else permission
        return compose(request.headers, apps)


async def _by_script(request: web.Request, work: Work) -> web.Response:
    """Answer with a script that calls a function of the page (JSONP)."""
    callback = request.query.get("callback")
    if callback is None:
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_OPTIONS, hdrs.METH_POST])
    check_callback(callback)
    # What is not UTF-8 could not be cloned.
    headers = CIMultiDict((name, whole(text)) for name, text in request.headers.items())
    headers[hdrs.ORIGIN] = page(headers)
    payload = write(await work(request.clone(headers=headers)))
    return web.Response(
        body=script(callback, payload),
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


def _challenge(error: Exception) -> str:
    """Word a ``WWW-Authenticate`` (RFC 6750, 3: a request without a token gets no error code)."""
    if not isinstance(error, BadToken):
        return _REALM
    return f'{_REALM}, error="invalid_token", error_description="{error}"'
