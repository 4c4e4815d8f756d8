"""
Who calls: back ends prove with their app's key and secret who they are.

The Pusher API is signed, request by request; ``/events`` takes HTTP's Basic scheme; others take
both.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from libs.common.apps.app import App
from libs.common.apps.port import Apps, UnknownApp
from libs.common.apps.signatures import (
    BadBodyDigest,
    check_digest,
    check_head,
    check_is_signed,
)
from libs.common.errors import Denied
from libs.common.web.bodies.reading import (
    MAX_BODY,
    BodyTooLarge,
    at_hand,
    check_announced,
    read_body,
)
from libs.common.web.entrance import name_app
from libs.common.web.paths import check_path, spellings

APPS = "apps"  # What follows a prefix in the paths of the HTTP API.
# RFC 7617, 2.
BASIC = 'Basic realm="fanfare"'


class BadCredentials(Denied):
    """``Authorization: Basic`` is missing or malformed."""

    challenge = BASIC

    def __init__(
        self, reason: str = "/events needs Authorization: Basic with an app's key and secret"
    ) -> None:
        super().__init__(reason)


class UnknownKey(BadCredentials):
    """No app has the key, which is not repeated: a secret may stand there by mistake."""

    def __init__(self) -> None:
        super().__init__("no app here has the key that Authorization: Basic names")


class WrongSecret(BadCredentials):
    """An app has the key, and other secrets."""

    def __init__(self) -> None:
        super().__init__("the secret is not the app's whose key Authorization: Basic names")


class UnknownCaller(Denied):
    """A request is neither signed nor names an app's key and secret."""

    def __init__(self) -> None:
        super().__init__(
            "sign the request, or send Authorization: Basic with the app's key and secret"
        )


@dataclass(frozen=True, slots=True)
class AppCall:
    """
    A request that was proved to be an app's.

    Attributes:
        app: The app that calls.
        body: As received.
        now: When, UTC epoch seconds.
    """

    app: App
    body: bytes
    now: float


class AppAuthenticator:
    """
    Knows back ends.

    Args:
        apps: The apps that may call.
        read_timeout: Seconds that the body of a request may take to arrive.
        word: What follows a prefix in the paths of those who call.
    """

    def __init__(self, apps: Apps, read_timeout: float, *, word: str = APPS) -> None:
        self._apps = apps
        self._read_timeout = read_timeout
        self._word = word

    async def signed(self, request: web.Request) -> AppCall:
        """
        Check a request's signature (Pusher, "HTTP API": authentication).

        Nothing of the body is read before the head has proved whose it is.  The app is the one in
        the path, or else the one that the signing key names.

        Raises:
            Denied: Nobody's, or a switched off app's.
            Invalid: The body cannot be read, or the path is odd.
        """
        app_id = request.match_info.get("app_id")
        if app_id is None:
            check_is_signed(request.query)
            app = self._apps.by_key(request.query.get("auth_key", ""))
            paths: Sequence[str] = (request.rel_url.raw_path, request.path)
        else:
            raw = request.rel_url.raw_path
            check_path(raw, request.match_info["prefix"], self._word, once=True)
            app = self._apps.by_id(app_id)
            paths = spellings(raw, self._word)
        name_app(request, app.id)
        size = check_announced(request, limit=MAX_BODY)
        now = time.time()
        digest = check_head(
            app,
            request.method,
            paths,
            raw_query=request.rel_url.raw_query_string,
            has_body=bool(size),
            now=now,
        )
        body = at_hand(request, app.id)  # Of publishes nearly always.
        if body is None:
            body, now = await self._coming(request, app, digest), time.time()
        check_digest(digest, body)
        return AppCall(app, body, now)

    async def _coming(self, request: web.Request, app: App, digest: str | None) -> bytes:
        try:
            # What comes in chunks may be nothing, which needs no digest.
            limit = 0 if digest is None else MAX_BODY
            return await self.body(request, app, limit=limit)
        except BodyTooLarge as error:
            if digest is None:
                raise BadBodyDigest from error
            raise

    def named(self, request: web.Request) -> App:
        """
        Find the app whose key and secret a request names.

        Raises:
            BadCredentials: It names none, or one that there is not, or not with this secret.
            AppDisabled: The app is switched off.
        """
        key, secret = _basic(request.headers.get("Authorization", ""))
        try:
            app = self._apps.by_key(key)
        except UnknownApp as error:
            raise UnknownKey from error
        name_app(request, app.id)
        matches = [
            hmac.compare_digest(secret.encode(), known.reveal().encode()) for known in app.secrets
        ]
        if not any(matches):
            raise WrongSecret
        return app

    async def body(self, request: web.Request, app: App, *, limit: int = MAX_BODY) -> bytes:
        """Read the body of an app's request; raises as `read_body`."""
        return await read_body(request, limit=limit, timeout=self._read_timeout, owner=app.id)


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadCredentials from error
    key, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise BadCredentials
    return key, secret
