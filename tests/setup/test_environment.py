"""Where the environment is made, when it is made anew, and what is said where it cannot be."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.clone import PYTHON, ROOT, Clone, Outcome

MAKING = f"making .venv with Python {sys.version_info.major}.{sys.version_info.minor}\n"


def script(path: Path, text: str) -> str:
    """Write a program for a shell, and return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def tree(tmp_path: Path) -> Clone:
    """Return as much of a clone as an environment needs."""
    path = tmp_path / "a clone"
    path.mkdir()
    shutil.copy(ROOT / "Makefile", path)
    shutil.copytree(ROOT / "setup", path / "setup")
    return Clone(path)


@pytest.fixture
def python(tmp_path: Path) -> str:
    """Return a Python whose environments have a pip that does nothing, and are made at once."""
    return script(
        tmp_path / "quick-python",
        f'[ "$2" = venv ] || exec "{PYTHON}" "$@"\n'
        f'"{PYTHON}" -m venv --without-pip "$3" "$4"\n'
        'for packages in "$4"/lib/python3.*/site-packages; do : >"$packages/pip.py"; done',
    )


class TestMade:
    """An environment is there afterwards, and works."""

    def test_new(self, tree: Clone, python: str) -> None:
        """
        It is made with the Python that is named.
        """
        assert tree.make(".venv/place", python=python) == Outcome(0, MAKING)

        version = tree.python("-c", "import pip, sys; print(sys.prefix)").said
        assert version == f"{tree.path / '.venv'}\n"

    def test_kept(self, tree: Clone, python: str) -> None:
        """
        One that works is kept, and no other Python is needed for that.
        """
        tree.make(".venv/place", python=python)
        (tree.path / ".venv" / "run").touch()

        assert tree.make(".venv/place", python="/nowhere") == Outcome(0, "")
        assert (tree.path / ".venv" / "run").exists()

    def test_moved(self, tree: Clone, python: str) -> None:
        """
        In a clone that was moved it is made anew, and all is installed again: it had the paths of the old place.
        """
        tree.make(".venv/place", python=python)
        (tree.path / ".venv" / "run").touch()
        moved = Clone(tree.path.rename(tree.path.with_name("another place")))

        assert moved.make(".venv/place", python=python) == Outcome(0, MAKING)
        assert not (moved.path / ".venv" / "run").exists()

    def test_python_gone(self, tree: Clone, python: str) -> None:
        """
        So is one whose Python was removed.
        """
        tree.make(".venv/place", python=python)
        link = tree.path / ".venv" / "bin" / "python"
        link.unlink()
        link.symlink_to("/nowhere/python3")

        assert tree.make(".venv/place", python=python) == Outcome(0, MAKING)

    def test_python_replaced(self, tree: Clone, python: str) -> None:
        """
        So is one whose Python became another, which does not find what the first had.
        """
        tree.make(".venv/place", python=python)
        (library,) = (tree.path / ".venv" / "lib").glob("python3.*")
        library.rename(library.with_name("python3.1"))

        assert tree.make(".venv/place", python=python) == Outcome(0, MAKING)

    def test_cut_off(self, tree: Clone, python: str) -> None:
        """
        So is one in which an installation was cut off.
        """
        tree.make(".venv/place", python=python)
        with subprocess.Popen(["true"]) as ended:  # noqa: S607
            pass
        (tree.path / ".venv" / "unfinished").write_text(f"{ended.pid}\n")

        assert tree.make(".venv/place", python=python) == Outcome(0, MAKING)
        assert not (tree.path / ".venv" / "unfinished").exists()


class TestLeft:
    """What is not touched."""

    def test_installing(self, tree: Clone, python: str) -> None:
        """
        Where another `make` is installing, this one does not, and says for whom to wait.
        """
        tree.make(".venv/place", python=python)
        (tree.path / ".venv" / "unfinished").write_text(f"{os.getpid()}\n")

        ended = tree.make(".venv/place", python=python)

        assert ended.status != 0
        assert f"process {os.getpid()} is installing into .venv: wait for it" in ended.said

    def test_link(self, tree: Clone, python: str, tmp_path: Path) -> None:
        """
        A link stays as it is, and so does what it leads to: another clone may live from it.
        """
        elsewhere = tmp_path / "elsewhere"
        (elsewhere / "bin").mkdir(parents=True)
        (elsewhere / "pyvenv.cfg").write_text("home = /nowhere")
        (tree.path / ".venv").symlink_to(elsewhere)

        ended = tree.make(".venv/place", python=python)

        assert ended.status != 0
        assert ".venv is a link" in ended.said
        assert (elsewhere / "pyvenv.cfg").read_text() == "home = /nowhere"

    def test_something_else(self, tree: Clone, python: str) -> None:
        """
        A folder that is no environment stays as it is.
        """
        (tree.path / ".venv").mkdir()
        (tree.path / ".venv" / "letter").write_text("dear")

        ended = tree.make(".venv/place", python=python)

        assert ended.status != 0
        assert ".venv is no virtual environment, so it is left as it is" in ended.said
        assert (tree.path / ".venv" / "letter").read_text() == "dear"


class TestPython:
    """A Python that will not do is refused in a sentence, and nothing is made."""

    def refused(self, tree: Clone, python: str) -> str:
        """Try to make an environment with it, and return what is said."""
        ended = tree.make(".venv/place", python=python)
        sentence, _ = ended.said.splitlines()
        assert ended.status != 0
        assert not (tree.path / ".venv").exists()
        return sentence

    def test_absent(self, tree: Clone) -> None:
        assert self.refused(tree, "/nowhere/python3") == (
            "Fanfare needs Python 3.11 or newer, and /nowhere/python3 does not run "
            "(Debian: apt-get install python3-venv); HOST_PYTHON=… names another"
        )

    def test_too_old(self, tree: Clone, tmp_path: Path) -> None:
        words = '-c "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])" "$2"'
        old = script(tmp_path / "python3", f'exec "{sys.executable}" {words}')

        assert self.refused(tree, old) == (
            f"Fanfare needs Python 3.11 or newer, and {old} is 3.9; HOST_PYTHON=… names another"
        )

    def test_without_venv(self, tree: Clone, tmp_path: Path) -> None:
        """
        Debian has it in a package of its own.
        """
        words = '-c "import sys; sys.modules[\'ensurepip\'] = None; exec(sys.argv[1])" "$2"'
        bare = script(tmp_path / "python3", f'exec "{sys.executable}" {words}')

        said = self.refused(tree, bare)

        assert said.startswith(f"Fanfare needs Python with venv and TLS, which {bare} 3.")
        assert "(Debian: apt-get install python3-venv)" in said


class TestClients:
    """The stock clients that tests drive."""

    def test_without_npm(self, tree: Clone, tmp_path: Path) -> None:
        """
        Without npm nothing is fetched; what brings it is named.
        """
        (tree.path / "tests" / "clients").mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tests" / "clients" / name, tree.path / "tests" / "clients")
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("make", "sh"):
            (programs / name).symlink_to(str(shutil.which(name)))

        ended = tree.make("tests/clients/node_modules/.installed", PATH=str(programs))

        assert ended.status != 0
        assert "npm is missing, which fetches the clients for tests" in ended.said
        assert "(Debian packages: nodejs npm)" in ended.said
