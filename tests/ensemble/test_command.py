"""The program as its users start and stop it: where it listens, and Ctrl-C before it has begun."""

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import said
from tests.support.deployments.program import ROOT, program
from tests.support.servers.ports import free_port

APP = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["a-secret-of-its-own"]\n'
INTERRUPTED = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "services.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module("services", run_name="__main__")
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a file with one app."""
    file = tmp_path / "fanfare.toml"
    file.write_text(APP)
    return file


async def test_several_addresses(config: Path, tmp_path: Path) -> None:
    """
    Each of several addresses is served, and the log names them with the release.
    """
    listen = [f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"]
    environ = {"FANFARE_SERVER_LISTEN": ",".join(listen)}
    async with (
        program(config=config, log=tmp_path / "log", environ=environ) as running,
        aiohttp.ClientSession() as http,
    ):
        for address in listen:
            async with http.get(f"http://{address}/") as answer:
                assert "This is Fanfare" in await answer.text()
        async with http.get(running.internal_url) as answer:
            about = await answer.json()

        (started,) = said(running, "process.started")
        assert started["listen"] == ", ".join(listen)
        assert started["version"] == about["version"] != ""


async def test_interrupted_while_it_is_read() -> None:
    """
    Ctrl-C in the first moments ends it as in any other, without a traceback.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTED),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE):
        output, _ = await process.communicate()

    assert (process.returncode, output) == (-signal.SIGINT, b"")
