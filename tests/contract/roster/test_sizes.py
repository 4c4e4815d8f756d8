"""The contract of `roster.port.Roster` about how many users channels have, on every adapter."""

import pytest

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from tests.support.ports.rosters import CHANNEL, LONG, Deployment, redis_process, request, seated
from tests.support.servers import redis_server

OTHER = Channel("1", "presence-hall")
EMPTY = Channel("2", CHANNEL.name)


class TestSizes:
    """Users are counted, not connections."""

    async def test_many_channels(self, site: Deployment) -> None:
        """Each channel is answered in its place; a user with two connections counts once."""
        await seated(
            site.roster,
            request(CHANNEL, "ann", socket_id="1.1"),
            request(CHANNEL, "ann", socket_id="1.2"),
            request(CHANNEL, "bob", socket_id="1.3"),
            request(OTHER, "ann", socket_id="1.1"),
        )

        sizes = await site.other.sizes([OTHER, EMPTY, CHANNEL, OTHER])

        assert sizes == [1, 0, 2, 1]

    async def test_leaving(self, site: Deployment) -> None:
        """A user counts as long as one connection is there, or its grace runs."""
        seats = [request(CHANNEL, "ann", socket_id=f"1.{number}") for number in (1, 2)]
        await seated(site.roster, *seats)
        sizes = []
        for number, grace in ((0, 0.0), (1, LONG), (1, 0.0)):
            await site.roster.leave([seats[number].seat], grace=grace)
            sizes += await site.other.sizes([CHANNEL])

        assert sizes == [1, 1, 0]

    async def test_none(self, site: Deployment) -> None:
        """Nothing asked, nothing answered."""
        assert await site.roster.sizes([]) == []

    async def test_away(self, prefix: str) -> None:
        """While Redis is away there is no answer."""
        async with redis_server() as server, redis_process(server.url, prefix) as one:
            await one.roster.sizes([CHANNEL])
            server.kill()

            with pytest.raises(Unavailable):
                await one.roster.sizes([CHANNEL, OTHER])
