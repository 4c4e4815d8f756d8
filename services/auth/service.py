"""
The auth service: who may join what.

A core that decides (`identity`, `policy`, `issuing`) and endpoints around it.  It holds no connections and no
state of its own; a gateway checks what it has issued without asking.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from aiohttp import web

from libs.common.apps import Apps
from libs.common.errors import Unavailable
from libs.common.rates import Rates
from services.auth.api import Api
from services.auth.policy import Policies
from services.auth.settings import AuthSettings

# Laravel's names and pusher-js's, for the same two questions.
CHANNEL_PATHS = ("/broadcasting/auth", "/pusher/auth")
USER_PATHS = ("/broadcasting/user-auth", "/pusher/user-auth")


class Auth:
    """
    The service.  See `libs.common.runtime.Service`.

    Args:
        apps: The tenants; opened by the caller.
        settings: Whose tokens are believed, and bounds.
        policies: Who may join what.
        rates: Counts what apps do.
        clock: UTC epoch seconds.
    """

    name = "auth"

    def __init__(
        self,
        apps: Apps,
        settings: AuthSettings,
        *,
        policies: Policies,
        rates: Rates,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._apps = apps
        self._prefixes = settings.prefixes
        self._api = Api(apps, settings, policies=policies, rates=rates, clock=clock)

    def replace(self, policies: Policies) -> None:
        """Put other policies in the place of all: those of a file that was read again."""
        self._api.policies = policies

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return its endpoints, under each prefix."""
        for prefix in self._prefixes:
            for path in CHANNEL_PATHS:
                yield web.post(prefix + path, self._api.authorise_channel)
                yield web.options(prefix + path, self._api.allow_origin)
            for path in USER_PATHS:
                yield web.post(prefix + path, self._api.authenticate_user)
                yield web.options(prefix + path, self._api.allow_origin)

    async def run(self) -> None:
        """Wait until cancelled: there is no background work."""
        await asyncio.Event().wait()

    async def drain(self) -> None:
        """Return at once: a request is answered as soon as it is read."""

    def health(self) -> dict[str, str]:
        """Tell whether the apps are known."""
        try:
            self._apps.all()
        except Unavailable as error:
            return {"apps": str(error)}
        return {"apps": "ok"}
