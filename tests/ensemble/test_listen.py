"""`fanfare listen` as a process of its own, on a deployment of one process."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import command
from tests.support.deployments.deployment import in_one_process
from tests.support.deployments.program import ROOT
from tests.support.servers.ports import free_port

CONFIG = "memory.toml"
LISTENING = "fanfare: listening to "


class Ear:
    """A listener that runs."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def line(self) -> list[str]:
        """Wait for the next line, and return its columns but for the time."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stdout.readline()).decode().rstrip("\n").split("\t")[1:]

    async def complaint(self) -> str:
        """Wait for the next line of its standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stderr.readline()).decode().rstrip("\n")

    async def end(self) -> tuple[int, str]:
        """Wait until it ends, and return its status and what else it said on standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            rest = await self.process.stderr.read()
            return await self.process.wait(), rest.decode()


@asynccontextmanager
async def listening(directory: Path, url: str, *words: str) -> AsyncIterator[Ear]:
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig=KILL", sys.executable, "-m", "services", "listen", *words),
        *("--url", url, "--config", str(directory / CONFIG)),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Ear(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment that runs, and the folder of its settings."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("listen")
    async with in_one_process(folder, "listen") as running:
        yield Place(folder, running.gateways[0].url)


async def publish(directory: Path, url: str, *words: str) -> None:
    outcome = await command("publish", *words, "--url", url, config=directory / CONFIG, environ={})
    assert outcome.status == 0, outcome


async def test_prints(place: Place) -> None:
    """
    A line for each event, whatever is in it, until there are enough.
    """
    channels = ("news", "private-room.1", "presence-room.1", "offers.5")
    user = ("--user", "7", "--claim", 'companies=["5"]')
    async with listening(place.folder, place.url, *channels, *user, "--count", "5") as ear:
        assert await ear.complaint() == LISTENING + ", ".join(channels)
        await publish(place.folder, place.url, "news", "hello", '{"from":\n"SDK"}')
        await publish(place.folder, place.url, "private-room.1", "two words", '{\n "a": 1}')
        await publish(place.folder, place.url, "offers.5", "odd", "no JSON\n\x1b[2J")
        await publish(place.folder, place.url, "presence-room.1", "hello")
        async with listening(place.folder, place.url, "presence-room.1", "--user", "8") as other:
            await other.complaint()
            lines = [await ear.line() for _ in range(5)]

        assert await ear.end() == (0, "")

    assert lines == [
        ["news", "hello", '{"from":"SDK"}'],
        ["private-room.1", "two words", '{"a":1}'],
        ["offers.5", "odd", '"no JSON\\n\\u001b[2J"'],
        ["presence-room.1", "hello", "{}"],
        ["presence-room.1", "pusher_internal:member_added", '{"user_id":"8","user_info":null}'],
    ]


@pytest.mark.parametrize(
    "words,status,complaint",
    [
        (("news", "--timeout", "0.2"), 0, ""),
        (
            ("news", "--count", "1", "--timeout", "0.2"),
            1,
            "fanfare: 0 of 1 events arrived within 0.2 s\n",
        ),
    ],
)
async def test_time_is_over(
    place: Place, words: tuple[str, ...], status: int, complaint: str
) -> None:
    """
    A script tells by the status whether all came.
    """
    async with listening(place.folder, place.url, *words) as ear:
        assert await ear.end() in {(status, complaint), (status, f"{LISTENING}news\n{complaint}")}


async def test_refused(place: Place) -> None:
    """
    Who may not join is told so, and does not try again.
    """
    async with listening(place.folder, place.url, "offers.6", "--user", "7") as ear:
        status, complaint = await ear.end()
    async with listening(place.folder, place.url, "offers.6") as ear:
        unnamed = await ear.end()

    assert status == 1
    assert complaint.startswith("fanfare: offers.6: refused with 403: ")
    assert unnamed == (2, "fanfare: offers.6 needs --user: a policy guards it\n")


async def test_nobody_is_there(place: Place) -> None:
    """
    Where nobody was from the beginning it says so and ends.
    """
    async with listening(place.folder, f"http://127.0.0.1:{free_port()}", "news") as ear:
        status, complaint = await ear.end()

    assert status == 1
    assert complaint.startswith("fanfare: ")
    assert "Traceback" not in complaint


async def test_connects_again(tmp_path: Path, prefix: str) -> None:
    """
    When the deployment goes it says so, and goes on once it is back.
    """
    ports = free_port(), free_port()
    async with AsyncExitStack() as stack:
        async with in_one_process(tmp_path, prefix, ports=ports) as first:
            url = first.gateways[0].url
            ear = await stack.enter_async_context(listening(tmp_path, url, "news", "--count", "1"))
            await ear.complaint()
            first.gateways[0].kill()
            lost = await ear.complaint()
        async with in_one_process(tmp_path, prefix, ports=ports):
            while "connected again" not in (said := await ear.complaint()):
                assert said.endswith("; connecting again")
            await publish(tmp_path, url, "news", "back")
            line = await ear.line()
            end = await ear.end()

    assert lost == "fanfare: the connection was closed with 1006; connecting again"
    assert line == ["news", "back", "{}"]
    assert end == (0, "")


async def test_reader_goes(place: Place) -> None:
    """
    When its reader goes it ends, without a word, though nothing more arrives.
    """
    async with listening(place.folder, place.url, "news") as ear:
        await ear.complaint()
        transport = ear.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        transport.close()

        assert await ear.end() == (1, "")


async def test_interrupted(place: Place) -> None:
    """
    Ctrl-C ends it without a word, with the status that shells expect.
    """
    async with listening(place.folder, place.url, "news") as ear:
        await ear.complaint()
        ear.process.send_signal(signal.SIGINT)

        assert await ear.end() == (130, "")
