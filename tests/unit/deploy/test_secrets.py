"""deploy/secrets.sh, and how the Makefile keeps what it makes."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from services.auth.settings import SHORTEST_SECRET
from tests.support.composition import secrets
from tests.support.program import ROOT

SECRETS = ("APP_SECRET", "JWT_SECRET", "REDIS_PASSWORD", "POSTGRES_PASSWORD")


class TestMade:
    """What is printed."""

    @pytest.mark.parametrize("name", SECRETS)
    def test_strong(self, name: str) -> None:
        """A secret has 256 bits, and nothing that a URL, JSON or a shell would take for something else."""
        made = secrets()[name]

        assert re.fullmatch(r"[0-9a-f]{64}", made)
        assert len(made) >= SHORTEST_SECRET

    def test_master_key(self) -> None:
        """The master key is one: 32 bytes as base64."""
        assert len(base64.b64decode(secrets()["APP_MASTER_KEY"], validate=True)) == 32

    def test_new(self) -> None:
        """Nothing is made twice."""
        one, two = secrets(), secrets()

        assert {name for name in one if one[name] == two[name]} == {"PUBLISH"}
        assert len(set(one.values())) == len(one)


def make(directory: Path) -> int:
    """Let the Makefile make .env in a directory, and return the exit status."""
    (directory / "deploy").mkdir(exist_ok=True)
    command = ["make", "--silent", f"--file={ROOT / 'Makefile'}", ".env"]
    return subprocess.run(command, cwd=directory, check=False).returncode  # noqa: S603 - our own.


class TestKept:
    """`make up` keeps them in .env."""

    def test_private(self, tmp_path: Path) -> None:
        """Only their owner reads them, and they stay when they are there."""
        shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
        file = tmp_path / ".env"

        assert make(tmp_path) == 0
        kept = file.read_text()
        assert make(tmp_path) == 0

        assert file.stat().st_mode & 0o777 == 0o600
        assert all(f"{name}=" in kept for name in SECRETS)
        assert file.read_text() == kept

    def test_failure(self, tmp_path: Path) -> None:
        """Where they cannot be made nothing is kept that would be taken for them."""
        assert make(tmp_path) != 0

        assert not (tmp_path / ".env").exists()
