"""What commands say to a running deployment: the Pusher HTTP API, over its public address."""

import hashlib
import time
from urllib.parse import urlencode

import aiohttp
import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import request_text, sign
from libs.common.errors import Misconfigured
from services.settings import Settings

TIMEOUT = aiohttp.ClientTimeout(total=10.0)


class Refused(Exception):
    """The deployment answered, and did not do what it was asked."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"answered {status}: {text.strip()[:500]}")
        self.status = status


def public_url(settings: Settings, given: str | None) -> str:
    """Return where the deployment is: what was given, else where the settings let it listen."""
    scheme = "https" if settings.server.certificate else "http"
    return (given or f"{scheme}://{settings.server.listen[0].from_here}").rstrip("/")


def app_of(settings: Settings, app_id: str | None) -> App:
    """
    Find an app of the file.

    Raises:
        Misconfigured: There is none with this id, or several and none was named.
    """
    apps = {app.id: app for app in settings.apps}
    if app_id is None and len(apps) == 1:
        return next(iter(apps.values()))
    if app_id in apps:
        return apps[app_id]
    raise Misconfigured(
        f"--app must be one of {', '.join(apps) or 'the apps of a file, and there are none'}"
    )


async def post(
    http: aiohttp.ClientSession, url: str, app: App, *, path: str, payload: object
) -> None:
    """
    Post to the HTTP API.

    Raises:
        Refused: The answer is no 2xx.
        aiohttp.ClientError: There is no answer.
    """
    body = msgspec.json.encode(payload)
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    query = {
        "auth_key": app.key,
        "auth_timestamp": str(int(time.time())),
        "auth_version": "1.0",
        "body_md5": digest,
    }
    text = request_text("POST", path, list(query.items()))
    query["auth_signature"] = sign(app.secrets[0].reveal(), text)
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{url}{path}?{urlencode(query)}", data=body, headers=headers) as response:
        if response.status >= 300:
            raise Refused(response.status, await response.text())
