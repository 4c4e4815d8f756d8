"""Many clients that go at the same moment: the gateway does other things between them."""

import asyncio
from itertools import pairwise

from services.gateway.intake.departures import TURN
from tests.support.clients.attackers import attackers
from tests.support.services.gateway import place

PATH = "/app/app-key?protocol=7"


async def test_at_once() -> None:
    """
    However many break off together, few are let go in one turn of the loop; in the end all are.
    """
    many = 10 * TURN
    async with place() as here, attackers(here.port, PATH, many) as clients:
        counters = here.gateway.counters
        counts = [0]
        for client in clients:
            client.reset()

        while counts[-1] < many:
            await asyncio.sleep(0)
            counts.append(sum(counters.closed.values()))

        assert max(now - before for before, now in pairwise(counts)) <= TURN
