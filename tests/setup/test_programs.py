"""The programs that tests need: which will do, and what is said where some are missing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.clone import Outcome, run
from tests.support import programs
from tests.support.programs import PROGRAMS, MissingProgram, find_program, packages_of

NOBODY = 65_534
TOLD = {
    "java": 'echo "openjdk version \\"{}.0.2\\" 2019-01-15" >&2',
    "javac": 'echo "javac {}.0.2" >&2',
    "node": "echo v{}.20.4",
    "postgres": "echo 'postgres (PostgreSQL) {}.18 (Debian {}.18-0+deb12u1)'",
    "redis-server": "echo 'Redis server v={}.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64'",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder for programs that every account can enter."""
    directory = Path(tempfile.mkdtemp(prefix="fanfare-programs-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def install(folder: Path, name: str, text: str = "") -> Path:
    """Put a program there."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the one folder in which programs are looked for."""
    for name in ("POSTGRESQL", "JAVA"):
        monkeypatch.setattr(programs, name, folder / name)
    monkeypatch.setattr(programs, "ADMINISTRATORS", str(folder))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


class TestFound:
    """Where programs are, and which will do."""

    @pytest.mark.parametrize(
        "name, version", [("java", 17), ("java", 25), ("javac", 17), ("node", 18)]
    )
    def test_new_enough(self, elsewhere: Path, name: str, version: int) -> None:
        path = install(elsewhere, name, TOLD[name].format(version))

        assert find_program(name) == path

    @pytest.mark.parametrize(
        "name, version",
        [("java", 11), ("javac", 11), ("node", 16), ("postgres", 12), ("redis-server", 6)],
    )
    def test_too_old(self, elsewhere: Path, name: str, version: int) -> None:
        """
        It is named with its version and with that which is needed.
        """
        path = install(elsewhere, name, TOLD[name].format(version, version))
        oldest = PROGRAMS[name].oldest

        with pytest.raises(MissingProgram) as caught:
            find_program(name)

        assert f"{name} {oldest} or newer is needed, and {path} is {version}" in str(caught.value)

    def test_oldest_java(self, elsewhere: Path) -> None:
        """
        Up to the eighth a Java called itself 1.8.
        """
        install(elsewhere, "java", "echo 'java version \"1.8.0_392\"' >&2")

        with pytest.raises(MissingProgram, match="is 8 "):
            find_program("java")

    def test_no_java(self, elsewhere: Path) -> None:
        """
        Some systems have a program that only tells how Java could be installed.
        """
        install(elsewhere, "java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")

        with pytest.raises(MissingProgram, match="is of no version that it tells"):
            find_program("java")

    def test_variables_of_java(self, elsewhere: Path) -> None:
        """
        What Java says of its variables is no version.
        """
        picked = "echo 'Picked up JAVA_TOOL_OPTIONS: -Dversion=9' >&2"
        path = install(elsewhere, "java", f"{picked}\n{TOLD['java'].format(21)}")

        assert find_program("java") == path

    def test_several_javas(self, elsewhere: Path) -> None:
        """
        Of several the first that is new enough is taken, wherever the system keeps it.
        """
        install(elsewhere, "java", TOLD["java"].format(11))
        install(elsewhere, "JAVA/java-11/bin/java", TOLD["java"].format(11))
        newer = install(elsewhere, "JAVA/java-21/bin/java", TOLD["java"].format(21))
        compiler = install(elsewhere, "JAVA/java-21/bin/javac", TOLD["javac"].format(21))

        assert find_program("java") == newer
        assert find_program("javac") == compiler

    def test_java_home(self, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        JAVA_HOME comes first.
        """
        install(elsewhere, "java", TOLD["java"].format(17))
        named = install(elsewhere, "home/bin/java", TOLD["java"].format(21))
        monkeypatch.setenv("JAVA_HOME", str(elsewhere / "home"))

        assert find_program("java") == named

    def test_several_postgresqls(self, elsewhere: Path) -> None:
        """
        Of Debian's PostgreSQLs the newest is taken.
        """
        install(elsewhere, "POSTGRESQL/9.6/bin/initdb")
        newest = install(elsewhere, "POSTGRESQL/15/bin/initdb")

        assert find_program("initdb") == newest

    def test_compiler_without_library(self, elsewhere: Path) -> None:
        """
        A compiler that cannot find the C library's headers lacks Debian's package of them.
        """
        install(elsewhere, "cc", "exit 1")

        (lack,) = [lack for lack in programs.lacking("bench") if lack.name == "cc"]

        assert str(lack) == "cc misses the headers of libc6-dev (Debian package gcc)"
        assert packages_of([lack]) == ["gcc", "libc6-dev"]


def asked(folder: Path) -> Outcome:
    """Ask what is missing for tests, as an account that is not root."""
    code = (
        "import os, pathlib, sys\n"
        "from tests.support import programs\n"
        f"os.getuid() or os.setuid({NOBODY})\n"
        "programs.ADMINISTRATORS = os.environ['PATH']\n"
        "nowhere = pathlib.Path(os.environ['PATH'])\n"
        "programs.JARS['test'] = (programs.KAFKA._replace(folder=nowhere),)\n"
        "sys.argv[1:] = ['test']\n"
        "sys.exit(programs.main())"
    )
    variables = {"PATH": str(folder)}
    return run(sys.executable, "-c", code, directory=programs.REPOSITORY, variables=variables)


def install_all(folder: Path) -> None:
    """Put all programs there that tests need."""
    for name, program in PROGRAMS.items():
        install(folder, name, TOLD.get(name, "").format(program.oldest, program.oldest))


class TestSaid:
    """What a user without root's rights is told."""

    def test_all_there(self, folder: Path) -> None:
        """
        Nothing, where nothing is missing: no rights are needed then.
        """
        install_all(folder)

        assert asked(folder) == Outcome(0, "")

    def test_no_sudo(self, folder: Path) -> None:
        """
        What is missing is named, with the command that brings it, and what runs without.
        """
        install_all(folder)
        install(folder, "apt-get")
        for name in ("npm", "redis-server"):
            (folder / name).unlink()

        outcome = asked(folder)

        assert outcome.status == 1
        said = outcome.said.splitlines()
        assert said[:3] == [
            "programs are missing:",
            "  redis-server is missing (Debian package redis-server)",
            "  npm is missing (Debian package npm)",
        ]
        command = "apt-get install --no-install-recommends npm redis-server"
        assert said[3] == f"Please run this as root: {command}; and then again this."
        assert ".venv/bin/python -m pytest tests/unit --ignore=tests/unit/deploy" in said[4]
        assert "FANFARE_TEST_REDIS_URL" in said[5]

    @pytest.mark.parametrize("answer, status", [("exit 1", 1), ("exit 0", 0)])
    def test_sudo(self, folder: Path, answer: str, status: int) -> None:
        """
        A sudo that wants a password is none; one that does not will be used.
        """
        install_all(folder)
        (folder / "npm").unlink()
        install(folder, "apt-get")
        install(folder, "sudo", answer)

        outcome = asked(folder)

        assert outcome.status == status
        assert ("run this as root" in outcome.said) is (status == 1)

    def test_not_debian(self, folder: Path) -> None:
        """
        Without apt-get the packages are named all the same.
        """
        install_all(folder)
        (folder / "haproxy").unlink()

        outcome = asked(folder)

        assert outcome.status == 1
        assert "haproxy is missing (Debian package haproxy)" in outcome.said
        assert "Please install them: this machine has no apt-get" in outcome.said
        assert "Traceback" not in outcome.said

    def test_before_anything_is_fetched(self) -> None:
        """
        `make test` asks before it installs anything, and needs no package for it.
        """
        said = subprocess.run(  # noqa: S603 - our own.
            [str(shutil.which("make")), "--always-make", "--dry-run", "test"],
            cwd=programs.REPOSITORY, check=True, capture_output=True, text=True,
            env={**os.environ, "MAKEFLAGS": ""},
        ).stdout.splitlines()  # fmt: skip
        bare = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import sys; sys.path[:0] = ['.']\nimport tests.support.programs",
        ]

        asking = next(at for at, line in enumerate(said) if "tests.support.programs test" in line)
        fetching = next(at for at, line in enumerate(said) if "setup/install" in line)

        assert asking < fetching
        assert run(*bare, directory=programs.REPOSITORY, variables={}) == Outcome(0, "")
