"""
The connection of one port to Redis: a server, the master that sentinels know, or a cluster.

A call is sent once.  It is repeated here only where the server said that it did nothing: it did not
know the script yet, or another node has the key.  All else that shows Redis away or unwilling is
`Unavailable`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from redis.asyncio import Connection
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.outage import Outage
from libs.common.redis.address import Layout, parse
from libs.common.redis.commands import Words
from libs.common.redis.node import TROUBLE, Node, check_authority, reason
from libs.common.redis.refusals import UNTOUCHED, WITHIN_SCRIPT, is_unreadable, said
from libs.common.redis.scripts import PROBE, PROBE_WITHOUT_MEMORY, Call
from libs.common.redis.topology import Cluster, OneServer, Servers
from libs.common.redis.unreadable import SpoiltKey, pass_over

LONGEST = 200  # Characters of what a server says of a key.
ATTEMPTS = 5  # To know the script, be referred, know the script there, and once more.

_UNWILLING = (
    *UNTOUCHED,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_UNWILLING_CODES = (
    "BUSY ",
    "MISCONF ",
    "NOREPLICAS ",
    "UNBLOCKED ",
    "unknown command",
    WITHIN_SCRIPT,
)


def raise_first(replies: Iterable[Any], *, backend: str = "") -> None:
    """
    Raise the first error among the replies to several calls.

    Args:
        replies: As `RedisConnection.ask_all` returns them.
        backend: Given, a script's refusal too is raised as `Unavailable`, of this backend.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            if backend and not isinstance(reply, Unavailable):
                raise Unavailable(backend) from reply
            raise reply


@dataclass(slots=True, eq=False)
class _Errand:
    """A call on its way, and what came back."""

    call: Call
    reply: Any = None
    node: Node | None = None
    needs_asking: bool = False
    needs_script: bool = False


