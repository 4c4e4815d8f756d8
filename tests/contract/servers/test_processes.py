"""Servers of tests.support.servers as processes: they say why they fail, and leave nothing behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE
from tests.support.servers import ServerDidNotStart, developer
from tests.support.servers.process import Launch, NotReady, eventually, make_directory, running
from tests.support.servers.redis.server import probe_redis

STARTS_REDIS = """
import asyncio
from tests.support.servers import redis_server

async def main():
    async with redis_server() as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def shell(script: str, *, timeout: float) -> Launch:
    """Describe a server that is a shell script and never serves."""

    async def probe() -> None:
        raise NotReady("nobody listens")

    return Launch(
        name="shell",
        url="shell://",
        command=["sh", "-c", script],
        directory=make_directory("shell"),
        probe=probe,
        timeout=timeout,
    )


async def is_away(url: str) -> bool:
    try:
        await probe_redis(url)
    except NotReady:
        return True
    return False


class TestStart:
    """A start that fails."""

    async def test_ends_at_once(self) -> None:
        """The error has the exit status and the end of the log."""
        with pytest.raises(ServerDidNotStart, match=r"ended with status 3(.|\n)*no such port"):
            async with running(shell("echo no such port; exit 3", timeout=DEADLINE)):
                pass

    async def test_stays_silent(self) -> None:
        """The error says what was tried, and the process is ended."""
        launch = shell("echo $$ > pid; exec sleep 60", timeout=0.5)
        with pytest.raises(ServerDidNotStart, match=r"within 0.5 s \(nobody listens\)"):
            async with running(launch):
                pass

        assert not launch.directory.exists()


class TestDeath:
    """The process that started a server is killed."""

    async def test_server_dies_too(self, tmp_path: Path) -> None:
        """No server outlives a test run, however that ends."""
        starter = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            STARTS_REDIS,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert starter.stdout is not None
        url = (await starter.stdout.readline()).decode().strip()
        assert not await is_away(url)

        starter.kill()
        await starter.wait()

        await eventually(lambda: is_away(url), timeout=DEADLINE)


class TestDeveloper:
    """Servers which are started once and remembered."""

    @pytest.fixture(autouse=True)
    def own_records(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(developer, "RECORDS", tmp_path / "servers.json")
        monkeypatch.setattr(developer, "KINDS", ("redis",))

    async def test_start_and_stop(self) -> None:
        """A second start keeps what runs, and stop ends it."""
        first = await developer.start()
        await probe_redis(first["redis"].url)

        assert await developer.start() == first
        assert developer.stop() == ["redis"]
        assert developer.servers() == {}
        with pytest.raises(NotReady):
            await probe_redis(first["redis"].url)

    async def test_start_after_a_crash(self) -> None:
        """A server that has died is started anew."""
        first = await developer.start()
        os.kill(first["redis"].pid, signal.SIGKILL)
        await eventually(self.is_forgotten, timeout=DEADLINE)

        second = await developer.start()

        assert second["redis"].pid != first["redis"].pid
        assert not Path(first["redis"].directory).exists()
        developer.stop()

    async def is_forgotten(self) -> bool:
        return not developer.servers()

    def test_another_process_with_the_id(self) -> None:
        """A process that merely has a remembered id is not touched."""
        stranger = developer.Running("redis://", os.getpid(), 0, "", signal.SIGKILL)

        assert not stranger.is_alive
