"""Real sockets on two gateways, and what presence tells of their users."""

from pathlib import Path
from typing import Any

from tests.support.clients.back_ends import back_end
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program
from tests.support.servers.process import eventually

PATH = f"/presence/apps/{APP.id}"


async def signed_in(visitor: Visitor, gateway: Program, user: str, device: str) -> None:
    """Connect a visitor, and sign it in from a device."""
    await visitor.connect(gateway.url)
    await visitor.sign_in(user, user_info={"device": device})


async def test_two_gateways(tmp_path: Path, redis_url: str, database_url: str) -> None:
    """A user is online while a socket is open on any gateway, and was last seen when the last one went."""
    fleet = Fleet(tmp_path, redis=redis_url, postgres=database_url)
    await fleet.found()
    kept = {"FANFARE_BACKENDS_SIGHTINGS": database_url}
    async with (
        fleet.running("presence", **kept) as presence,
        fleet.running("gateway", **kept) as one,
        fleet.running("gateway", **kept) as two,
        visitors(APP) as visitor,
        back_end(APP) as backend,
    ):

        async def told() -> Any:
            return (await backend.get(presence.url, f"{PATH}/users/ann")).body

        async def has(connections: int) -> bool:
            return bool((await told())["connections"] == connections)

        async def was_seen() -> bool:
            answer = await told()
            return not answer["online"] and bool(answer["last_seen"])

        phone, laptop = visitor(), visitor()
        await signed_in(phone, one, "ann", "phone")
        await signed_in(laptop, two, "ann", "laptop")

        await eventually(lambda: has(2), timeout=DEADLINE)
        online = await told()
        listed = await backend.get(presence.url, f"{PATH}/online")
        await phone.leave()
        await eventually(lambda: has(1), timeout=DEADLINE)
        await laptop.leave()
        await eventually(was_seen, timeout=DEADLINE)

    assert [device["id"] for device in online["devices"]] == ["laptop", "phone"]
    assert listed.body["users"] == ["ann"]
