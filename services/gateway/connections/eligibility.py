"""
Who may connect, and as what it counts.

A client must speak a version of the protocol that is known, name an app that is switched on, come
from an origin of that app, bring a good token if it brings one, and find room: here, and within its
app's quotas.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sized
from contextlib import suppress
from functools import partial

from aiohttp import hdrs

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.errors import Invalid
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Subject
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.web.door.short_request import ShortRequest
from libs.common.web.entrance import caller_of
from libs.common.web.paths import check_path
from services.gateway.access.verifier import Verified, Verifier
from services.gateway.connections.wrong_paths import PathNotFound
from services.gateway.held_writes import Held
from services.gateway.protocol.handshake import check_client, check_version
from services.gateway.protocol.limits import OVER_CAPACITY
from services.gateway.quotas.limiter import Admitted, ConnectionLimiter, Entering
from services.gateway.quotas.quotas import of_connection
from services.gateway.timers import TIMERS, Timers

_PATH = re.compile(r"/(?P<prefix>(?:.*/)?)app/(?P<key>[^{}/]+)")


class OverCapacity(Invalid):
    """The gateway holds as many connections as it may, or is going."""

    code = OVER_CAPACITY


Answer = Admitted | OverCapacity


class Eligibility:
    """
    Judges newcomers.

    Args:
        apps: The apps whose clients may connect.
        verifier: What is known of channel tokens.
        informed: Set when it is known what is revoked.
        limiter: Counts connections on all gateways.
        here: The connections of this gateway.
        most: How many of them there may be; 0 or -1: any number.
        timers: How long a client with a token waits until it is known what is revoked.

    Attributes:
        is_closed: Whether nobody is let in any more, as the gateway is going.
    """

    def __init__(
        self,
        apps: Apps,
        verifier: Verifier,
        *,
        informed: asyncio.Event,
        limiter: ConnectionLimiter,
        here: Sized,
        most: int,
        timers: Timers = TIMERS,
    ) -> None:
        self._apps = apps
        self._verifier = verifier
        self._informed = informed
        self._limiter = limiter
        self._here = here
        self._most = most
        self._timers = timers
        self.is_closed = False

    def examine(self, request: ShortRequest) -> tuple[App, Verified | StaleToken | None]:
        """
        Tell whose client it is, and which token it brings.

        Raises:
            NotInformed: That cannot be told yet: see `informed`.
            Invalid, Denied, Unavailable: It may not connect, or not now.
        """
        found = _PATH.fullmatch(request.rel_url.path_safe)
        if found is None:
            raise PathNotFound(request.path)
        check_path(request.rel_url.raw_path, found["prefix"], "app")
        check_version(request.query)
        app = self._apps.by_key(found["key"])
        caller = caller_of(request)
        check_client(app, request.headers.get(hdrs.ORIGIN), is_secure=caller.is_secure)
        token = request.query.get("token")
        return app, self._verifier.carried(token, app, now=time.monotonic())

    async def informed(self) -> None:
        """Wait until it is known what is revoked, but no longer than a client should."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timers.informed):
                await self._informed.wait()

    def enter(
        self, app: App, site: str, *, socket: Held, answer: Callable[[Answer], None]
    ) -> Entering | None:
        """
        Count a newcomer, if there is room for it here and in its quotas.

        Args:
            app: The app whose client it is.
            site: The address that it counts for, as `Caller.site` has it.
            socket: What tells it: held until whoever asks finds it counted.
            answer: See `ConnectionLimiter.admit`.

        Returns:
            See `ConnectionLimiter.admit`.

        Raises:
            OverCapacity: There is no room here.
        """
        self._check_capacity()
        judged = partial(self._judged, answer)
        return self._limiter.admit(of_connection(app, site), socket, answer=judged)

    def _judged(self, answer: Callable[[Answer], None], admitted: Admitted) -> None:
        """Pass on an answer, if there is room still."""
        told: Answer = admitted
        if isinstance(admitted, tuple):
            try:  # Again: while it waited for its turn others came, or the gateway began to go.
                self._check_capacity()
            except OverCapacity as error:
                self._limiter.leave(admitted)
                told = error
        answer(told)

    def leave(self, subjects: tuple[Subject, ...]) -> None:
        """Count a connection no longer."""
        self._limiter.leave(subjects)

    def _check_capacity(self) -> None:
        if self.is_closed:
            raise OverCapacity("this gateway is going")
        if 0 < self._most <= len(self._here):
            note_limited("max_connections")
            raise OverCapacity("this gateway holds as many connections as it may")
