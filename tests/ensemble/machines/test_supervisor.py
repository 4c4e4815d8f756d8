"""deploy/supervisor/fanfare.conf with Debian's supervisor."""

import asyncio
import os
import re
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import migrate
from tests.support.deployments.machines import Machine, amended, machine
from tests.support.deployments.program import FANFARE, ROOT, plain_environ
from tests.support.programs import find_program
from tests.support.servers.process import eventually
from tests.support.servers.web import answers

FILE = ROOT / "deploy" / "supervisor" / "fanfare.conf"
PORTS = {
    "gateway-6001": 16001,
    "gateway-6002": 16002,
    "auth-6101": 16101,
    "dispatcher-6201": 16201,
    "presence-6301": 16301,
}
# As Debian's own file is, but for where things lie.
MAIN = """
[unix_http_server]
file={directory}/supervisor.sock
[supervisord]
nodaemon=true
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
minfds=1024
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{directory}/supervisor.sock
[include]
files={directory}/fanfare.conf
"""


@dataclass(frozen=True, slots=True)
class Supervised:
    """
    A running supervisor.

    Attributes:
        machine: What it runs.
        process: Its own.
        directory: With its files.
    """

    machine: Machine
    process: asyncio.subprocess.Process
    directory: Path

    async def told(self, *words: str) -> str:
        """Ask supervisorctl, and return what it says."""
        process = await asyncio.create_subprocess_exec(
            *_command("supervisorctl", self.directory), *words, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        return output.decode()

    async def pid_of(self, name: str) -> int:
        """Return which process a name stands for."""
        return int(await self.told("pid", f"fanfare:{name}"))

    async def wait_until_ready(self, name: str) -> None:
        """Wait until a process says that it is ready."""
        url = f"http://{self.machine.host}:{PORTS[name]}/health/ready"

        async def is_ready() -> bool:
            await answers(url, status=200)
            return True

        await eventually(is_ready, timeout=DEADLINE)


@pytest.fixture
async def supervised(
    tmp_path: Path, redis_url: str, database_url: str
) -> AsyncIterator[Supervised]:
    here = machine(tmp_path, redis=redis_url, postgres=database_url)
    settings = here.settings()
    environ = {"FANFARE_BACKENDS_APPS": database_url}
    await migrate(settings, environ)
    (tmp_path / "supervisord.conf").write_text(MAIN.format(directory=tmp_path))
    (tmp_path / "fanfare.conf").write_text(_moved(here, settings, tmp_path))
    more = {"FANFARE_BACKENDS_PREFIX": f"t{secrets.token_hex(6)}", "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig=TERM", *_command("supervisord", tmp_path)),
        env=plain_environ() | more,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Supervised(here, process, tmp_path)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(DEADLINE):
            await process.wait()


async def test_all(supervised: Supervised) -> None:
    """
    All become ready; a gateway that dies is started again; and all end in order, in the time that they have.
    """
    await asyncio.gather(*map(supervised.wait_until_ready, PORTS))
    killed = await supervised.pid_of("gateway-6001")
    os.kill(killed, signal.SIGKILL)

    async def is_another() -> bool:
        return await supervised.pid_of("gateway-6001") not in {0, killed}

    await eventually(is_another, timeout=DEADLINE)
    await supervised.wait_until_ready("gateway-6001")
    said = await supervised.told("stop", "fanfare:*")
    states = await supervised.told("status")

    assert set(re.findall(r"fanfare:(\S+): stopped", said)) == set(PORTS)
    assert set(re.findall(r"fanfare:(\S+) +STOPPED", states)) == set(PORTS)
    log = (supervised.directory / "supervisord.log").read_text()
    assert set(re.findall(r"stopped: (\S+) \(exit status 0\)", log)) == set(PORTS)


def _moved(here: Machine, settings: Path, directory: Path) -> str:
    """Change the file for this test: where things lie, this account, and the machine's address."""
    return amended(
        FILE.read_text(),
        {
            "/opt/fanfare/bin/fanfare": " ".join(FANFARE),
            "/etc/fanfare/fanfare.toml": str(settings),
            "/etc/fanfare/secrets": str(here.secrets),
            "/var/log/supervisor": str(directory),
            "user=fanfare\n": "",
            "127.0.0.1:": f"{here.host}:",
        },
    )


def _command(name: str, directory: Path) -> list[str]:
    path = find_program("supervisord").with_name(name)
    return [str(path), "-c", str(directory / "supervisord.conf")]
