"""
How pages of other origins are let in (CORS).

Pure.  Source: WHATWG Fetch, "HTTP extensions".
"""

from collections.abc import Collection, Iterable, Mapping

from libs.common.apps.app import App
from libs.common.apps.origins import allows, is_open, names

# Pages add headers of their own, and may: such never come by themselves.
_USUAL_HEADERS = "Authorization, Content-Type, X-CSRF-TOKEN, X-Requested-With, X-Socket-Id"
_PREFLIGHT_AGE = "600"  # Seconds.  Clients authorise again, all at once, whenever they reconnect.


def permission(headers: Mapping[str, str], apps: Iterable[App]) -> dict[str, str]:
    """
    Compose the headers that let a page of another origin read an answer.

    Args:
        headers: The headers of the request.
        apps: The apps that the request may concern.

    Returns:
        Nothing where no browser asks, or where none of the apps allows its page's origin.
    """
    origin = headers.get("Origin")
    if not origin:
        return {}
    lists = [app.allowed_origins for app in apps]
    if any(is_open(origins) for origins in lists):
        return {"Access-Control-Allow-Origin": "*"}
    if any(allows(origins, origin) for origins in lists):
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {"Vary": "Origin"}


def preflight(headers: Mapping[str, str], *, method: str = "POST") -> dict[str, str]:
    """Compose the headers that tell a browser what a page may send, with a method of HTTP."""
    asked = headers.get("Access-Control-Request-Headers") or _USUAL_HEADERS
    return {
        "Access-Control-Allow-Methods": method,
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": _PREFLIGHT_AGE,
    }


def permission_with_cookie(headers: Mapping[str, str], apps: Collection[App]) -> dict[str, str]:
    """
    Compose them where a cookie counts, which pages of origins that an app names may send along.

    Args:
        headers: The headers of the request.
        apps: The apps that the request may concern.
    """
    origin = headers.get("Origin", "")
    if not any(names(app.allowed_origins, origin) for app in apps):
        return permission(headers, apps)
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
