"""
The chat's own API: what pages ask, what is kept, and what Fanfare is told of it.

While Fanfare is away messages are kept and shown all the same; pages learn of them when they open
the conversation again.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from examples.chat.fanfare import Fanfare, FanfareAway
from examples.chat.login import BadToken, Login
from examples.chat.store import Message, NoSuchMessage, NoSuchUser, Store, User

EVERYONE = "chat"
LONGEST = {"message": 2000, "name": 40}  # Characters.

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USER = web.RequestKey("user", User)

log = logging.getLogger("chat")


def channel_of(one: int, other: int | None) -> str:
    """Name the channel of everyone, or of two users, whichever of them is named first."""
    if other is None:
        return EVERYONE
    return f"private-chat.{min(one, other)}.{max(one, other)}"


class Backend:
    """
    The API's handlers.

    Args:
        store: Has the messages.
        fanfare: Tells pages.
        login: Knows users by their tokens.
        address: What a page must know of Fanfare: ``key``, ``host`` and ``port``.
    """

    def __init__(
        self, store: Store, fanfare: Fanfare, *, login: Login, address: Mapping[str, Any]
    ) -> None:
        self._store = store
        self._fanfare = fanfare
        self._login = login
        self._address = address

    def routes(self) -> list[web.RouteDef]:
        """List what is answered."""
        return [
            web.post("/api/login", self.log_in),
            web.get("/api/chat/messages", self.messages),
            web.post("/api/chat/messages", self.send),
            web.post("/api/chat/messages/private", self.send_privately),
            web.post(r"/api/chat/messages/{id:\d{1,18}}/read", self.read),
            web.post("/api/chat/typing", self.typing),
            web.get("/api/chat/users", self.users),
            web.get("/api/chat/users/online", self.online),
        ]

    async def log_in(self, request: web.Request) -> web.Response:
        """Let in whoever tells a name.  A place for a login of your own."""
        user = await self._store.log_in(_text(await _body(request), "name"))
        told = {"id": user.id, "name": user.name}
        token = self._login.token(user)
        return web.json_response({"token": token, "user": told, "fanfare": self._address})

    async def send(self, request: web.Request) -> web.Response:
        """Keep a message for everyone, and tell everyone: its author does not type any more."""
        text = _text(await _body(request), "message")
        message = await self._store.add(request[USER], text)
        await self._announce("chat.message.sent", message)
        return web.json_response(message.told, status=201)

    async def send_privately(self, request: web.Request) -> web.Response:
        """Keep a message for one other user, and tell both."""
        body = await _body(request)
        text, recipient_id = _text(body, "message"), _number(body, "recipient_id")
        if recipient_id == request[USER].id:
            raise _bad("recipient_id: somebody else's, please")
        message = await self._store.add(request[USER], text, recipient_id=recipient_id)
        await self._announce("chat.private-message.sent", message)
        return web.json_response(message.told, status=201)

    async def messages(self, request: web.Request) -> web.Response:
        """Return the newest messages of a conversation, and how far everybody has read in it."""
        other = request.query.get("with", "")
        if other and not (other.isascii() and other.isdigit() and len(other) <= 18):
            raise _bad("with: expected a user's id")
        other_id = int(other) if other else None
        messages = await self._store.messages(request[USER], other_id=other_id)
        marks = await self._marks(channel_of(request[USER].id, other_id))
        told = [message.told for message in messages]
        return web.json_response({"messages": told, "marks": marks})

    async def read(self, request: web.Request) -> web.Response:
        """Note that a user has read a message, and those before it; tell their authors."""
        reader = request[USER]
        message = await self._store.message(int(request.match_info["id"]), reader)
        channel = channel_of(message.user_id, message.recipient_id)
        upto = await self._fanfare.read(channel, reader.id, upto=message.id)
        for author_id, newest in await self._store.mark_read(message, reader):
            told = {
                "author_id": author_id,
                "reader_id": reader.id,
                "message_id": newest,
                "recipient_id": message.recipient_id,
            }
            await self._fanfare.announce("chat.message.read", told)
        return web.json_response({"upto": upto})

    async def typing(self, request: web.Request) -> web.Response:
        """Tell everyone that a user types, or has stopped."""
        is_typing = (await _body(request)).get("typing") is not False
        user = request[USER]
        await self._fanfare.typing(EVERYONE, user.id, is_typing=is_typing)
        told = {"user_id": user.id, "name": user.name, "typing": is_typing}
        await self._fanfare.announce("chat.user.typing", told)
        return web.json_response({"typing": is_typing}, status=202)

    async def users(self, _: web.Request) -> web.Response:
        """Return all users, whether they are online, and when each was last seen."""
        return web.json_response({"users": await self._seen()})

    async def online(self, _: web.Request) -> web.Response:
        """Return the users who are online."""
        return web.json_response(
            {"users": [user for user in await self._seen() if user["is_online"]]}
        )

    async def _seen(self) -> list[dict[str, Any]]:
        users = await self._store.users()
        sightings = await self._fanfare.sightings([user.id for user in users])
        return [
            {
                "id": user.id,
                "name": user.name,
                "is_online": sighting["online"],
                "last_seen": sighting["last_seen"],
            }
            for user, sighting in zip(users, sightings, strict=True)
        ]

    async def _marks(self, channel: str) -> dict[str, int]:
        try:
            return await self._fanfare.marks(channel)
        except FanfareAway as error:
            log.warning("messages are shown without marks: %s", error)
            return {}

    async def _announce(self, kind: str, message: Message) -> None:
        try:
            await self._fanfare.announce(kind, message.told, user_id=message.user_id)
        except FanfareAway as error:
            log.warning("message %d was kept, and nobody told: %s", message.id, error)

    @web.middleware
    async def know_user(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only users ask, and say in JSON what is wrong with a request."""
        try:
            if request.path.startswith("/api/chat/"):
                request[USER] = self._login.user(request.headers.get("Authorization", ""))
            return await handler(request)
        except BadToken:
            return _error(401, "log in, please")
        except (NoSuchMessage, NoSuchUser):
            return _error(404, "there is no such message or user")
        except FanfareAway as error:
            log.warning("%s", error)
            return _error(503, "Fanfare is away; try again in a moment")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _bad(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": text}), content_type="application/json")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise _bad("expected JSON") from error
    if not isinstance(body, dict):
        raise _bad("expected an object")
    return body


def _text(body: Mapping[str, Any], field: str) -> str:
    text = body.get(field)
    if not isinstance(text, str) or not 0 < len(text.strip()) <= LONGEST[field] or "\0" in text:
        raise _bad(f"{field}: expected a text of up to {LONGEST[field]} characters")
    return text.strip()


def _number(body: Mapping[str, Any], field: str) -> int:
    number = body.get(field)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        raise _bad(f"{field}: expected a user's id")
    return number
