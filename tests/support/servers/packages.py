"""
The programs that the servers need: where they are, and how they get onto a Debian machine.

Debian's packages come with ``apt-get`` and Kafka's jars with Maven, both as they are configured on
the machine.  Nothing is installed unless `install` is called, and what is there is left alone; so
are the servers that Debian starts when it installs a package.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
STATE = REPOSITORY / ".services"
KAFKA_POM = Path(__file__).parents[1] / "kafka" / "pom.xml"
KAFKA_JARS = STATE / "kafka"

# On Debian 12 `default-jre-headless` is Java 17, which is the oldest that Kafka 4 runs on.
PACKAGES = {
    "redis-server": "redis-server",
    "postgres": "postgresql",
    "initdb": "postgresql",
    "java": "default-jre-headless",
    "mvn": "maven",
    "haproxy": "haproxy",
    "psql": "postgresql-client",
    "setpriv": "util-linux",
    "node": "nodejs",
    "npm": "npm",
    "cc": "gcc",
}
REMEDY = "`make services-install` installs it"


class MissingProgram(Exception):
    """A program that a server needs is not on this machine."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(f"{name} is missing (Debian package {package}); {REMEDY}")


class MissingJars(Exception):
    """Kafka's jars have not been fetched, or are of another version than the pom names."""

    def __init__(self) -> None:
        super().__init__("Kafka's jars are missing; `make services-install` fetches them")


class CannotInstall(Exception):
    """What is missing cannot be installed from here; the message says what to do."""


def find_program(name: str) -> Path:
    """
    Return the path of a program.

    Raises:
        MissingProgram: It is not installed.
    """
    found = _in_postgresql(name) or shutil.which(name, path=_search_path())
    if found is None:
        raise MissingProgram(name, PACKAGES.get(name, name))
    return Path(found)


def kafka_classpath() -> str:
    """
    Return what Java needs as class path to run Kafka.

    Raises:
        MissingJars: They have not been fetched.
    """
    if not _jars_are_present():
        raise MissingJars
    return f"{KAFKA_JARS}/*"


def install() -> None:
    """
    Install what is missing of Debian's packages and of Kafka's jars.

    Raises:
        CannotInstall: We may not, or it failed.
    """
    needed = [name for name in PACKAGES if name != "mvn" or not _jars_are_present()]
    missing = sorted({PACKAGES[name] for name in needed if not _is_installed(name)})
    if missing:
        _install_packages(missing)
    if not _jars_are_present():
        _fetch_jars()


def _in_postgresql(name: str) -> Path | None:
    """Look where Debian keeps PostgreSQL's programs: not on the PATH, several versions."""
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return max(found, key=lambda path: float(path.parts[-3]), default=None)


def _search_path() -> str:
    """Debian puts servers where the PATH of ordinary accounts does not look."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def _is_installed(name: str) -> bool:
    try:
        find_program(name)
    except MissingProgram:
        return False
    return True


def _install_packages(packages: list[str]) -> None:
    command = "apt-get install -y " + " ".join(packages)
    if shutil.which("apt-get") is None:
        raise CannotInstall(f"please install {', '.join(packages)}: this machine has no apt-get")
    if not _may_install():
        raise CannotInstall(f"please run as root, and then again this: {command}")
    apt = [*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    apt += ["-o", "DPkg::Lock::Timeout=120"]
    _run([*apt, "update"], "apt-get update failed")
    _run([*apt, "install", "-y", "--no-install-recommends", *packages], f"{command} failed")


def _may_install() -> bool:
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    asked = subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True)  # noqa: S607
    return asked.returncode == 0


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _jars_are_present() -> bool:
    """The pom is copied beside the jars last, so it says that all are there, and which."""
    copy = KAFKA_JARS / KAFKA_POM.name
    return copy.exists() and copy.read_bytes() == KAFKA_POM.read_bytes()


def _fetch_jars() -> None:
    STATE.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="kafka-", dir=STATE))
    try:
        maven = [str(find_program("mvn")), "-B", "-ntp", "-q", "-f", str(KAFKA_POM)]
        goal = "dependency:copy-dependencies"
        options = [f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"]
        _run([*maven, goal, *options], "Maven could not fetch Kafka's jars")
        shutil.copy(KAFKA_POM, fresh)
        shutil.rmtree(KAFKA_JARS, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(KAFKA_JARS)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run(command: Iterable[str], complaint: str) -> None:
    """Run a program; what it prints goes to standard error, which is for people."""
    done = subprocess.run([*command], check=False, stdout=sys.stderr)  # noqa: S603 - our own.
    if done.returncode != 0:
        raise CannotInstall(f"{complaint} (status {done.returncode})")
