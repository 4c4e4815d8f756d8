"""
Who may ask: back ends, as for auth; and about a channel who holds a token for it.

Back ends sign the request as for the Pusher HTTP API, or name their app's key and secret with
HTTP's Basic scheme.

A token counts only after all commands in force have been heard once (`control.hearing`), so that
none that was revoked opens anything; neither does one from before its user was taken out of the
channel.
"""

import time
from collections.abc import Callable, Sequence
from typing import Literal

import structlog
from aiohttp import hdrs, web

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.channels import Channel, check_channel
from libs.common.control.commands import Command
from libs.common.control.hearing import hear
from libs.common.control.port import Control
from libs.common.errors import Forbidden, Unavailable
from libs.common.fairness.turns import in_turns
from libs.common.rates.port import Act, Rates
from libs.common.rates.throttle import Throttle
from libs.common.tokens.channel_tokens import permits, verify
from libs.common.tokens.expulsions import EXPEL, Expulsions
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.revocations import Revocations
from libs.common.web.authentication import (
    APPS,
    AppAuthenticator,
    AppCall,
    BadCredentials,
    UnknownCaller,
    UnknownKey,
    WrongSecret,
)
from libs.common.web.bodies.reading import MAX_BODY, check_announced
from libs.common.web.paths import check_path

WORD = f"presence/{APPS}"  # What follows a prefix in the paths of presence.

log = structlog.get_logger()


class NotCovered(Forbidden):
    """A token is good, and does not cover the channel that is asked about, if there is one."""

    def __init__(self) -> None:
        super().__init__("the token does not cover this channel")


class Access:
    """
    Knows who asks.  Lives while `run` runs.

    Args:
        apps: The tenants.
        ring: The keys of channel tokens.
        control: Tells which tokens are revoked, and who was taken out of which channels.
        rates: Counts what apps ask.
        read_timeout: Seconds that the body of a request may take to arrive.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        apps: Apps,
        ring: KeyRing,
        *,
        control: Control,
        rates: Rates,
        read_timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._apps = apps
        self._ring = ring
        self._control = control
        self._authenticator = AppAuthenticator(apps, read_timeout, word=WORD)
        self._throttle = Throttle(rates)
        self._clock = clock
        self._revocations = Revocations()
        self._expulsions = Expulsions()
        self._knows_all = False

    async def run(self) -> None:
        """Hear commands until cancelled."""
        await hear(self._control, self._take, informed=self._know_all)

    async def _take(self, commands: Sequence[Command]) -> None:
        now = self._clock()
        async for command in in_turns(commands):
            if app := self._revocations.add(command, now):
                log.error("revocations.folded", app=app)
            if command.verb == EXPEL and (app := self._expulsions.add(command, now).folded):
                log.error("expulsions.folded", app=app)

    def _know_all(self) -> None:
        self._knows_all = True

    async def back_end(self, request: web.Request) -> AppCall:
        """
        Let a back end ask.

        Raises:
            Denied: Nobody's, another app's, or a switched off app's.
            Invalid: The body cannot be read, the path is odd, or the app asks too often.
        """
        if _is_signed(request) or _scheme(request) != "basic":
            call = await self._authenticator.signed(request)
        else:
            check_announced(request, limit=MAX_BODY)
            app = self._named(request)
            call = AppCall(app, await self._authenticator.body(request, app), self._clock())
        await self._count(call.app)
        return call

    def _named(self, request: web.Request) -> App:
        check_path(request.rel_url.raw_path, request.match_info["prefix"], WORD, once=True)
        try:
            app = self._authenticator.named(request)
        except (UnknownKey, WrongSecret):
            raise
        except BadCredentials as error:
            raise UnknownCaller from error
        if app.id != request.match_info["app_id"]:
            raise UnknownCaller
        return app

    async def back_end_channel(
        self, request: web.Request, act: Literal["typing", "marks"]
    ) -> tuple[Channel, bytes]:
        """
        Let a back end say something of the channel of the path.

        Args:
            request: As received.
            act: What it says, which is kept and has a rate of its own.

        Returns:
            The channel, and the body of the request.

        Raises:
            BadChannelName: No channel has this name.
            Denied, Invalid: Those of `back_end`.
        """
        call = await self.back_end(request)
        channel, rate = _channel(request, call.app), getattr(call.app.limits, act)
        await self._throttle.check(Act(call.app.id, act), rate=rate)
        return channel, call.body

    async def channel(self, request: web.Request) -> Channel:
        """
        Let a back end ask about the channel of the path, or who holds a token that covers it.

        Raises:
            BadChannelToken: The token is not good here and now.
            NotCovered: It is good for other channels.
            Expelled: Its user was taken out of the channel since.
            Unavailable: It cannot be known whether the token was revoked.
            BadChannelName: No channel has this name.
            Denied, Invalid: Those of `back_end`.
        """
        if _scheme(request) == "bearer" and not _is_signed(request):
            app = self._covered(request, request.match_info["channel"])
            await self._count(app)
        else:
            app = (await self.back_end(request)).app
        return _channel(request, app)

    def _covered(self, request: web.Request, channel: str) -> App:
        check_path(request.rel_url.raw_path, request.match_info["prefix"], WORD, once=True)
        app, now = self._apps.by_id(request.match_info["app_id"]), self._clock()
        text = request.headers[hdrs.AUTHORIZATION].partition(" ")[2].strip()
        token = verify(text, self._ring, app=app, now=now)
        if not self._knows_all:
            raise Unavailable("control")
        self._revocations.check(token, now)
        if not permits(token, channel):
            raise NotCovered
        self._expulsions.check(app.id, token.user, channel, given_at=token.issued_at, now=now)
        return app

    async def _count(self, app: App) -> None:
        await self._throttle.check(Act(app.id, "reads"), rate=app.limits.reads)


def _channel(request: web.Request, app: App) -> Channel:
    name = request.match_info["channel"]
    check_channel(name, longest=app.limits.longest_channel_name)
    return Channel(app.id, name)


def _is_signed(request: web.Request) -> bool:
    return "auth_signature" in request.query  # First: a proxy may add an Authorization of its own.


def _scheme(request: web.Request) -> str:
    return request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[0].lower()
