"""What tests have of Go modules: which Go makes it, and what is said where it cannot be made."""

import os
from pathlib import Path

import pytest

from tests.support.go import modules
from tests.support.go.modules import Modules
from tests.support.programs import CannotInstall

SUM = "example.org/a v1.0.0 h1:abc=\n"
NEW = "1.99.0"


def write_go(path: Path, version: str, *, download: str = "exit 1", build: str = "exit 1") -> Path:
    """Put a Go there that tells a version, and does with modules as it is told."""
    cases = f"env) echo go{version} ;; mod) {download} ;; build) {build} ;;"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\ncase "$1" in {cases} esac\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which programs are looked for; there is no other Go, and nothing was made."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), "/usr/bin", "/bin"]))
    monkeypatch.setattr(modules, "LOCKED_GO", tmp_path / "venv" / "go")
    monkeypatch.setattr(modules, "PAUSE", 0.0)
    monkeypatch.setattr(modules, "PLACE", tmp_path / "made")
    for name in ("PROGRAMS", "SCHEMA_FILES"):
        kept: Modules = getattr(modules, name)
        monkeypatch.setattr(modules, name, kept._replace(folder=tmp_path / "made" / name))
    return folder


class TestGo:
    """Which Go is used."""

    def test_machine(self, path: Path) -> None:
        expected = write_go(path / "go", NEW)
        write_go(modules.LOCKED_GO, NEW)

        assert modules.find_go() == expected

    def test_locked(self, path: Path) -> None:
        """
        Where that of the machine is too old, that of requirements-dev.lock is taken.
        """
        write_go(path / "go", "1.19.8")
        expected = write_go(modules.LOCKED_GO, NEW)

        assert modules.find_go() == expected

    def test_too_old(self, path: Path) -> None:
        """
        It is named with its version and with that which is needed.
        """
        old = write_go(path / "go", "1.19.8")

        with pytest.raises(CannotInstall) as caught:
            modules.install()

        assert f"go 1.26.0 or newer is needed, and {old} is 1.19.8" in str(caught.value)


class TestFetched:
    """What Go fetches and builds."""

    def test_away(self, path: Path) -> None:
        """
        A network that is away is waited for, and then it is said what could not be fetched, and why.
        """
        tries = path / "tries"
        error = """echo '{"Path": "example.org/a", "Error": "no such host"}'"""
        write_go(path / "go", NEW, download=f"echo >>{tries}; {error}; exit 1")

        with pytest.raises(CannotInstall, match=r"could not fetch kustomize .*\n  no such host"):
            modules.install()

        assert tries.read_text().count("\n") == modules.RETRIES

    def test_hangs(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A registry that never answers is given up.
        """
        monkeypatch.setattr(modules, "FETCH_TIMEOUT", 0.5)
        write_go(path / "go", NEW, download="exec sleep 600")

        with pytest.raises(CannotInstall, match="could not fetch kustomize within"):
            modules.install()

    def test_not_built(self, path: Path) -> None:
        write_go(path / "go", NEW, download="exit 0")

        with pytest.raises(CannotInstall, match=r"could not build kustomize \(status 1\)"):
            modules.install()

        assert not modules.PROGRAMS.folder.exists()

    def test_made_once(self, path: Path) -> None:
        """
        What is of this go.sum is left alone, and made anew for another one.
        """
        build = 'while [ "$1" != -o ]; do shift; done; echo >"$2/kustomize"'
        write_go(path / "go", NEW, download="exit 0", build=build)
        modules.make(modules.PROGRAMS)
        assert modules.PROGRAMS.are_here

        (modules.PROGRAMS.folder / "go.sum").write_text(SUM)

        assert not modules.PROGRAMS.are_here
