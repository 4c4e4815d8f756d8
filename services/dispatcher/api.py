"""
HTTP for back ends: the Pusher API, and CloudEvents at ``/events``.

What is posted to the Pusher API is on the bus when the answer leaves; what is posted to ``/events`` is stored
in the event log, and routed from there like every other domain event.
"""

import base64
import binascii
import hmac
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable

from aiohttp import web

from libs.common import web as http
from libs.common.apps import App, Apps, UnknownApp
from libs.common.bus import Bus
from libs.common.control import Control, Order
from libs.common.errors import Denied
from libs.common.eventlog import EventLog
from libs.common.messages import Publication
from libs.common.runtime import MAX_BODY
from libs.common.signing import check_request
from services.dispatcher.cloudevents import records_of
from services.dispatcher.requests import read_batch, read_event
from services.dispatcher.settings import DispatcherSettings

TERMINATE_TTL = 300.0  # Seconds that a gateway may be cut off and still hear of a termination.

Reader = Callable[..., list[Publication]]


class BadCredentials(Denied):
    """``Authorization: Basic`` is missing, malformed, or names no app with this secret."""

    def __init__(self) -> None:
        super().__init__("/events needs Authorization: Basic with an app's key and secret")


class Api:
    """
    The handlers.

    Args:
        settings: Bounds.
        apps: Who may post.
        bus: Takes events of the Pusher API.
        events: Takes CloudEvents.
        control: Takes orders to gateways.
        counts: What was posted, by name.
    """

    def __init__(
        self,
        settings: DispatcherSettings,
        apps: Apps,
        *,
        bus: Bus,
        events: EventLog,
        control: Control,
        counts: Counter[str],
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._bus = bus
        self._events = events
        self._control = control
        self._counts = counts

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve the API under any prefix, and ``/events``."""
        prefix = r"/{prefix:(?:.+/)?}apps/{app_id}"
        return [
            web.post(prefix + "/events", self._post_event),
            web.post(prefix + "/batch_events", self._post_batch),
            web.post(prefix + "/users/{user_id}/terminate_connections", self._terminate),
            # The Python SDK leaves the app out of the path (docs/protocol.md, "HTTP API").
            web.post("/users/{user_id}/terminate_connections", self._terminate),
            web.post("/events", self._post_cloudevents),
        ]

    async def _post_event(self, request: web.Request) -> web.Response:
        return await self._publish(request, read_event)

    async def _post_batch(self, request: web.Request) -> web.Response:
        return await self._publish(request, read_batch)

    async def _terminate(self, request: web.Request) -> web.Response:
        app, _, now = await self._signed(request)
        user_id = request.match_info["user_id"]
        order = Order("terminate", app.id, user_id, now, now + TERMINATE_TTL)
        await self._control.send(order)
        self._counts["posted.terminations"] += 1
        return http.answer({})

    async def _signed(self, request: web.Request) -> tuple[App, bytes, float]:
        """Check a request's signature; return whose it is, its body, and the time in UTC epoch seconds."""
        app_id = request.match_info.get("app_id")
        if app_id is None:
            app = self._apps.by_key(request.query.get("auth_key", ""))
        else:
            app = self._apps.by_id(app_id)
        body = await self._body(request)
        now = time.time()
        query = request.rel_url.raw_query_string
        check_request(app, request.method, _paths(request), raw_query=query, body=body, now=now)
        return app, body, now

    async def _publish(self, request: web.Request, read: Reader) -> web.Response:
        app, body, now = await self._signed(request)
        publications = read(app.id, body, settings=self._settings, now=now)
        await self._bus.publish(publications)
        self._counts["posted.events"] += len(publications)
        return http.answer({})

    async def _post_cloudevents(self, request: web.Request) -> web.Response:
        app = self._authenticated(request)
        records = records_of(
            app.events_topic,
            content_type=request.headers.get("Content-Type", ""),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await self._body(request),
        )
        await self._events.append(records)
        self._counts["posted.cloudevents"] += len(records)
        return http.answer({"accepted": len(records)}, status=202)

    def _authenticated(self, request: web.Request) -> App:
        """
        Find the app whose key and secret the request names.

        Raises:
            BadCredentials: There is none.
            AppDisabled: It is switched off.
        """
        key, secret = _basic(request.headers.get("Authorization", ""))
        try:
            app = self._apps.by_key(key)
        except UnknownApp as error:  # It repeats the key, where a secret may stand by mistake.
            raise BadCredentials from error
        matches = [
            hmac.compare_digest(secret.encode(), known.reveal().encode()) for known in app.secrets
        ]
        if not any(matches):
            raise BadCredentials
        return app

    async def _body(self, request: web.Request) -> bytes:
        timeout = self._settings.read_timeout
        return await http.read_body(request, limit=MAX_BODY, timeout=timeout)


def _paths(request: web.Request) -> list[str]:
    """Return what the client may have signed: the path as sent, decoded, and without a proxy's prefix."""
    raw, plain = request.rel_url.raw_path, request.path
    stripped = re.sub(r"^/.*?(?=/apps/)", "", plain)
    return list(dict.fromkeys([raw, plain, stripped]))


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
