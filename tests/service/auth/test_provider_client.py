"""Where questions to identity servers go."""

import asyncio
from ipaddress import ip_network

import pytest

from services.auth.identity.provider import ProviderQuery, ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from tests.support.deadline import DEADLINE
from tests.support.fakes.identity_server import identity_server
from tests.support.fakes.resolver import Names


def query(url: str) -> ProviderQuery:
    return ProviderQuery("GET", url, 1000, DEADLINE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_here(host: str) -> None:
    """A sidecar may be asked, as the URL says itself where it is."""
    async with identity_server() as server, asyncio.timeout(DEADLINE):
        port = server.url.rpartition(":")[2]
        client = ProviderClient()
        async with client.opened():
            assert (await client.ask(query(f"http://{host}:{port}/"))).status == 200


async def test_leads_here() -> None:
    """What merely leads to this machine is not asked, unless the operator allows it."""
    async with identity_server() as server, asyncio.timeout(DEADLINE):
        url = f"http://id.example.org:{server.url.rpartition(':')[2]}/"
        client = ProviderClient(resolver=Names(["127.0.0.1"]))
        allowed = ProviderClient([ip_network("127.0.0.0/8")], resolver=Names(["127.0.0.1"]))
        async with client.opened(), allowed.opened():
            with pytest.raises(ProviderUnavailable) as caught:
                await client.ask(query(url))
            assert (await allowed.ask(query(url))).status == 200

    assert "127.0.0.1 may not be called" in caught.value.reason
    assert len(server.asked) == 1
