"""Servers that are lent to all workers of a run, and ports that are given once."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE
from tests.support.servers import NoServer, borrow, lending
from tests.support.servers.ports import free_port
from tests.support.servers.process import NotReady, eventually
from tests.support.servers.redis.server import probe_redis

KIND = "redis_acl"

LEADS = f"""
import signal, time
from tests.support.servers import borrow, lending

# Where a shell has put the run into the background, it has it ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
with lending() as directory:
    print(borrow(directory, "{KIND}"), flush=True)
    time.sleep({DEADLINE})
"""

HAS_PORTS = """
import sys
from tests.support.servers.ports import free_port

print(*(free_port() for _ in range(500)), flush=True)
sys.stdin.readline()
"""


async def is_away(url: str) -> bool:
    try:
        await probe_redis(url)
    except NotReady:
        return True
    return False


class TestLending:
    """Each server is started once, and ends with the run."""

    async def test_all_have_the_same(self) -> None:
        """Those who ask at once are told of one server; it is away when the run has ended."""
        with lending() as directory:
            asked = [asyncio.to_thread(borrow, directory, KIND) for _ in range(4)]
            urls = set(await asyncio.gather(*asked))
            serves = not any([await is_away(url) for url in urls])

        (url,) = urls
        assert serves
        assert await is_away(url)
        assert not directory.exists()

    def test_cannot_be_had(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Everybody who asks is told why there is none."""
        monkeypatch.setenv("PATH", str(tmp_path))

        with lending() as directory:
            for _ in range(2):
                with pytest.raises(NoServer, match="redis-server is missing"):
                    borrow(directory, KIND)

    def test_is_over(self) -> None:
        """Who asks when the run has ended is told so at once."""
        with lending() as directory:
            pass

        with pytest.raises(NoServer, match="nobody lends kafka"):
            borrow(directory, "kafka")

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
    async def test_leader_is_ended(self, tmp_path: Path, number: signal.Signals) -> None:
        """No server outlives the process that leads the run, however that ends."""
        leader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LEADS),
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert leader.stdout is not None
        url = (await leader.stdout.readline()).decode().strip()
        assert not await is_away(url)

        leader.send_signal(number)
        async with asyncio.timeout(DEADLINE):
            await leader.wait()

        await eventually(lambda: is_away(url), timeout=DEADLINE)


class TestPorts:
    """Ports that nobody listens on yet."""

    def test_two_processes(self) -> None:
        """No port is given to two processes that run, though they look in the same place."""
        command = [sys.executable, "-c", HAS_PORTS]
        with subprocess.Popen(  # noqa: S603 - our own.
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            theirs = {int(port) for port in other.stdout.readline().split()}
            ours = {free_port() for _ in range(500)}
            other.communicate("\n", timeout=DEADLINE)

        assert (len(theirs), len(ours)) == (500, 500)
        assert not theirs & ours
