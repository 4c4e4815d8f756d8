"""
Requests as pusher-http-php 7.2.6 sends them, kept in ``fixtures/php``, and signed anew.

Shapes, order of parameters and escapes are those of its sources, of Laravel 12's broadcaster above it and of
Guzzle below: `json_encode` escapes slashes and all that is not ASCII; what is signed is the query as it is,
sorted by name, while what is sent is percent-encoded; the path is signed without what the host has before it.
"""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from tests.support.deployments.deployment import KEY, SECRET

FIXTURES = Path(__file__).parent / "fixtures" / "php"
NAMES = tuple(sorted(path.stem for path in FIXTURES.glob("*.json")))


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    A request, and what must come of it.

    Attributes:
        call: What the back end wrote in PHP.
        method: ``GET`` or ``POST``.
        base: What stands before the path at this host, and is not signed.
        path: What is signed.
        query: Parameters beside those of the signature.
        headers: As sent.
        body: As sent; ``{socket_id}`` stands for that of a client.
        status: Of the answer.
        answer: The JSON of the answer; for a refusal words that its text must have.
        heard: ``{"channel", "event", "data"}`` of what subscribers hear; ``data`` as text.
        joined: ``{"channel", "user"}`` of who is there before; ``user`` empty but for presence channels.
    """

    call: str
    method: str
    base: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    status: int
    answer: Any
    heard: list[dict[str, str]]
    joined: list[dict[str, str]]

    @property
    def excludes(self) -> bool:
        """Whether it names a socket that is not to hear of it."""
        return "{socket_id}" in self.body

    @property
    def channels(self) -> list[str]:
        """The channels that are heard of it."""
        return [event["channel"] for event in self.heard]


def recorded(name: str) -> Recorded:
    """Read a fixture."""
    return Recorded(**json.loads((FIXTURES / f"{name}.json").read_text()))


def signed(request: Recorded, body: str, *, now: int) -> str:
    """Return path and query as sent at that time, in UTC epoch seconds."""
    params = {"auth_key": KEY, "auth_timestamp": str(now), "auth_version": "1.0", **request.query}
    if request.method == "POST":
        params["body_md5"] = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    params = dict(sorted(params.items()))
    query = "&".join(f"{name}={value}" for name, value in params.items())
    text = f"{request.method}\n{request.path}\n{query}"
    params["auth_signature"] = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
    return f"{request.base}{request.path}?{urlencode(params, quote_via=quote)}"


async def replay(host: str, request: Recorded, *, socket_id: str = "1.1") -> tuple[int, str]:
    """Send a request to a host, signed for now; return status and text of the answer."""
    body = request.body.replace("{socket_id}", socket_id)
    url = URL(host + signed(request, body, now=int(time.time())), encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.request(
            request.method, url, data=body.encode() or None, headers=request.headers
        ) as answer,
    ):
        return answer.status, await answer.text()
