"""
Finding apps: the port.

`memory.py`, the apps of the configuration file, is the reference implementation; `postgres.py` is
the other.
"""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.apps.app import App
from libs.common.errors import Denied, Forbidden


class UnknownApp(Denied):
    """No app has this key or id."""

    code = 4001  # Pusher, "Error codes": application does not exist.

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no app {name[:64]!r} here")


class AppDisabled(Forbidden):
    """The app exists and is switched off."""

    code = 4003  # Pusher, "Error codes": application disabled.

    def __init__(self, app_id: str) -> None:
        super().__init__(f"app {app_id} is disabled")


class Apps(Protocol):
    """
    The apps of a deployment.

    Looking up never waits: an adapter keeps all apps at hand, follows their changes while it is
    open, and goes on with what it knows while its backend is away.
    """

    @property
    def follow_file(self) -> bool:
        """Whether the apps are those of the configuration file, and change with nothing else."""

    def adopt(self, apps: Iterable[App]) -> None:
        """
        Take the apps of the file, which was read again; those that do not follow it stay.

        Raises:
            Misconfigured: Two have the same id or key; none was taken.
        """

    def by_key(self, key: str) -> App:
        """
        Find an app by its key.

        Raises:
            UnknownApp: There is none.
            AppDisabled: The app is switched off.
            Unavailable: The apps were never read yet.
        """

    def by_id(self, app_id: str) -> App:
        """Find an app by its id; raises as `by_key` does."""

    def all(self) -> tuple[App, ...]:
        """
        Return every app, in order of id; switched off ones too.

        Raises:
            Unavailable: The apps were never read yet.
        """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Follow changes while the context is open."""


def known_app(apps: Apps, app_id: str) -> App | None:
    """
    Find an app by its id, whether it is switched on or off.

    Returns:
        The app; None: there is none.

    Raises:
        Unavailable: The apps were never read yet.
    """
    try:
        return apps.by_id(app_id)
    except UnknownApp:
        return None
    except AppDisabled:
        return next((app for app in apps.all() if app.id == app_id), None)
