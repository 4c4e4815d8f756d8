"""A name server on loopback: it knows the addresses of a few names, which may change."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import cast

_HEADER = struct.Struct("!6H")  # RFC 1035, 4.1.1: id, flags, and the counts of four sections.
_RECORD = struct.Struct("!3HIH4s")  # 4.1.3: name, type, class, time to live, length, address.
_A, _INTERNET = 1, 1
_ANSWER = 0x8580  # A response, with authority, to a query that wanted recursion.
_UNKNOWN = 3  # There is no such name.
_FIRST_NAME = 0xC000 | _HEADER.size  # 4.1.4: a pointer to the name in the question.
_TTL = 1  # Seconds.


class Names(asyncio.DatagramProtocol):
    """
    The server.

    Attributes:
        addresses: What it knows; may be changed at any time.
    """

    def __init__(self, addresses: dict[str, Sequence[str]]) -> None:
        self.addresses = addresses
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See asyncio."""
        assert self._transport is not None
        self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        """Answer a query of one question; whatever follows the question is ignored."""
        identity, *_ = _HEADER.unpack_from(query)
        labels, end = _labels(query)
        kind, _ = struct.unpack_from("!2H", query, end)
        known = self.addresses.get(".".join(labels).lower())
        records = [
            _RECORD.pack(_FIRST_NAME, _A, _INTERNET, _TTL, 4, IPv4Address(address).packed)
            for address in known or ()
            if kind == _A
        ]
        status = _ANSWER if known is not None else _ANSWER | _UNKNOWN
        header = _HEADER.pack(identity, status, 1, len(records), 0, 0)
        return header + query[_HEADER.size : end + 4] + b"".join(records)


def _labels(query: bytes) -> tuple[list[str], int]:
    """Read the name in the question, and tell where it ends."""
    labels, at = [], _HEADER.size
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode())
        at += 1 + size
    return labels, at + 1


@asynccontextmanager
async def names(addresses: dict[str, Sequence[str]]) -> AsyncIterator[Names]:
    """Run a name server."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: Names(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
