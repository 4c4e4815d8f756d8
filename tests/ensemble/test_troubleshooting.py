"""docs/troubleshooting.md prints what its commands print."""

import asyncio
import shlex
from pathlib import Path

from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import command
from tests.support.deployments.program import ROOT, Program, program
from tests.support.documents.transcripts import Transcript, fenced, transcripts

PAGE = ROOT / "docs" / "troubleshooting.md"


async def run(transcript: Transcript, deployment: Program, config: Path, event: Path) -> str:
    """Run a command of the page, and return what it prints, on both streams."""
    public, internal = deployment.url, deployment.internal_url
    line = transcript.command.replace("http://127.0.0.1:6001", public)
    line = line.replace("http://127.0.0.1:9601", internal).replace("event.json", str(event))
    name, *words = shlex.split(line)
    if name == "fanfare":
        address = {"FANFARE_SERVER_LISTEN": public.removeprefix("http://")}
        outcome = await command(*words, config=config, environ=address)
        return outcome.output + outcome.complaint
    asked = await asyncio.create_subprocess_exec(name, *words, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(DEADLINE):
        output, _ = await asked.communicate()
    lines = output.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("Date:", "Server:")))


async def test_printed(tmp_path: Path) -> None:
    """
    With the settings of the page each of its commands prints what stands there.
    """
    config, event = tmp_path / "fanfare.toml", tmp_path / "event.json"
    config.write_text(fenced(PAGE, "toml")[0])
    event.write_text(fenced(PAGE, "json")[0])
    async with program(config=config, log=tmp_path / "log") as deployment:
        for each in transcripts(PAGE):
            printed = await run(each, deployment, config, event)

            assert each.fits(printed), f"{each.command}\n{printed}"
