"""A back end that asks auth about channel tokens, over real HTTP."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import ClientResponse

from libs.common.apps.app import App
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.control.port import CommandListener
from libs.common.errors import Unavailable
from tests.support.clients.back_ends import basic, signed
from tests.support.deadline import DEADLINE
from tests.support.servers.process import eventually
from tests.support.services.auth import Client

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class TokenCaller:
    """
    Signs what it posts.

    Args:
        client: Over which.
        app: As which app.
    """

    def __init__(self, client: Client, app: App) -> None:
        self._client = client
        self._app = app

    async def ask(self, path: str, body: bytes, media_type: str = FORM) -> ClientResponse:
        """Post any body."""
        url = f"{path}?{signed(self._app, path, body)}"
        return await self._client.post(url, data=body, headers={"Content-Type": media_type})

    async def issue(self, **fields: Any) -> ClientResponse:
        """Ask for a token; without fields for the user 7."""
        return await self.ask("/auth/tokens", msgspec.json.encode({"user": "7"} | fields), JSON)

    async def issued(self, **fields: Any) -> str:
        """Return a token."""
        response = await self.issue(**fields)
        assert response.status == 200, await response.text()
        return str((await response.json())["token"])

    async def validate(self, token: str) -> ClientResponse:
        """Ask about a token."""
        return await self.ask("/auth/validate", urlencode({"token": token}).encode())

    async def is_active(self, token: str) -> bool:
        """Tell whether a token is good, waiting until that can be told."""
        await self.heard()
        response = await self.validate(token)
        assert response.status == 200, await response.text()
        return bool((await response.json())["active"])

    async def heard(self) -> None:
        """Wait until auth has heard the commands in force."""
        await eventually(self._has_heard, timeout=DEADLINE)

    async def _has_heard(self) -> bool:
        body = b'{"user": "nobody"}'
        response = await self.ask("/auth/tokens", body, JSON)
        token = (await response.json())["token"]
        return (await self.validate(token)).status == 200

    async def revoke(self, **fields: str) -> ClientResponse:
        """Revoke as a form."""
        return await self.ask("/auth/revoke", urlencode(fields).encode())

    async def by_name(self, path: str, fields: Mapping[str, str], **others: str) -> ClientResponse:
        """Post a form with the key and the secret, or others, instead of a signature."""
        key, secret = self._app.key, self._app.secrets[0].reveal()
        header = basic(others.get("key", key), others.get("secret", secret))
        return await self._client.post(path, data=fields, headers={"Authorization": header})


class FaultyControl(MemoryControl):
    """
    Control that may be away, and notes what it was told.

    Attributes:
        is_away: Whether it is.
        sent: What was sent while it was there.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.is_away = False
        self.sent: list[Command] = []

    async def send(self, command: Command, *, most: int = 0) -> None:
        """See `Control.send`."""
        if self.is_away:
            raise Unavailable("control")
        await super().send(command, most=most)
        self.sent.append(command)

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        """See `Control.check_room`."""
        if self.is_away:
            raise Unavailable("control")
        await super().check_room(app, verb, most=most)

    async def after(self, number: int, timeout: float) -> list[tuple[int, Command]]:
        """See `MemoryControl.after`."""
        if self.is_away:
            raise Unavailable("control")
        return await super().after(number, timeout)


async def drained(listener: CommandListener, count: int) -> list[Command]:
    """Receive as many commands as one waits for."""
    commands: list[Command] = []
    while len(commands) < count:
        commands += await listener.receive(DEADLINE)
    return commands
