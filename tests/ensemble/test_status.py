"""`fanfare status` and `fanfare top` on a machine that reaches Redis alone."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.common.redis.keys import PARTITIONS
from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import ROOT, Program
from tests.support.ports.eventlogs import create
from tests.support.servers import redis_server
from tests.support.servers.ports import free_port


def alone(fleet: Fleet) -> dict[str, str]:
    """Return the settings of a machine that reaches Redis, and no other backend."""
    nowhere = f"127.0.0.1:{free_port()}"
    return fleet.environ | {
        "FANFARE_BACKENDS_EVENTS": f"kafka://{nowhere}",
        "FANFARE_BACKENDS_MEMBERSHIPS": f"postgresql://{nowhere}/x",
    }


async def status(fleet: Fleet, *words: str) -> Outcome:
    return await command("status", *words, config=fleet.write_settings(), environ=alone(fleet))


async def until(fleet: Fleet, holds: Callable[[dict[int, Any]], bool]) -> dict[int, Any]:
    """Ask until something holds of the processes, by their public ports."""
    async with asyncio.timeout(DEADLINE):
        while True:
            outcome = await status(fleet, "--json")
            told = {
                int(process["node"].rpartition(":")[2]): process
                for process in json.loads(outcome.output)["processes"]
            }
            if holds(told):
                return told
            await asyncio.sleep(0.1)


def figures(told: dict[int, Any], process: Program, service: str) -> dict[str, int]:
    found: dict[str, int] = told.get(process.port, {}).get("services", {}).get(service, {})
    return found


async def test_whole_and_half(tmp_path: Path, redis_url: str, kafka_url: str) -> None:
    """
    Every process is seen with what it does: clients of two gateways, partitions, streams.

    Then who crashes or hangs is silent, since when; who ends in order is missed by nobody.
    """
    fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url)
    await create(kafka_url, fleet.topic, partitions=2)
    async with (
        fleet.running("gateway") as one,
        fleet.running("gateway") as two,
        fleet.running("dispatcher", "auth", "presence") as others,
    ):
        await seen_whole(fleet, one, two, others=others)
        await seen_half(fleet, one, two, others=others)


async def seen_whole(fleet: Fleet, one: Program, two: Program, *, others: Program) -> None:
    async with visitors(APP) as visitor:
        for gateway in (one, one, two):
            guest = visitor()
            await guest.connect(gateway.url)
        told = await until(
            fleet,
            lambda told: (
                figures(told, one, "gateway").get("connections") == 2
                and figures(told, two, "gateway").get("connections") == 1
                and figures(told, others, "dispatcher").get("partitions") == 2
                and figures(told, others, "presence").get("partitions") == PARTITIONS
                and all(process["phase"] == "ready" for process in told.values())
            ),
        )
        shown = await status(fleet)

    assert all(process["version"] and process["pid"] for process in told.values())
    assert told[one.port]["listen"] == [f"127.0.0.1:{one.port}"]
    assert list(told[others.port]["services"]) == ["presence", "auth", "dispatcher"]
    title, *lines = shown.output.splitlines()
    assert shown.status == 0
    assert title.split() == ["NODE", "SERVICE", "RELEASE", "STATE", "UP", "DOES"]
    assert sum(" gateway " in line for line in lines) == 2
    assert "3 processes answer; 2 gateways have 3 connections; lag 0" in lines


async def seen_half(fleet: Fleet, one: Program, two: Program, *, others: Program) -> None:
    one.send(signal.SIGSTOP)
    await two.stop()
    told = await until(fleet, lambda told: bool(told[one.port]["silent"]))
    shown = await status(fleet)
    one.send(signal.SIGCONT)
    back = await until(fleet, lambda told: not told[one.port]["silent"])

    assert two.port not in told
    assert told[one.port]["silent_since"] >= told[one.port]["started_at"]
    assert not told[others.port]["silent"]
    assert shown.status == 1
    assert f":{one.port} (pid {one.process.pid}) gateway: silent since 20" in shown.output
    assert "1 of 2 processes answer" in shown.output
    assert back[one.port]["silent_since"] is None


async def test_away(tmp_path: Path, redis_url: str) -> None:
    """A backend that only one process misses is told with that process, since when and why."""
    async with redis_server() as lost:
        fleet = Fleet(tmp_path, redis=lost.url)
        shared = {"FANFARE_BACKENDS_CONTROL": redis_url}
        async with fleet.running("gateway", **shared) as gateway:
            lost.kill()
            config, environ = fleet.write_settings(), fleet.environ | shared
            async with asyncio.timeout(DEADLINE):
                while (
                    "is away"
                    not in (shown := await command("status", config=config, environ=environ)).output
                ):
                    await asyncio.sleep(0.2)

    assert shown.status == 1
    assert f":{gateway.port} (pid {gateway.process.pid}): bus is away since 20" in shown.output


async def test_nobody(tmp_path: Path, redis_url: str) -> None:
    """Where nobody tells anything, and where nobody can, it is said; nobody needs an app for that."""
    fleet = Fleet(tmp_path, redis=redis_url)
    nobody = await status(fleet)
    nowhere = await status(Fleet(tmp_path, redis=f"redis://127.0.0.1:{free_port()}"))
    memory = await command("status", config=fleet.write_settings(), environ={})
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    alone = await command("status", config=empty, environ={"FANFARE_BACKENDS_CONTROL": redis_url})

    assert (nobody.status, nowhere.status, memory.status) == (1, 1, 2)
    assert "cannot be used" not in alone.complaint
    assert "there are no apps" not in alone.complaint
    assert "is it running, with the same backends.control" in nobody.complaint
    assert "backends.control: redis://127.0.0.1:" in nowhere.complaint
    assert "cannot be used: " in nowhere.complaint
    assert "backends.control is memory://" in memory.complaint


class Screen:
    """A terminal on which a command runs."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._ours, self._theirs = pty.openpty()
        self._shown = b""

    async def start(self) -> asyncio.subprocess.Process:
        """Run `fanfare top`."""
        config = self._fleet.write_settings()
        os.set_blocking(self._ours, False)
        return await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", sys.executable, "-m", "services"),
            *("top", "--interval", "0.1", "--config", config),
            cwd=ROOT,
            env={**os.environ, **alone(self._fleet), "COLUMNS": "120", "LINES": "40"},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )

    async def shows(self, *texts: str) -> None:
        """Wait until all these stand on it, in order."""
        async with asyncio.timeout(DEADLINE):
            for text in texts:
                while text.encode() not in self._shown:
                    try:
                        self._shown += os.read(self._ours, 65_536)
                    except BlockingIOError:
                        await asyncio.sleep(0.02)
                self._shown = self._shown.partition(text.encode())[2]

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._ours, key)

    def close(self) -> None:
        """Give the terminal back."""
        os.close(self._ours)
        os.close(self._theirs)


async def test_top(tmp_path: Path, redis_url: str) -> None:
    """It moves, and ends at a key, with the terminal as it was."""
    fleet = Fleet(tmp_path, redis=redis_url)
    async with fleet.running("gateway") as gateway:
        for key, ended in ((b"q", 0), (b"\x03", 130)):
            await watched(fleet, gateway, key, ended=ended)


async def watched(fleet: Fleet, gateway: Program, key: bytes, *, ended: int) -> None:
    screen = Screen(fleet)
    process = await screen.start()
    try:
        await screen.shows("\x1b[?1049h", "NODE", "gateway", "connections 0")
        async with visitors(APP) as visitor:
            guest = visitor()
            await guest.connect(gateway.url)
            await screen.shows("have 1 connections", "a second: ", "connections 1")
        screen.press(key)
        await screen.shows("\x1b[?1049l")
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == ended
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        screen.close()
