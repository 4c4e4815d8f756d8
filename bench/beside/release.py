"""An earlier release, to be measured beside the code that is here."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.workers import ROOT, Failed
from tests.support.deployments.program import Release


@asynccontextmanager
async def checked_out(commit: str, directory: Path) -> AsyncIterator[Release]:
    """
    Check a commit out, and remove that in the end.

    Its code runs with the dependencies that are installed here.

    Args:
        commit: As git may name it.
        directory: Where the code is put; must not be there yet.

    Raises:
        Failed: There is no such commit, or it cannot be checked out.
    """
    await _git("worktree", "add", "--detach", str(directory), commit)
    try:
        yield Release(directory, (sys.executable, "-P", "-m", "services"), _environ(directory))
    finally:
        await _git("worktree", "remove", "--force", str(directory))


def _environ(directory: Path) -> dict[str, str]:
    # Neither the code that is here nor what is installed comes before it.
    return {"PYTHONPATH": str(directory)}


async def _git(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "git", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise Failed(f"git {words[0]} {words[1]}: {said.decode().strip()}")
