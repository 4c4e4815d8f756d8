"""The processes of deploy/systemd, with their commands and variables, without systemd."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import said
from tests.support.deployments.machines import Machine, machine
from tests.support.deployments.program import FANFARE, Program, plain_environ, spawned
from tests.support.deployments.units import Unit, unit
from tests.support.servers.process import eventually

UNITS = [
    "fanfare-gateway@6001.service",
    "fanfare-gateway@6002.service",
    "fanfare-auth@6101.service",
    "fanfare-dispatcher@6201.service",
    "fanfare-presence@6301.service",
]


@pytest.fixture
def here(tmp_path: Path, redis_url: str, database_url: str) -> Machine:
    return machine(tmp_path, redis=redis_url, postgres=database_url)


@asynccontextmanager
async def started(unit: Unit, on: Machine, more: Mapping[str, str]) -> AsyncIterator[Program]:
    """Start a unit's process with what the unit says, at the machine's address."""
    environ = {
        **unit.environ(on.secrets),
        "FANFARE_CONFIG": str(on.settings()),
        **more,  # As /etc/fanfare/environment is.
    }
    environ = {name: text.replace("127.0.0.1", on.host) for name, text in environ.items()}
    installed, *words = unit.one("ExecStart").split()
    assert installed == "/opt/fanfare/bin/fanfare"
    log = on.secrets / f"{unit.name}.log"
    ports = [_port(environ.get(f"FANFARE_SERVER_{name}")) for name in ("LISTEN", "INTERNAL_LISTEN")]
    async with spawned([*FANFARE, *words], environ=plain_environ() | environ, log=log) as process:
        yield Program(process, log, on.host, *ports)


async def ended(unit: Unit, on: Machine, more: Mapping[str, str]) -> tuple[int, str]:
    """Run a unit's process to its end; return its status and what it said."""
    async with started(unit, on, more) as program, asyncio.timeout(DEADLINE):
        return await program.process.wait(), program.log.read_text()


async def test_all(here: Machine) -> None:
    """
    After the migration all become ready beside each other, take new rules on a reload, and end in order.
    """
    more = {"FANFARE_BACKENDS_PREFIX": f"t{secrets.token_hex(6)}"}
    status, words = await ended(unit("fanfare-migrate.service"), here, more)
    assert status == 0, words

    async with AsyncExitStack() as stack:
        starting = [started(unit(name), here, more) for name in UNITS]
        programs = [await stack.enter_async_context(each) for each in starting]
        await asyncio.gather(*(program.wait_until_ready() for program in programs))

        for program in programs:
            program.send(signal.SIGHUP)
            await eventually(partial(_has_reloaded, program), timeout=DEADLINE)
        statuses = await asyncio.gather(*(program.stop() for program in programs))

    assert statuses == [0] * len(UNITS)


@pytest.mark.parametrize("name", ["bus-url", "token-public-keys.json"])
async def test_missing_secret(here: Machine, name: str) -> None:
    """
    A process without a secret ends with the status after which it is not started again, and says which it lacks.
    """
    gateway = unit(UNITS[0])
    (here.secrets / name).unlink()

    status, words = await ended(gateway, here, {})

    assert str(status) == gateway.one("RestartPreventExitStatus")
    assert name in words


async def _has_reloaded(program: Program) -> bool:
    return bool(said(program, "rules.reloaded"))


def _port(address: str | None) -> int:
    """Return the port of an address; 0 where a unit listens nowhere."""
    return int((address or ":0").rpartition(":")[2])
