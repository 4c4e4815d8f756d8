"""A fresh clone in an empty folder, and what users call in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# That from which the environment of the tests was made.
PYTHON = str(
    Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
)
TIMEOUT = 300.0  # Seconds; a whole installation takes half a minute.

# What a `make` that runs the tests says to those below it, and what would name another place or index.
FOREIGN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VENV", "HOST_PYTHON", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and all that it said."""

    status: int
    said: str


@dataclass(frozen=True, slots=True)
class Clone:
    """A copy of the tracked files."""

    path: Path

    def make(self, target: str, *, python: str = "", **variables: str) -> Outcome:
        """
        Make a target.

        Args:
            target: Its name.
            python: What HOST_PYTHON names; the one that runs the tests, if nothing.
            variables: Of the environment.
        """
        host = python or PYTHON
        return self.run("make", "--no-print-directory", target, f"HOST_PYTHON={host}", **variables)

    def python(self, *words: str, **variables: str) -> Outcome:
        """Run the clone's own Python."""
        return self.run(".venv/bin/python", *words, **variables)

    def run(self, *command: str, **variables: str) -> Outcome:
        """Run a command in the clone."""
        return run(*command, directory=self.path, variables=variables)


def run(*command: str, directory: Path, variables: Mapping[str, str]) -> Outcome:
    """Run a command as somebody who just logged in would, with variables over the others."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    done = subprocess.run(  # noqa: S603 - our own.
        command,
        cwd=directory,
        env={**own, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def clone(path: Path) -> Clone:
    """Copy the tracked files, or where there is no repository all but what is ignored."""
    listed = _tracked()
    if not listed:
        ignored = (ROOT / ".gitignore").read_text().replace("/\n", "\n").split()
        shutil.copytree(ROOT, path, symlinks=True, ignore=shutil.ignore_patterns(".git", *ignored))
    for name in listed:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path / name, follow_symlinks=False)
    return Clone(path)


def _tracked() -> list[str]:
    if shutil.which("git") is None:
        return []
    listed = run("git", "ls-files", "-z", directory=ROOT, variables={})
    return listed.said.split("\0")[:-1] if listed.status == 0 else []
