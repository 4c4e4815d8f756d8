"""
Lookups of names, in threads of their own.

The system's resolver blocks for as long as name servers are silent, and cannot be cancelled.  In
the loop's own threads a few such names would keep everybody waiting who needs a thread.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 32  # Names that are looked up at once; aiohttp asks for each once at a time.


class Lookups(AbstractResolver):
    """
    Looks names up.  Whoever makes it closes it.

    Args:
        ask: As `socket.getaddrinfo`, which asks the system.
    """

    def __init__(self, ask: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._ask = ask
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look a name up; raises OSError where it is not known."""
        ask = partial(self._ask, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Ask no more; threads that still wait for an answer end when it comes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
