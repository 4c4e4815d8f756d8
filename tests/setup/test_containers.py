"""`make up`, before Docker is called."""

import os
import shutil
from pathlib import Path

import pytest

from tests.setup.clone import ROOT, Clone


@pytest.fixture
def tree(tmp_path: Path) -> Clone:
    """Return as much of a clone as `make up` needs."""
    path = tmp_path / "a clone"
    shutil.copytree(ROOT / "deploy", path / "deploy")
    shutil.copy(ROOT / "Makefile", path)
    return Clone(path)


def with_docker(directory: Path) -> str:
    """Make a PATH on which Docker only says that it was called."""
    directory.mkdir()
    docker = directory / "docker"
    docker.write_text('#!/bin/sh\necho "docker was called: $*"\n')
    docker.chmod(0o700)
    return os.pathsep.join([str(directory), os.environ["PATH"]])


class TestUp:
    """Containers run under other accounts, and read deploy/ under those."""

    def test_readable(self, tree: Clone, tmp_path: Path) -> None:
        tree.run("chmod", "-R", "go+rX", "deploy")

        called = tree.make("up", PATH=with_docker(tmp_path / "bin"))

        assert called.status == 0
        assert "docker was called: compose up" in called.said

    @pytest.mark.parametrize("mode", ["go-r", "go-x"])
    def test_private(self, tree: Clone, tmp_path: Path, mode: str) -> None:
        """
        Where a umask kept others out when the repository was cloned, it is said before anything starts.
        """
        tree.run("chmod", "-R", mode, "deploy")

        ended = tree.make("up", PATH=with_docker(tmp_path / "bin"))

        assert ended.status != 0
        assert "cannot read deploy/: chmod -R go+rX deploy" in ended.said
        assert "docker was called" not in ended.said

    def test_no_docker(self, tree: Clone, tmp_path: Path) -> None:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("make", "sh"):
            (programs / name).symlink_to(str(shutil.which(name)))
        (tree.path / ".env").touch()

        ended = tree.make("up", PATH=str(programs))

        assert ended.status != 0
        assert "docker is missing: `make up` needs Docker with Compose" in ended.said


class TestRoll:
    """`make roll`: the image and the tables come first."""

    def test_order(self, tree: Clone, tmp_path: Path) -> None:
        """They are made new, and then instances are asked for; the stand-in has none."""
        ended = tree.make("roll", PATH=with_docker(tmp_path / "bin"))

        called = [line for line in ended.said.splitlines() if line.startswith("docker was called")]
        assert [line.split(": ")[1] for line in called] == [
            "compose build gateway",
            "compose run --rm migrate",
        ]
        assert "roll.sh: nothing is changed" in ended.said

    def test_no_image(self, tree: Clone, tmp_path: Path) -> None:
        """Where the image cannot be built nothing else is done."""
        path = with_docker(tmp_path / "bin")
        (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")

        ended = tree.make("roll", PATH=path)

        assert ended.status != 0
        assert "compose build" in ended.said
        assert not [word for word in ("migrate", "roll.sh") if word in ended.said]
