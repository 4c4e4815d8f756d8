"""What presence counts of its sweeps: gateways that were given up, and no departures."""

from libs.common.channels import Channel
from services.presence.metrics import SWEEPS
from tests.support.services.gateway import APP, Place, place, until

ROOM = "presence-room"


def swept(here: Place, result: str) -> float:
    """Return how many sweeps had a result."""
    (found,) = (each for each in here.presence.metrics() if each.family is SWEEPS)
    value = dict(found.values)[result,]
    assert isinstance(value, int | float)
    return value


async def test_clients_that_come_and_go() -> None:
    """
    Members whose grace is over leave with a sweep, and no gateway was given up for that.
    """
    async with place() as here:
        for user in ("ann", "bob", "cy"):
            client = await here.join(ROOM, user=user)
            await client.close()
            await until(lambda: not here.roster.users(Channel(APP.id, ROOM)))
        before = swept(here, "nothing")
        await until(lambda: swept(here, "nothing") > before)

        assert swept(here, "found") == 0


async def test_gateway_without_members() -> None:
    """
    A gateway that renews no more is given up, whether or not it had members.
    """
    async with place(lease_grace=0.01) as here:
        await here.roster.renew("killed", ttl=0.01)

        await until(lambda: swept(here, "found") == 1)


async def test_gateway_that_ends() -> None:
    """
    One that ends in order is not given up.
    """
    async with place(lease_grace=0.01) as here:
        await here.roster.renew("ended", ttl=60.0)
        await here.roster.release("ended")

        await until(lambda: here.roster.inner_leases.has_cleared("ended"))
        before = swept(here, "nothing")
        await until(lambda: swept(here, "nothing") > before)
        assert swept(here, "found") == 0
