"""
The programs that tests need beside Python: where they are, whether they are new enough, and what to do without.

Of Python's own library alone, because it is asked before anything is fetched: ``python -m tests.support.programs
test`` says in one message what is missing and cannot be installed from here, and is silent otherwise.  What can be is
installed by `tests.support.servers.packages`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
STATE = REPOSITORY / ".services"

# Debian keeps several versions of PostgreSQL and of Java, and programs that ordinary accounts do not look for.
POSTGRESQL = Path("/usr/lib/postgresql")
JAVA = Path("/usr/lib/jvm")
ADMINISTRATORS = "/usr/sbin"

ANSWER_TIMEOUT = 60.0  # Seconds that a program has to tell its version.


class Program(NamedTuple):
    """
    A program, and where it comes from.

    Attributes:
        package: Debian's.
        oldest: The first version that will do; 0: any.
        tells: What its version follows when it is asked for it.
        asked: How it is.
    """

    package: str
    oldest: int = 0
    tells: str = ""
    asked: str = "--version"


class Jars(NamedTuple):
    """
    Jars that Maven fetches.

    Attributes:
        whose: For people.
        pom: Says which they are.
        folder: Where they lie.
    """

    whose: str
    pom: Path
    folder: Path

    @property
    def are_here(self) -> bool:
        """Whether they were fetched: the pom is copied beside them last, and says which they are."""
        copy = self.folder / self.pom.name
        return copy.exists() and copy.read_bytes() == self.pom.read_bytes()


PROGRAMS = {
    "redis-server": Program("redis-server", 7, r"v="),  # CLUSTER ADDSLOTSRANGE.
    "postgres": Program("postgresql", 13, r"\(PostgreSQL\) "),  # DROP DATABASE … WITH (FORCE).
    "initdb": Program("postgresql"),
    "java": Program("default-jre-headless", 17, r'version "(?:1\.)?', "-version"),  # Kafka 4.
    # For the driver of Pusher's client, which Java runs from its source, and for producers.
    "javac": Program("default-jdk-headless", 17, r"javac (?:1\.)?", "-version"),
    "mvn": Program("maven"),
    "setpriv": Program("util-linux"),
    "haproxy": Program("haproxy"),
    "nginx": Program("nginx-light"),
    "apache2": Program("apache2-bin"),  # Without the service that comes with the package apache2.
    "supervisord": Program("supervisor"),
    "systemd-analyze": Program("systemd"),  # It need not run here.
    "psql": Program("postgresql-client"),
    "pg_dump": Program("postgresql-client"),
    "openssl": Program("openssl"),
    "node": Program("nodejs", 18, r"v"),
    "npm": Program("npm"),
    "chromium": Program("chromium"),
    "prometheus": Program("prometheus"),
    "promtool": Program("prometheus"),  # Tests rules of alerts.
    "cc": Program("gcc"),
}
JAVAS = ("java", "javac")
SERVERS = ("redis-server", "postgres", "initdb", "java", "mvn", "setpriv")
PURPOSES = {
    "all": tuple(PROGRAMS),
    "bench": (*SERVERS, "cc"),
    "services": SERVERS,
    "test": tuple(name for name in PROGRAMS if name != "cc"),
}

KAFKA = Jars("Kafka", Path(__file__).parent / "kafka" / "pom.xml", STATE / "kafka")
PUSHER_JAVA = Jars(
    "Pusher's client for Java", REPOSITORY / "tests/clients/java/pom.xml", STATE / "pusher-java"
)
PRODUCERS = Jars(
    "producers for Kafka", REPOSITORY / "tests/producers/java/pom.xml", STATE / "producers"
)
JARS = {
    "all": (KAFKA, PUSHER_JAVA, PRODUCERS),
    "bench": (KAFKA,),
    "services": (KAFKA,),
    "test": (KAFKA, PUSHER_JAVA, PRODUCERS),
}

REST = """\
What needs none of them: `make .venv/dev`, then .venv/bin/python -m pytest tests/unit --ignore=tests/unit/deploy
Servers that run elsewhere are used where FANFARE_TEST_REDIS_URL, FANFARE_TEST_KAFKA_URL and FANFARE_TEST_POSTGRES_URL
name them; only tests that start and break servers of their own then miss the programs."""
LINUX = "Tests that start servers of their own need Linux, which this is not."


class MissingProgram(Exception):
    """A program is not on this machine, or what is there is too old."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason} (Debian package {PROGRAMS[name].package})")
        self.name = name


