"""
Which app a request to auth is for.

Pure.  The one that it names with ``?app_key=``, else the one that whoever vouches for its token is
bound to, else the only one.
"""

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.errors import Forbidden, Invalid


class WrongApp(Forbidden):
    """A token is used for another app than the one its issuer is bound to."""

    def __init__(self) -> None:
        super().__init__("the token is not good for this app")


class AppUnnamed(Invalid):
    """A request does not say which app it is for, and there are several."""

    def __init__(self) -> None:
        super().__init__("name the app with ?app_key=")


def app_for(apps: Apps, key: str | None, *, bound: str) -> App:
    """
    Find the app.

    Args:
        apps: The tenants.
        key: The key of the app that the request names; None: it names none.
        bound: The id of the only app that the caller's token is good for; empty: it is good for
            all.

    Raises:
        WrongApp: The request names another than that.
        AppUnnamed: Nothing says which one, and there are several.
        UnknownApp, AppDisabled, Unavailable: As `libs.common.apps.app.Apps.by_key`.
    """
    if key:
        app = apps.by_key(key)
        if bound not in {"", app.id}:
            raise WrongApp
        return app
    if bound:
        return apps.by_id(bound)
    every = apps.all()
    if len(every) != 1:
        raise AppUnnamed
    return apps.by_id(every[0].id)
