"""
How what tests need gets onto a Debian machine.

Debian's packages come with ``apt-get``, jars with Maven and what tests have of Go modules with Go, all as they are
configured on the machine.  Nothing is installed unless `install` is called, and what is there is left alone; so
are the servers that Debian starts when it installs a package.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.support.go import modules
from tests.support.programs import (
    STATE,
    CannotInstall,
    Jars,
    check_installable,
    find_program,
    lacking,
    lacking_jars,
    packages_of,
)

RETRIES = 5  # For a network that is away for a moment.
# Debian makes PostgreSQL's first database in our locale, and fails where that is not installed.
ENVIRONMENT = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]

OF_GO = ("all", "test")  # Which `PURPOSES` need it.
STILL = "Debian's package did not bring it: please see to it, and then again this"


class MissingJars(Exception):
    """Jars have not been fetched, or are of another version than their pom names."""

    def __init__(self, jars: Jars) -> None:
        super().__init__(
            f"the jars of {jars.whose} are missing; `make services-install` fetches them"
        )


def classpath(jars: Jars) -> str:
    """
    Return what Java needs as class path to run jars.

    Raises:
        MissingJars: They have not been fetched.
    """
    if not jars.are_here:
        raise MissingJars(jars)
    return f"{jars.folder}/*"


def install(purpose: str = "all") -> None:
    """
    Install what is missing of Debian's packages, of jars and of Go modules for one of `PURPOSES`.

    Raises:
        CannotInstall: We may not, or it failed.
    """
    missing = lacking(purpose)
    check_installable(missing)
    if missing:
        _install_packages(packages_of(missing))
    for lack in lacking(purpose):
        raise CannotInstall(f"{lack}; {STILL}") from lack
    for jars in lacking_jars(purpose):
        _fetch(jars)
    if purpose in OF_GO:
        modules.install()


def _install_packages(packages: list[str]) -> None:
    apt = [*_as_root(), *ENVIRONMENT, "apt-get", "-q"]
    apt += ["-o", "DPkg::Lock::Timeout=120", "-o", f"Acquire::Retries={RETRIES}"]
    _run([*apt, "update"], "apt-get update failed")
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    _run(install, f"apt-get install {' '.join(packages)} failed")


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def _fetch(jars: Jars) -> None:
    STATE.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{jars.folder.name}-", dir=STATE))
    try:
        maven = [str(find_program("mvn")), "-B", "-ntp", "-q", "-f", str(jars.pom)]
        goal = "dependency:copy-dependencies"
        options = [f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"]
        options.append(f"-Dmaven.wagon.http.retryHandler.count={RETRIES}")
        _run([*maven, goal, *options], f"Maven could not fetch the jars of {jars.whose}")
        shutil.copy(jars.pom, fresh)
        shutil.rmtree(jars.folder, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(jars.folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run(command: Iterable[str], complaint: str) -> None:
    """Run a program; what it prints goes to standard error, which is for people."""
    done = subprocess.run([*command], check=False, stdout=sys.stderr)  # noqa: S603 - our own.
    if done.returncode != 0:
        raise CannotInstall(f"{complaint} (status {done.returncode}); its own words stand above")
