"""Listening on one address and on several, of one family and of both."""

import asyncio
import errno
import socket
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web

from libs.common.config.address import Address
from libs.common.web.listeners import CannotListen, has_ipv6, listening, socket_for
from tests.support.deadline import DEADLINE


def tells_peer() -> web.Application:
    """Make an application that tells who asks."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    return app


async def ask(address: str, port: int) -> str:
    """Ask at an address, and return who it takes us for."""
    async with (
        asyncio.timeout(DEADLINE),
        aiohttp.ClientSession() as http,
        http.get(f"http://{Address(address, port)}/") as response,
    ):
        return await response.text()


class TestFamilies:
    """All addresses are those of both families."""

    @pytest.mark.parametrize("host", ["*", "::"])
    async def test_both(self, host: str) -> None:
        """IPv4 and IPv6 reach the same port, be it one that was free, and it goes by its name."""
        async with listening(tells_peer(), [Address(host, 0)]) as (bound,):
            assert bound == Address(host, bound.port)
            assert await ask("127.0.0.1", bound.port) == "::ffff:127.0.0.1"
            assert await ask("::1", bound.port) == "::1"

    async def test_ipv4(self) -> None:
        """``0.0.0.0`` is IPv4 alone."""
        async with listening(tells_peer(), [Address("0.0.0.0", 0)]) as (bound,):
            assert await ask("127.0.0.1", bound.port) == "127.0.0.1"
            with pytest.raises(aiohttp.ClientConnectionError):
                await ask("::1", bound.port)

    async def test_several(self) -> None:
        """Several addresses have each a port of its own where none was named, in their order."""
        addresses = [Address("::1", 0), Address("127.0.0.1", 0), Address("127.0.0.1", 0)]

        async with listening(tells_peer(), addresses) as bound:
            assert [address.host for address in bound] == ["::1", "127.0.0.1", "127.0.0.1"]
            assert len({(address.host, address.port) for address in bound}) == 3
            for address in bound:
                assert await ask(address.host, address.port) == address.host

    async def test_ended(self) -> None:
        """At the end nobody listens on any of them."""
        async with listening(tells_peer(), [Address("*", 0), Address("127.0.0.1", 0)]) as bound:
            pass

        for address in bound:
            with pytest.raises(aiohttp.ClientConnectionError):
                await ask("127.0.0.1", address.port)


class TestRefused:
    """What cannot be listened on is said, of several addresses the one."""

    @staticmethod
    async def refused(addresses: Sequence[Address]) -> CannotListen:
        with pytest.raises(CannotListen) as raised:
            async with listening(tells_peer(), addresses):
                raise AssertionError("it listens")
        return raised.value

    @pytest.mark.parametrize("host", ["127.0.0.1", "*", "::", "localhost"])
    async def test_taken(self, host: str) -> None:
        """One that is taken, be it for one of its families, is said to be; the others are let go."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with socket.create_server(("127.0.0.1", 0)) as other:
                free = other.getsockname()[1]

            error = await self.refused([Address("127.0.0.1", free), Address(host, port)])

        assert str(error) == f"cannot listen on {error.address}: address already in use"
        assert (error.address, error.is_taken) == (Address(host, port), True)
        socket.create_server(("127.0.0.1", free)).close()

    async def test_of_another_machine(self) -> None:
        error = await self.refused([Address("192.0.2.1", 0)])

        assert str(error) == "cannot listen on 192.0.2.1:0: cannot assign requested address"
        assert not error.is_taken

    async def test_unresolvable(self) -> None:
        """A name that nobody knows is said in the resolver's words."""
        error = await self.refused([Address("nowhere.invalid", 1)])

        assert str(error).startswith("cannot listen on nowhere.invalid:1: ")


class TestWithoutIpv6:
    """Where the system has no IPv6."""

    async def test_here(self) -> None:
        """Here it has."""
        assert has_ipv6()

    async def test_all(self) -> None:
        """``*`` is what there is."""
        own = socket_for(Address("*", 0), has_ipv6=False)

        assert own is not None
        with own:
            assert (own.family, own.getsockname()[0]) == (socket.AF_INET, "0.0.0.0")

    @pytest.mark.parametrize(
        "host,said",
        [
            ("::", "this system has no IPv6; *:80 means all addresses that it has"),
            ("::1", "this system has no IPv6"),
        ],
    )
    async def test_refused(self, host: str, said: str) -> None:
        """An address of IPv6 is refused in words."""
        address = Address(host, 80)
        with pytest.raises(OSError, match="Address family") as raised:
            socket_for(address, has_ipv6=False)

        assert raised.value.errno == errno.EAFNOSUPPORT
        assert str(CannotListen(address, raised.value)) == f"cannot listen on {address}: {said}"

    async def test_others(self) -> None:
        """Others are left to asyncio."""
        assert socket_for(Address("localhost", 0), has_ipv6=False) is None
