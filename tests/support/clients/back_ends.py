"""What back ends do: sign and post to the Pusher HTTP API, and post CloudEvents."""

import base64
import hashlib
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp

from libs.common.apps.app import App
from libs.common.apps.signatures import request_text, sign
from tests.support.deadline import DEADLINE

TIMEOUT = aiohttp.ClientTimeout(total=DEADLINE)


class Answer(NamedTuple):
    """What a back end got."""

    status: int
    headers: Mapping[str, str]
    body: Any


class BackEnd:
    """
    A back end of an app.

    Args:
        http: For its requests.
        app: Whose events it posts.
    """

    def __init__(self, http: aiohttp.ClientSession, app: App) -> None:
        self._http = http
        self._app = app

    async def publish(self, url: str, channel: str, data: Any, *, event: str = "step") -> Answer:
        """Trigger an event on a channel."""
        body = {"name": event, "channels": [channel], "data": json.dumps(data)}
        return await self.post(url, f"/apps/{self._app.id}/events", json.dumps(body).encode())

    async def post(
        self,
        url: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        /,
        **params: str | None,
    ) -> Answer:
        """Post a body, signed; see `signed` for the parameters."""
        query = signed(self._app, path, body, **params)
        sent = {"Content-Type": "application/json", **(headers or {})}
        return await self._ask(f"{url}{path}?{query}", body, sent)

    async def send(self, method: str, url: str, path: str, **fields: Any) -> Answer:
        """Send fields as JSON with any of HTTP's methods, signed."""
        body = json.dumps(fields).encode()
        query = signed(self._app, path, body, method)
        headers = {"Content-Type": "application/json"}
        return await self._ask(f"{url}{path}?{query}", body, headers, method=method)

    async def get(self, url: str, path: str, **params: str | None) -> Answer:
        """Ask, signed; see `signed` for the parameters."""
        query = signed(self._app, path, b"", "GET", **{"body_md5": None, **params})
        async with self._http.get(f"{url}{path}?{query}") as response:
            return Answer(response.status, response.headers, await response.json())

    async def emit(self, url: str, *data: Any, **attributes: Any) -> Answer:
        """Post a batch of CloudEvents, which all have these attributes."""
        headers = {
            "Content-Type": "application/cloudevents-batch+json",
            "Authorization": basic(self._app.key, self._app.secrets[0].reveal()),
        }
        body = json.dumps([cloudevent(each, **attributes) for each in data]).encode()
        return await self._ask(f"{url}/events", body, headers)

    async def _ask(
        self, url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
    ) -> Answer:
        async with self._http.request(method, url, data=body, headers=headers) as response:
            return Answer(response.status, response.headers, await response.json())


def signed(app: App, path: str, body: bytes, method: str = "POST", /, **params: str | None) -> str:
    """
    Compose the query of a signed request.

    Args:
        app: With whose first secret.
        path: As it is posted to.
        body: What is posted.
        method: Of HTTP.
        params: Parameters as they shall be signed, in the place of the right ones; None leaves one out.
            ``auth_signature`` takes the place of the signature.
    """
    right: dict[str, str | None] = {
        "auth_key": app.key,
        "auth_timestamp": str(int(time.time())),
        "auth_version": "1.0",
        "body_md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
    }
    given = {name: value for name, value in (right | params).items() if value is not None}
    text = request_text(method, path, list(given.items()))
    given.setdefault("auth_signature", sign(app.secrets[0].reveal(), text))
    return urlencode(given)


def basic(key: str, secret: str) -> str:
    """Compose a header of ``Authorization``."""
    return f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"


def cloudevent(data: Any, **attributes: Any) -> dict[str, Any]:
    """Make a CloudEvent of the JSON format; its id is its own."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/tests",
        "type": "step.taken",
        "data": data,
        **attributes,
    }


@asynccontextmanager
async def back_end(app: App, *, trust: ssl.SSLContext | None = None) -> AsyncIterator[BackEnd]:
    """Open a back end of an app; ``trust`` says whose certificates it accepts, if not everybody's."""
    connector = aiohttp.TCPConnector(ssl=trust or True)
    async with aiohttp.ClientSession(timeout=TIMEOUT, connector=connector) as http:
        yield BackEnd(http, app)