class CannotInstall(Exception):
    """What is missing cannot be installed from here; the message says what to do."""


def find_program(name: str) -> Path:
    """
    Return the path of a program of `PROGRAMS` that is new enough.

    Raises:
        MissingProgram: There is none.
    """
    oldest = PROGRAMS[name].oldest
    tried = []
    for path in _candidates(name):
        version = _version(name, path) if oldest else 0
        if version >= oldest:
            return path
        tried.append(f"{path} is {version or 'of no version that it tells'}")
    if tried:
        raise MissingProgram(name, f"{oldest} or newer is needed, and {', '.join(tried)}")
    raise MissingProgram(name, "is missing")


def lacking(purpose: str) -> list[MissingProgram]:
    """Say what is missing here for one of `PURPOSES`."""
    names = [name for name in PURPOSES[purpose] if name != "mvn" or lacking_jars(purpose)]
    return [missing for name in names if (missing := _lack(name)) is not None]


def lacking_jars(purpose: str) -> list[Jars]:
    """Say which jars have not been fetched for one of `PURPOSES`."""
    return [jars for jars in JARS[purpose] if not jars.are_here]


def packages_of(missing: Sequence[MissingProgram]) -> list[str]:
    """Name Debian's packages that bring what is missing."""
    names = {PROGRAMS[lack.name].package for lack in missing}
    # A compiler alone recommends what its programs include, and recommendations are not installed.
    return sorted(names | ({"libc6-dev"} if "gcc" in names else set()))


def check_installable(missing: Sequence[MissingProgram]) -> None:
    """
    See that what is missing can be installed from here.

    Raises:
        CannotInstall: We may not, or do not know how.
    """
    if not missing:
        return
    command = f"apt-get install --no-install-recommends {' '.join(packages_of(missing))}"
    if shutil.which("apt-get") is None:
        raise CannotInstall(_message(missing, "install them: this machine has no apt-get"))
    if not _may_install():
        raise CannotInstall(_message(missing, f"run this as root: {command}"))


def _candidates(name: str) -> Iterator[Path]:
    """Look where systems keep programs; the first that is new enough is taken."""
    if name in JAVAS and "JAVA_HOME" in os.environ:
        yield from _existing(Path(os.environ["JAVA_HOME"], "bin", name))
    numbered = POSTGRESQL.glob(f"[0-9]*/bin/{name}")
    yield from sorted(numbered, key=lambda path: float(path.parts[-3]), reverse=True)
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), ADMINISTRATORS])
    if found := shutil.which(name, path=search):
        yield Path(found)
    if name in JAVAS:
        yield from sorted(JAVA.glob(f"*/bin/{name}"))


def _existing(path: Path) -> Iterator[Path]:
    if path.exists():
        yield path


@cache
def _version(name: str, path: Path) -> int:
    """Ask a program for the first number of its version; 0 is what it does not tell."""
    program = PROGRAMS[name]
    command = [str(path), program.asked]
    try:
        done = subprocess.run(  # noqa: S603 - found by its name.
            command, check=False, capture_output=True, text=True, timeout=ANSWER_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    told = re.search(rf"{program.tells}(\d+)", done.stdout + done.stderr)
    return int(told[1]) if told else 0


def _lack(name: str) -> MissingProgram | None:
    try:
        path = find_program(name)
    except MissingProgram as missing:
        return missing
    return (
        None
        if name != "cc" or _compiles(path)
        else MissingProgram(name, "misses the headers of libc6-dev")
    )


def _compiles(compiler: Path) -> bool:
    command = [str(compiler), "-E", "-include", "stdio.h", "-x", "c", os.devnull]
    done = subprocess.run(command, check=False, capture_output=True, timeout=ANSWER_TIMEOUT)  # noqa: S603 - as above.
    return done.returncode == 0


def _may_install() -> bool:
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    asked = subprocess.run(  # A sudo that wants a password says no.
        ["sudo", "-n", "true"],  # noqa: S607
        check=False,
        capture_output=True,
        timeout=ANSWER_TIMEOUT,
    )
    return asked.returncode == 0


def _message(missing: Sequence[MissingProgram], remedy: str) -> str:
    listed = "".join(f"\n  {lack}" for lack in missing)
    rest = REST if sys.platform == "linux" else f"{REST}\n{LINUX}"
    return f"programs are missing:{listed}\nPlease {remedy}; and then again this.\n{rest}"


def main() -> int:
    """Say what is missing for a purpose and cannot be installed; return the exit status."""
    try:
        check_installable(lacking(sys.argv[1]))
    except CannotInstall as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
