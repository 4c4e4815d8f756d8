"""`fanfare debug` on processes that run: what they log, for how long, and what they never show."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program

ROOM = "private-room"


async def debug(fleet: Fleet, *words: str) -> Outcome:
    return await command("debug", *words, config=fleet.write_settings(), environ=fleet.environ)


async def until(process: Program, event: str, holds: Callable[[Any], bool]) -> Any:
    """Wait for a line about an event of which something holds."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for line in said(process, event):
                if holds(line):
                    return line
            await asyncio.sleep(0.02)


def changed(level: str) -> Callable[[Any], bool]:
    return lambda line: line["log_level"] == level


async def test_debug(tmp_path: Path, redis_url: str, kafka_url: str) -> None:
    """
    Levels and frames are shown by the processes that are meant, also by one that starts later, until it is ended.

    Of what permits a subscription nothing is shown.
    """
    fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
    async with (
        fleet.running("gateway", FANFARE_LOG_AUDIT="log") as one,
        fleet.running("auth") as other,
    ):
        first = await debug(fleet, "--level", "debug", "--process", "gateway")
        await debug(fleet, "--frames", "--app", APP.id, "--channel", ROOM)
        await until(one, "debugging.changed", lambda line: line["frames"] == [f"{APP.id} {ROOM}"])
        async with visitors(APP) as visitor, fleet.running("gateway") as late:
            await until(late, "debugging.changed", lambda line: line["frames"] != [])
            await joined_and_shown(visitor(), one)
            await joined_and_shown(visitor(), late)
            status = await debug(fleet, "--status", "--json")
            ended = await debug(fleet, "--off")
            for process in (one, late):
                await until(process, "debugging.changed", lambda line: line["until"] is None)

    assert first.status == 0
    audited = said(one, "audit.debug_ordered")
    assert [line["kind"] for line in audited] == ["level", "frames", "off"]
    assert {line["by"] for line in audited} == {socket.gethostname()}
    assert not said(other, "audit.debug_ordered")
    assert said(other, "debugging.changed")[-1]["log_level"] == "info"
    assert all(line["log_level"] == "info" for line in said(other, "debugging.changed"))
    orders = json.loads(status.output)["orders"]
    assert [order.get("level") for order in orders] == ["debug", None]
    assert orders[0]["processes"] == ["gateway"]
    assert orders[1]["frames"] == {"app": APP.id, "channel": ROOM}
    assert ended.output == "nothing is ordered: every process logs what its settings say\n"


async def joined_and_shown(guest: Any, gateway: Program) -> None:
    """Join, and see in the log what the client said and was told, but for what permits it."""
    await guest.connect(gateway.url)
    await guest.join(ROOM)
    asked = await until(gateway, "frame.received", lambda line: "subscribe" in line["frame"])
    told = await until(gateway, "frame.sent", lambda line: "succeeded" in line["frame"])

    assert json.loads(asked["frame"])["data"]["auth"] == "***"
    assert told["socket_id"] == asked["socket_id"]
    assert said(gateway, "connection.opened")  # Which is at the level debug.


async def test_expires(tmp_path: Path, redis_url: str, kafka_url: str) -> None:
    """
    An order ends by itself; a name that no process has is refused.
    """
    fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
    async with fleet.running("gateway") as gateway:
        await debug(fleet, "--level", "debug", "--for", "1")
        await until(gateway, "debugging.changed", changed("debug"))
        await until(gateway, "debugging.changed", lambda line: line["until"] is None)
        unknown = await debug(fleet, "--level", "debug", "--process", "gatway")
        late = await debug(fleet, "--status")

    assert unknown.status == 2
    assert "no process is called 'gatway'; did you mean gateway" in unknown.complaint
    assert late.output.startswith("nothing is ordered")
