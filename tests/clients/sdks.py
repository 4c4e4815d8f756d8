"""
Pusher's own SDKs for back ends, PyPI's `pusher` and npm's, under one set of names.

Each is set up as its manual says, but for the host.  What an SDK raises on an answer becomes `Refused`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from pusher import Pusher  # type: ignore[import-untyped]
from pusher.errors import (  # type: ignore[import-untyped]
    PusherBadAuth,
    PusherBadRequest,
    PusherBadStatus,
    PusherForbidden,
)

from tests.support.clients.pusherjs import Driver
from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import KEY, MASTER_KEY, SECRET, Deployment

Batch = Sequence[Mapping[str, Any]]


async def eventually(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Ask until the answer is the expected one."""
    answer = None
    try:
        async with asyncio.timeout(DEADLINE):
            while (answer := await ask()) != expected:
                await asyncio.sleep(0.05)
    except TimeoutError:
        assert answer == expected


class Refused(Exception):
    """
    An SDK raised because of the status that it was answered with.

    Attributes:
        status: Of HTTP.
        text: The body, as the SDK shows it.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class Sdk(Protocol):
    """A back end."""

    async def trigger(
        self, channels: Sequence[str], event: str, data: Any, *, socket_id: str | None = None
    ) -> Any: ...

    async def trigger_batch(self, batch: Batch) -> Any: ...

    async def send_to_user(self, user_id: str, event: str, data: Any) -> Any: ...

    async def terminate(self, user_id: str) -> Any: ...

    async def authorize(self, socket_id: str, channel: str, member: Any = None) -> Any: ...

    async def authenticate(self, socket_id: str, user: Mapping[str, Any]) -> Any: ...

    async def channels(self, prefix: str, *attributes: str) -> Any: ...

    async def channel(self, name: str, *attributes: str) -> Any: ...

    async def users(self, channel: str) -> Any: ...


class PythonSdk:
    """The SDK of PyPI."""

    def __init__(self, deployment: Deployment, secret: str = SECRET) -> None:
        process = deployment.dispatcher
        self._sdk = Pusher(
            app_id="1",
            key=KEY,
            secret=secret,
            host=process.host,
            port=process.port,
            ssl=False,
            encryption_master_key_base64=MASTER_KEY,
        )

    async def trigger(
        self, channels: Sequence[str], event: str, data: Any, *, socket_id: str | None = None
    ) -> Any:
        return await self._call(self._sdk.trigger, list(channels), event, data, socket_id)

    async def trigger_batch(self, batch: Batch) -> Any:
        return await self._call(self._sdk.trigger_batch, [dict(event) for event in batch])

    async def send_to_user(self, user_id: str, event: str, data: Any) -> Any:
        return await self._call(self._sdk.send_to_user, user_id, event, data)

    async def terminate(self, user_id: str) -> Any:
        return await self._call(self._sdk.terminate_user_connections, user_id)

    async def authorize(self, socket_id: str, channel: str, member: Any = None) -> Any:
        grant = self._sdk.authenticate(channel, socket_id, member)
        if "shared_secret" in grant:  # It is left as bytes, which its callers must decode.
            grant["shared_secret"] = grant["shared_secret"].decode()
        return grant

    async def authenticate(self, socket_id: str, user: Mapping[str, Any]) -> Any:
        return self._sdk.authenticate_user(socket_id, dict(user))

    async def channels(self, prefix: str, *attributes: str) -> Any:
        return await self._call(self._sdk.channels_info, prefix or None, attributes)

    async def channel(self, name: str, *attributes: str) -> Any:
        return await self._call(self._sdk.channel_info, name, attributes)

    async def users(self, channel: str) -> Any:
        return await self._call(self._sdk.users_info, channel)

    @staticmethod
    async def _call(method: Callable[..., Any], *args: Any) -> Any:
        """Call the SDK, which waits for its answer."""
        try:
            return await asyncio.to_thread(method, *args)
        except PusherBadRequest as error:
            raise Refused(400, str(error)) from error
        except PusherBadAuth as error:
            raise Refused(401, str(error)) from error
        except PusherForbidden as error:
            raise Refused(403, str(error)) from error
        except PusherBadStatus as error:
            status, _, text = str(error).partition(": ")
            raise Refused(int(status), text) from error


class NodeSdk:
    """The SDK of npm, in the driver's process."""

    def __init__(
        self, node: Driver, deployment: Deployment, secret: str = SECRET, *, name: str = "backend"
    ) -> None:
        self._node = node
        self._name = name
        process = deployment.dispatcher
        options = {
            "appId": "1",
            "key": KEY,
            "secret": secret,
            "host": process.host,
            "port": process.port,
            "useTLS": False,
            "encryptionMasterKeyBase64": MASTER_KEY,
        }
        node.say("backend", backend=name, options=options)

    async def trigger(
        self,
        channels: Sequence[str],
        event: str,
        data: Any,
        *,
        socket_id: str | None = None,
        info: str | None = None,
    ) -> Any:
        words = {"socket_id": socket_id, "info": info}
        params = {name: value for name, value in words.items() if value is not None}
        return await self._call("trigger", list(channels), event, data, params)

    async def trigger_batch(self, batch: Batch) -> Any:
        return await self._call("triggerBatch", [dict(event) for event in batch])

    async def send_to_user(self, user_id: str, event: str, data: Any) -> Any:
        return await self._call("sendToUser", user_id, event, data)

    async def terminate(self, user_id: str) -> Any:
        return await self._call("terminateUserConnections", user_id)

    async def authorize(self, socket_id: str, channel: str, member: Any = None) -> Any:
        return await self._call("authorizeChannel", socket_id, channel, member)

    async def authenticate(self, socket_id: str, user: Mapping[str, Any]) -> Any:
        return await self._call("authenticateUser", socket_id, dict(user))

    async def channels(self, prefix: str, *attributes: str) -> Any:
        params = {"filter_by_prefix": prefix} if prefix else {}
        return await self._get("/channels", params, attributes)

    async def channel(self, name: str, *attributes: str) -> Any:
        return await self._get(f"/channels/{name}", {}, attributes)

    async def users(self, channel: str) -> Any:
        return await self._get(f"/channels/{channel}/users", {}, ())

    async def _get(self, path: str, params: dict[str, str], attributes: Sequence[str]) -> Any:
        if attributes:
            params["info"] = ",".join(attributes)
        return await self._call("get", {"path": path, "params": params})

    async def _call(self, method: str, *args: Any) -> Any:
        seen = await self._node.ask("call", backend=self._name, method=method, args=args)
        if "failed" in seen:
            assert seen["status"], seen["failed"]
            raise Refused(seen["status"], seen["body"])
        return seen["result"] if "result" in seen else json.loads(seen["body"])
