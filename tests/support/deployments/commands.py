"""Commands of `fanfare`, run here: a process of its own would take a second to begin."""

import asyncio
import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from services.cli import main
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import plain_environ


class Outcome(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    output: str
    complaint: str

    @property
    def variables(self) -> dict[str, str]:
        """What it printed to be pasted into a back end's settings."""
        return dict(line.split("=", 1) for line in self.output.splitlines())


async def command(*words: str, config: Path, environ: Mapping[str, str]) -> Outcome:
    """
    Run a command that ends, in a thread, as it has a loop of its own.

    Args:
        words: Those after ``fanfare``.
        config: The settings.
        environ: Settings over those of the file.
    """
    async with asyncio.timeout(DEADLINE):
        return await asyncio.to_thread(_run, words, config, environ)


def _run(words: tuple[str, ...], config: Path, environ: Mapping[str, str]) -> Outcome:
    output, complaint = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, {**plain_environ(), **environ}, clear=True),
        redirect_stdout(output),
        redirect_stderr(complaint),
    ):
        status = main([*words, "--config", str(config)])
    return Outcome(status, output.getvalue(), complaint.getvalue())