class RedisConnection:
    """
    A port's connection to Redis.

    Nothing is opened before the first call, so a start never fails because Redis is away.  Use it
    as an asynchronous context; leaving it closes all connections.

    Args:
        url: Of one of the kinds in `libs.common.redis.address`.
        backend: The port's name, for `Unavailable`.
        is_told: Whether it is told in the log where Redis is away.

    Attributes:
        outage: Whether Redis is away, or refuses what is asked, as far as this port can tell.

    Raises:
        Misconfigured: The URL, or the file that it names, cannot work.
    """

    def __init__(self, url: Url, backend: str, *, is_told: bool = True) -> None:
        address = parse(url.reveal())
        check_authority(address)
        self._url = url
        self._backend = backend
        servers = Cluster if address.layout is Layout.CLUSTER else OneServer
        self.outage = Outage(backend, is_told=is_told, server=str(url))
        self._servers: Servers = servers(address, self.outage)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._servers.close()

    def another(self) -> "RedisConnection":
        """Make another one of this port, for another event loop; this one tells of outages."""
        return RedisConnection(self._url, self._backend, is_told=False)

    async def ask(self, call: Call) -> Any:
        """
        Perform one call.

        A command that blocks must do so for less than `redis.node.REPLY_TIMEOUT`.

        Returns:
            The reply; texts as bytes.

        Raises:
            Unavailable: Redis is away or unwilling, or what a key holds cannot be worked on; the
                call may have been performed.
            ResponseError: The command is wrong.
        """
        (reply,) = await self.ask_all([call])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def ask_all(self, calls: Sequence[Call], *, shared: bool = False) -> list[Any]:
        """
        Perform calls in one pipeline per server, those of one partition in order.

        Args:
            calls: The calls.
            shared: Whether they share round trips with those of others who ask so (`RoundTrips`),
                which are performed in the order in which they were asked; none of them may block.

        Returns:
            The reply to each, or the error that `ask` would raise.
        """
        errands = [_Errand(call) for call in calls]
        waiting = errands
        for _ in range(ATTEMPTS):
            await self._send(waiting, shared=shared)
            waiting = [errand for errand in waiting if isinstance(errand.reply, UNTOUCHED)]
            if not waiting:
                break
            for errand in waiting:
                self._redirect(errand)
        return [self._translated(errand) for errand in errands]

    async def check(self, keys: Sequence[str], *, needs_memory: bool = True) -> None:
        """
        Ask each server that has one of these keys whether it can be used.

        Args:
            keys: For this alone; one of each server is written, and expires.
            needs_memory: Whether one without memory left is of no use to the port.

        Raises:
            Unavailable: One cannot be; or it refused what was asked before and has not done it
                since; or a listener is cut off.
        """
        script = PROBE if needs_memory else PROBE_WITHOUT_MEMORY
        calls = [script.call([key]) for key in (await self.spread(keys)).values()]
        replies = await self.ask_all(calls)
        self.outage.ensure()
        raise_first(replies, backend=self._backend)

    async def figures(self) -> dict[str, dict[str, str]]:
        """
        Ask each server for all that it tells of itself (INFO).

        Returns:
            By server, by field; without servers that are away or do not permit it.
        """
        found: dict[str, dict[str, str]] = {}

        async def ask(name: str, node: Node) -> None:
            with suppress(*TROUBLE):
                found[name] = await node.figures()

        with suppress(*TROUBLE):
            await self._servers.locate()
            await asyncio.gather(*(ask(*each) for each in self._servers.masters().items()))
        return found

    async def spread(self, keys: Sequence[str]) -> dict[str, str]:
        """
        Choose one of these keys for each server that has some.

        Returns:
            The key by the server's name: ``host:port`` in a cluster, ``server`` elsewhere.

        Raises:
            Unavailable: It cannot be found out where they are.
        """
        try:
            await self._servers.locate()
            return {self._servers.of(key).name: key for key in keys}
        except TROUBLE as error:
            self.outage.lost(reason(error), by="servers")
            raise Unavailable(self._backend) from error

    async def grouped(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """
        Put keys together that one server has; keys that none has are left out.

        Returns:
            The keys by the server's name, as in `spread`.

        Raises:
            Unavailable: It cannot be found out where they are.
        """
        groups: dict[str, list[str]] = {}
        try:
            await self._servers.locate()
        except TROUBLE as error:
            raise Unavailable(self._backend) from error
        for key in keys:
            with suppress(ClusterDownError):
                groups.setdefault(self._servers.of(key).name, []).append(key)
        return groups

    def doubt(self) -> None:
        """Have it found out anew where the keys are: a server said that it has some no more."""
        self._servers.doubt()

    async def dedicated(self, server: str = "") -> Connection:
        """
        Open a connection outside the pools, for a subscriber; the caller closes it.

        Args:
            server: The name of the one to connect to; empty: any, each time another.

        Raises:
            Unavailable: The connection cannot be opened.
        """
        try:
            await self._servers.locate()
            return await self._subscribed(server).dedicated()
        except TROUBLE as error:
            self._servers.doubt()
            raise Unavailable(self._backend) from error

    def _subscribed(self, server: str) -> Node:
        if not server:
            return self._servers.for_subscriber()
        for node in self._servers.masters().values():
            if node.name == server:
                return node
        raise ClusterDownError(f"{server} has no slots any more")

    async def _send(self, errands: Sequence[_Errand], *, shared: bool) -> None:
        """Send each errand to its node and put the reply, or what went wrong, into it."""
        try:
            await self._servers.locate()
            by_node: dict[Node, list[_Errand]] = {}
            for errand in errands:
                if errand.node is None:
                    errand.node = self._servers.of(errand.call.key)
                by_node.setdefault(errand.node, []).append(errand)
        except TROUBLE as error:
            self.outage.lost(reason(error), by="servers")
            _fail(errands, error)
            return
        self.outage.found(by="servers")
        if len(by_node) == 1:
            for node, group in by_node.items():
                await self._exchange(node, group, shared=shared)
            return
        async with asyncio.TaskGroup() as tasks:
            for node, group in by_node.items():
                tasks.create_task(self._exchange(node, group, shared=shared))

    async def _exchange(self, node: Node, errands: Sequence[_Errand], *, shared: bool) -> None:
        unknown = {e.call.script for e in errands if e.needs_script and e.call.script}
        commands: list[Words] = [("SCRIPT", "LOAD", script.text) for script in unknown]
        places = []
        for errand in errands:
            if errand.needs_asking:
                commands.append(("ASKING",))
            places.append(len(commands))
            commands.append(errand.call.command)
        try:
            replies = await (node.shared if shared else node).exchange(commands)
        except TROUBLE as error:
            self._servers.doubt()
            _fail(errands, error)
            return
        for errand, place in zip(errands, places, strict=True):
            errand.reply = replies[place]

    def _redirect(self, errand: _Errand) -> None:
        """Prepare an errand that a server did not touch for another attempt."""
        if errand.node is None:
            return
        match errand.reply:
            case NoScriptError():
                errand.needs_script = True
            case MovedError() as moved:
                self._servers.doubt()
                errand.node = self._servers.at(moved.node_addr, errand.node)
                errand.needs_asking = errand.needs_script = False
            case AskError() as ask:
                errand.node = self._servers.at(ask.node_addr, errand.node)
                errand.needs_asking, errand.needs_script = True, False

    def _translated(self, errand: _Errand) -> Any:
        reply = errand.reply
        if not isinstance(reply, Exception):
            return reply
        error = Unavailable(self._backend)
        if not _is_trouble(reply):
            if not is_unreadable(reply):
                return reply
            pass_over("key", said(reply)[:LONGEST], key=errand.call.key, backend=self._backend)
            error = SpoiltKey(self._backend)
        error.__cause__ = reply if reason(reply) == str(reply) else RedisError(reason(reply))
        return error


def _fail(errands: Sequence[_Errand], error: Exception) -> None:
    for errand in errands:
        errand.reply = error


def _is_trouble(error: Exception) -> bool:
    """Whether an error shows Redis away or unwilling, and not a script refusing."""
    if isinstance(error, _UNWILLING):
        return True
    if isinstance(error, ResponseError):
        return str(error).startswith(_UNWILLING_CODES)
    return isinstance(error, RedisError | OSError)
