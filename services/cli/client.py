"""
How commands reach a deployment, and what they say where they do not.

They use the Pusher HTTP API, over the public address; its databases some of them use themselves.
"""

import argparse
import asyncio
import hashlib
import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from libs.common.apps.admin import AppAdmin
from libs.common.apps.app import App
from libs.common.apps.signatures import request_text, sign
from libs.common.config.address import Url
from libs.common.config.masks import masked
from libs.common.config.url_parts import parts_of
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.connection import PostgresConnection, reason
from services.settings import Settings

TIMEOUT = aiohttp.ClientTimeout(total=10.0)  # Seconds.
_PATIENCE = aiohttp.ClientTimeout(total=3.0)  # Seconds; for what is asked besides.
_SCHEMES = {"ws": "http", "wss": "https"}  # What clients use, and what is meant by it here.


_ELSEWHERE = "--url names another address"


class _ErrorBody(msgspec.Struct):
    error: str


class Refused(Exception):
    """The deployment answered, and did not do what it was asked."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.is_page = text.lstrip().startswith("<")  # Of another server, or of a proxy.
        said = " with a web page" if self.is_page else f": {_error_in(text).strip()[:500]}"
        super().__init__(f"answered {status}{said}")


class DatabaseAway(Exception):
    """A database that a command needs cannot be used; the text names its setting, and says why."""


class OddAnswer(Exception):
    """What answers speaks WebSocket, and not the Pusher protocol."""

    def __init__(self) -> None:
        super().__init__("what answers does not speak the Pusher protocol; is it a gateway?")


def _error_in(text: str) -> str:
    """Take what our own answers say out of their JSON; what others say is told as it is."""
    try:
        return msgspec.json.decode(text, type=_ErrorBody).error
    except msgspec.DecodeError:
        return text


def configure(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which deployment it is about, and in whose name."""
    parser.add_argument("--app", help="the app's id; needed where there are several")
    parser.add_argument(
        "--url",
        help="where the deployment is, such as http://127.0.0.1:6001 "
        "(default: where the settings listen)",
    )


def public_url(settings: Settings, given: str | None) -> str:
    """
    Return where the deployment is: what was given, else where the settings let it listen.

    Raises:
        Misconfigured: What was given is no URL of HTTP.
    """
    if given is not None:
        return _checked(given).rstrip("/")
    scheme = "https" if settings.server.certificate else "http"
    return f"{scheme}://{settings.server.listen[0].from_here}"


def _checked(url: str) -> str:
    scheme, found, rest = url.partition("://")
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        is_good = is_http and parts_of(url) is not None
    except ValueError:  # A port that is no number, or beyond all; brackets without a partner.
        is_good = False
    if is_good:
        return url
    instead = f"{_SCHEMES.get(scheme, 'http')}://{rest or '127.0.0.1:6001'}" if found else ""
    instead = instead or f"http://{url or '127.0.0.1:6001'}"
    # A password would not be shown, and what is wrong elsewhere is not guessed.
    is_plain = scheme not in {"http", "https"} and masked(instead) == instead and "@" not in url
    hint = f", such as {instead}" if is_plain else ""
    raise Misconfigured(f"--url: expected http://HOST:PORT or https://HOST:PORT{hint}")


def worded(error: Exception, url: str, app: App) -> str:
    """
    Say in words why a request or a connection failed, and what to do.

    Args:
        error: `Refused`, a TimeoutError or an aiohttp.ClientError.
        url: Where the deployment was looked for.
        app: In whose name.
    """
    url = str(masked(url))
    if isinstance(error, Refused):
        said, remedy = str(error), _after_answer(error, url, app)
    else:
        said, remedy = _unanswered(error, url)
    return f"{said}; {remedy}" if remedy else said


def _after_answer(error: Refused, url: str, app: App) -> str:
    if error.status == 401 and not error.is_page:
        return f"id, key and secret of app {app.id} must be those of {url}"
    if error.is_page or error.status == 404:
        return f"is {url} the public address of a deployment? {_ELSEWHERE}"
    return ""


