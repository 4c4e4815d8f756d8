"""The apps of the configuration file: the reference implementation of `port.Apps`."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext

from libs.common.apps.app import App
from libs.common.apps.port import AppDisabled, UnknownApp
from libs.common.errors import Misconfigured


class MemoryApps:
    """
    Apps that are given once.  See `Apps`.

    Raises:
        Misconfigured: Two have the same id or key.
    """

    follow_file = True

    def __init__(self, apps: Iterable[App]) -> None:
        self._by_id: dict[str, App] = {}
        self._by_key: dict[str, App] = {}
        self.adopt(apps)

    def adopt(self, apps: Iterable[App]) -> None:
        """See `Apps.adopt`: they replace all."""
        apps = tuple(apps)
        by_id = {app.id: app for app in apps}
        by_key = {app.key: app for app in apps}
        if len(by_id) < len(apps):
            raise Misconfigured("apps: two apps have the same id")
        if len(by_key) < len(apps):
            raise Misconfigured("apps: two apps have the same key")
        self._by_id, self._by_key = by_id, by_key

    def by_key(self, key: str) -> App:
        """See `Apps.by_key`."""
        return _enabled(self._by_key.get(key), key)

    def by_id(self, app_id: str) -> App:
        """See `Apps.by_id`."""
        return _enabled(self._by_id.get(app_id), app_id)

    def all(self) -> tuple[App, ...]:
        """See `Apps.all`."""
        return tuple(sorted(self._by_id.values(), key=lambda app: app.id))

    async def check(self) -> None:
        """See `Apps.check`: it is this process."""

    def opened(self) -> AbstractAsyncContextManager[None]:
        """See `Apps.opened`."""
        return nullcontext()


def _enabled(app: App | None, name: str) -> App:
    if app is None:
        raise UnknownApp(name)
    if not app.enabled:
        raise AppDisabled(app.id)
    return app
