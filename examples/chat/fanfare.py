"""
What the chat's back end says to Fanfare and asks of it, over HTTP as any back end would.

Events go to ``POST /events`` as CloudEvents, and the routes of fanfare.toml say who hears of them;
typing, marks and who is online are presence's (docs/presence.md).  Every request names the app's
key and secret with HTTP's Basic scheme.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=5)
PAGE = 1000  # Users, or marks, in one answer.
EVENT = {"Content-Type": "application/cloudevents+json"}


class FanfareAway(Exception):
    """Fanfare does not answer, or says that it cannot now."""


class Refused(Exception):
    """Fanfare understands a request, and says no: a mistake of ours, or of its settings."""


class Fanfare:
    """
    A back end's side of Fanfare.

    Args:
        http: For its requests, with the app's credentials.
        url: Where Fanfare is.
        app: The app's id.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, *, app: str) -> None:
        self._http = http
        self._url = url
        self._presence = f"/presence/apps/{app}"

    async def announce(
        self, kind: str, data: Mapping[str, Any], *, user_id: int | None = None
    ) -> None:
        """
        Say what happened.

        Args:
            kind: The type, for which fanfare.toml has routes.
            data: Of the event.
            user_id: Who sent it, and so does not type any more where it is told; None: nobody.
        """
        sender = {} if user_id is None else {"userid": str(user_id)}
        event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/chat", "type": kind}
        await self._ask("POST", "/events", {**event, **sender, "data": data}, headers=EVENT)

    async def typing(self, channel: str, user_id: int, *, is_typing: bool) -> None:
        """Say that a user types in a channel, which holds for six seconds, or has stopped."""
        body = {"user_id": str(user_id), "typing": is_typing}
        await self._ask("POST", self._of(channel, "typing"), body)

    async def read(self, channel: str, user_id: int, *, upto: int) -> int:
        """Say how far a user has read in a channel, and return what stands: it never moves back."""
        body = {"user_id": str(user_id), "upto": upto}
        answer = await self._ask("POST", self._of(channel, "read"), body)
        return int(answer["upto"])

    async def marks(self, channel: str) -> dict[str, int]:
        """Tell how far each user has read in a channel, by the user's id; of many the first."""
        answer = await self._ask("GET", self._of(channel, "read"), params={"limit": str(PAGE)})
        return dict(answer["marks"])

    async def sightings(self, user_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Tell of users, in their order, whether they are online, and when each was last seen."""
        seen: list[dict[str, Any]] = []
        for start in range(0, len(user_ids), PAGE):
            users = [str(user_id) for user_id in user_ids[start : start + PAGE]]
            answer = await self._ask("POST", f"{self._presence}/users", {"users": users})
            seen += answer["users"]
        return seen

    def _of(self, channel: str, what: str) -> str:
        return f"{self._presence}/channels/{quote(channel, safe='')}/{what}"

    async def _ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        url = f"{self._url}{path}"
        try:
            async with self._http.request(method, url, json=body, **options) as response:
                if response.status >= 500 or response.status == 429:
                    raise FanfareAway(f"{path}: {response.status}")
                if response.status >= 400:
                    raise Refused(f"{path}: {response.status}: {await response.text()}")
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise FanfareAway(f"{path}: {error!r}") from error


def session(key: str, secret: str) -> aiohttp.ClientSession:
    """Open a session for requests to Fanfare; who opens it closes it."""
    return aiohttp.ClientSession(auth=aiohttp.BasicAuth(key, secret), timeout=TIMEOUT)