def _unanswered(error: Exception, url: str) -> tuple[str, str]:
    match error:
        case TimeoutError():
            said, remedy = f"{url} does not answer in time", _ELSEWHERE
        case aiohttp.ClientConnectorCertificateError():
            said = f"the certificate of {url} is not trusted: {_untrusted(error)}"
            remedy = "SSL_CERT_FILE=FILE names an authority of your own, --url another name"
        case aiohttp.ClientConnectorSSLError():
            plain = url.replace("https://", "http://", 1)
            said, remedy = f"{url} speaks no TLS", f"try --url {plain}"
        case aiohttp.ClientConnectorDNSError():
            said, remedy = f"no host is called {error.host}", _ELSEWHERE
        case aiohttp.ClientConnectorError():
            said = f"nobody listens at {url} ({_reason(error)})"
            remedy = f"is it running? {_ELSEWHERE}"
        case aiohttp.WSServerHandshakeError():
            said = f"{url} answers {error.status} where a gateway opens a WebSocket"
            remedy = _ELSEWHERE
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError():
            said = f"what listens at {url} does not answer in HTTP"
            remedy = f"where it speaks TLS write https://; {_ELSEWHERE}"
        case aiohttp.InvalidURL():  # Its text is the URL.
            said, remedy = f"{url} is no URL", ""
        case _:
            said, remedy = f"{url}: {str(error) or type(error).__name__}", ""
    return said, remedy


def _untrusted(error: aiohttp.ClientConnectorCertificateError) -> str:
    reason = error.certificate_error
    return str(getattr(reason, "verify_message", "")) or str(reason)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    number = error.os_error.errno
    return os.strerror(number).lower() if number else str(error.os_error)


async def standing(http: aiohttp.ClientSession, url: str) -> str:
    """
    Say what a deployment that does not answer a client says of itself, or where to look.

    Args:
        http: Asks.
        url: Where the deployment is.
    """
    address = f"{masked(url)}/up"
    try:
        async with http.get(f"{url}/up", timeout=_PATIENCE) as response:
            if response.status >= 300:
                return f"{address} {Refused(response.status, await response.text())}"
    except (aiohttp.ClientError, TimeoutError):
        return f"{address} does not answer either; {_ELSEWHERE}"
    return "/health/deps of its internal address, and backend.lost in its log, may tell why"


def frame_of(text: str | bytes) -> dict[str, Any]:
    """Read a message of a gateway; raises `OddAnswer` where it is none."""
    try:
        frame = msgspec.json.decode(text)
    except msgspec.DecodeError:
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("event"), str):
        raise OddAnswer
    return frame


def refusal_in(data: Any) -> str:
    """Word what a gateway says: of a connection with a code, of a subscription with a status."""
    if not isinstance(data, dict):
        return str(data)
    code = data.get("code") or data.get("status")
    return f"refused with {code}: {data.get('message') or data.get('error')}"


def trouble(backends: Sequence[str], url: Url, error: Unavailable) -> str:
    """
    Say why a database cannot be used, and which setting names it.

    Args:
        backends: The settings that do, of ``[backends]``.
        url: Where it is.
        error: What failed; its cause says why.
    """
    settings = ", ".join(f"backends.{name}" for name in backends)
    silent = isinstance(error.__cause__, TimeoutError) and not str(error.__cause__)
    why = "no answer in time; is that a PostgreSQL?" if silent else reason(error)
    return f"{settings}: {url} cannot be used: {why}"


def app_of(settings: Settings, app_id: str | None) -> App:
    """
    Find an app where the services find it: in the file, or in PostgreSQL, which is asked.

    Raises:
        Misconfigured: There is none with this id, or several and none was named.
        DatabaseAway: PostgreSQL cannot be asked.
    """
    apps = {app.id: app for app in _apps(settings)}
    if app_id is None and len(apps) == 1:
        return next(iter(apps.values()))
    if app_id in apps:
        return apps[app_id]
    if not apps:
        raise Misconfigured(_no_apps(settings))
    known = f"--app must be one of {', '.join(apps)}"
    raise Misconfigured(known if app_id is None else f"there is no app {app_id!r}; {known}")


def _no_apps(settings: Settings) -> str:
    if is_stored(settings):
        return "there are no apps in PostgreSQL, backends.apps: fanfare apps add makes one"
    return (
        "the file has no apps, and only with the secret of one can this be done: "
        "name a file with [[apps]] by --config"
    )


def is_stored(settings: Settings) -> bool:
    """Tell whether apps are in PostgreSQL."""
    return settings.backends.apps.scheme != "memory"


def _apps(settings: Settings) -> Sequence[App]:
    if not is_stored(settings):
        return settings.apps
    try:
        return asyncio.run(_stored(settings))
    except Unavailable as error:
        raise DatabaseAway(trouble(["apps"], settings.backends.apps, error)) from error


async def _stored(settings: Settings) -> Sequence[App]:
    async with PostgresConnection(settings.backends.apps, "apps", settings.postgres) as connection:
        return await AppAdmin(connection).apps()


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
