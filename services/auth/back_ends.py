"""
Back ends: their requests to auth, and what these are answered.

Whoever calls signs the request as for the Pusher HTTP API, or names its app's key and secret with
HTTP's Basic scheme, and speaks for its app alone.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from libs.common.apps.app import App
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act
from libs.common.rates.throttle import Throttle
from libs.common.web import http
from libs.common.web.authentication import (
    BASIC,
    AppAuthenticator,
    AppCall,
    BadCredentials,
    UnknownCaller,
    UnknownKey,
    WrongSecret,
)
from services.auth.refusals import note_refusal

Work = Callable[[AppCall], Awaitable[web.Response]]


class BackEnds:
    """
    Takes the requests of back ends.

    Args:
        authenticator: Tells which app's back end calls.
        throttle: Holds apps to their rates.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, authenticator: AppAuthenticator, throttle: Throttle, clock: Callable[[], float]
    ) -> None:
        self._authenticator = authenticator
        self._throttle = throttle
        self._own_throttle = Throttle(MemoryRates())
        self._clock = clock

    async def answered(self, request: web.Request, work: Work) -> web.Response:
        """Find out who calls, count the request, and answer with what `work` returns or refuses."""

        async def called(request: web.Request) -> web.Response:
            return await work(await self._call(request))

        return await http.answered(request, called, note=note_refusal, challenge=_challenge)

    async def check(self, call: AppCall, act: str, *, rate: float, cost: int = 1) -> None:
        """
        Hold the app that calls to a rate.

        Args:
            call: What is asked of us.
            act: What the app does, as its limits call it.
            rate: How much of it the app may do in a second; 0 or less: any number.
            cost: How much of it is to be done now.

        Raises:
            TooManyRequests: The app does it too often.
        """
        await self._throttle.check(Act(call.app.id, act), rate=rate, cost=cost)

    async def check_here(self, call: AppCall, act: str, *, rate: float) -> None:
        """
        Hold the app that calls to a rate of this process alone, which costs no round trip.

        Args:
            call: What is asked of us.
            act: What the app does, as its limits call it.
            rate: How much of it the app may do here in a second; 0 or less: any number.

        Raises:
            TooManyRequests: The app does it too often.
        """
        await self._own_throttle.check(Act(call.app.id, act), rate=rate)

    async def _call(self, request: web.Request) -> AppCall:
        if "auth_signature" in request.query:  # First: a proxy may add an Authorization of its own.
            call = await self._authenticator.signed(request)
        elif hdrs.AUTHORIZATION in request.headers:
            app = self._named(request)
            call = AppCall(app, await self._authenticator.body(request, app), self._clock())
        else:
            raise UnknownCaller
        act = Act(call.app.id, "auth_requests")
        await self._throttle.check(act, rate=call.app.limits.auth_requests)
        return call

    def _named(self, request: web.Request) -> App:
        try:
            return self._authenticator.named(request)
        except (UnknownKey, WrongSecret):
            raise
        except BadCredentials as error:
            raise UnknownCaller from error


def _challenge(_: Exception) -> str:
    return BASIC
