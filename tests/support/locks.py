"""
Whether the locks are complete, and belong to pyproject.toml.

No registry is asked.  From what pyproject.toml names, requirements are followed, extras included, in every
environment that Fanfare runs in.  What a package requires is read where it is installed, so its version must be that
of the lock.  Packages that their conditions keep from this machine, as Windows' colorama, have a pin to be looked at,
and no requirements that could be read.

``python -m tests.support.locks`` says each fault in a sentence.
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import NamedTuple, Protocol

from packaging.dependency_groups import resolve_dependency_groups
from packaging.markers import Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUN, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
GROUPS = {RUN: ("build",), DEVELOPMENT: ("build", "dev")}  # As `make lock` has them.

# The first and a late release of each Python: some requirements are of the first alone.
PYTHONS = [f"3.{minor}.{micro}" for minor in (11, 12, 13, 14) for micro in (0, 99)]
# `make lock` makes locks for Windows too, and what only Windows needs is no mistake in them.
SYSTEMS = [
    ("posix", "linux", "Linux", "x86_64"),
    ("posix", "linux", "Linux", "aarch64"),
    ("posix", "darwin", "Darwin", "x86_64"),
    ("posix", "darwin", "Darwin", "arm64"),
    ("nt", "win32", "Windows", "AMD64"),
]


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """Where something may run: a marker's variables."""

    variables: Mapping[str, str]

    def __str__(self) -> str:
        system, python = self.variables["platform_system"], self.variables["python_full_version"]
        return f"on {system} with Python {python}"


class Package(NamedTuple):
    """What an installed package says of itself: its version, its requirements and the Pythons it is for."""

    version: str
    requires: Sequence[str] = ()
    python: str = ""


class Packages(Protocol):
    """Where packages are found by their normalised names."""

    def get(self, name: str, /) -> Package | None:
        """Return what a package says of itself; None: it is not installed."""


class InstalledPackages:
    """The packages of this environment."""

    def get(self, name: str, /) -> Package | None:
        return _installed(name)


@cache
def _installed(name: str) -> Package | None:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    pythons = found.metadata.get_all("Requires-Python") or [""]
    return Package(found.version, tuple(found.requires or ()), pythons[0])


@dataclass(frozen=True, slots=True)
class Pin:
    """A line of a lock: a version, and where it is to be installed."""

    name: str
    version: str
    condition: str
    has_hash: bool

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """
    What a lock file says.

    Attributes:
        name: The file's.
        pins: All of them.
        others: Lines that name no version.
    """

    name: str
    pins: Sequence[Pin]
    others: Sequence[str]

    @classmethod
    def parse(cls, name: str, text: str) -> "Lock":
        """Read a requirements file."""
        lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
        found = [(line, _pin(line)) for line in lines if line and not line.startswith("#")]
        pins = [pin for _, pin in found if pin is not None]
        return cls(name, pins, [line for line, pin in found if pin is None])

    def pins_of(self, name: str) -> list[Pin]:
        """Return the lines of a package; conditions may choose between several."""
        return [pin for pin in self.pins if pin.name == name]


def _pin(line: str) -> Pin | None:
    text, *hashes = line.split("--hash=")
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    name, condition = canonicalize_name(requirement.name), str(requirement.marker or "")
    match list(requirement.specifier):
        case [only] if only.operator == "==" and not only.version.endswith("*"):
            return Pin(name, only.version, condition, bool(hashes))
    return None


class Inquiry:
    """
    What is found while requirements are followed through a lock.

    Attributes:
        faults: In the order in which they were found; a sentence that many environments share is one.
    """

    def __init__(self, lock: Lock, packages: Packages) -> None:
        self.faults: dict[str, None] = {}
        self._lock = lock
        self._packages = packages
        self._asked_for: set[Pin] = set()

    def follow(
        self, roots: Iterable[Requirement], environment: Environment, *, is_here: bool = False
    ) -> None:
        """
        Look at all that is needed in an environment.

        Args:
            roots: What pyproject.toml names.
            environment: A marker's variables.
            is_here: Whether all of it must be installed.
        """
        waiting = [(root, "pyproject.toml") for root in roots if _holds(root.marker, environment)]
        seen: set[tuple[str, str]] = set()
        while waiting:
            requirement, asker = waiting.pop()
            pin = self._pinned(requirement, asker, environment)
            if pin is None:
                continue
            package = self._described(pin, environment, is_here=is_here)
            fresh = {(pin.name, extra) for extra in ("", *requirement.extras)} - seen
            seen |= fresh
            for _, extra in fresh:
                needed = _required(package, extra, environment)
                waiting += [(inner, str(pin)) for inner in needed]

    def end(self) -> None:
        """Look at every line of the lock, when all has been followed."""
        for line in self._lock.others:
            self._tell(f"has {line.partition(' --hash')[0]!r}, which names no version")
        for pin in self._lock.pins:
            if not pin.has_hash:
                self._tell(f"has {pin} without a hash")
            if pin not in self._asked_for:
                self._tell(f"has {pin}, which nothing asks for")

    def _pinned(self, requirement: Requirement, asker: str, environment: Environment) -> Pin | None:
        """Find the line that meets a requirement, or that should."""
        pins = self._lock.pins_of(canonicalize_name(requirement.name))
        if not pins:
            self._tell(f"lacks {_without_marker(requirement)}, which {asker} asks for")
            return None
        here = [pin for pin in pins if not pin.condition or _true(pin.condition, environment)]
        if not here:
            self._tell(f"has {pins[0]} elsewhere, and not {environment}, for {asker}")
            return None
        self._asked_for.add(here[0])
        if not requirement.specifier.contains(here[0].version, prereleases=True):
            self._tell(f"has {here[0]}, and {asker} asks for {_without_marker(requirement)}")
        return here[0]

    def _described(self, pin: Pin, environment: Environment, *, is_here: bool) -> Package:
        package = self._packages.get(pin.name)
        if package is None:
            if is_here:
                self._tell(f"has {pin}, which is not installed, so what it needs is not known")
            return Package(pin.version)
        if package.version != pin.version:
            self._tell(f"has {pin}, and what is installed is {package.version}")
        python = environment.variables["python_full_version"].rstrip("+")  # Of a development build.
        if not SpecifierSet(package.python).contains(python, prereleases=True):
            self._tell(f"has {pin}, which is for Python {package.python} alone")
        return package

    def _tell(self, what: str) -> None:
        self.faults[f"{self._lock.name} {what}"] = None


def faults(pyproject: str, texts: Mapping[str, str], packages: Packages) -> list[str]:
    """
    Say what is wrong with the locks, a sentence for each.

    Args:
        pyproject: The text of pyproject.toml.
        texts: Those of the locks, by the files' names.
        packages: Those that are installed.
    """
    locks = {name: Lock.parse(name, text) for name, text in texts.items()}
    found: list[str] = []
    for lock in locks.values():
        inquiry, roots = Inquiry(lock, packages), _roots(pyproject, GROUPS[lock.name])
        inquiry.follow(roots, _here(), is_here=True)
        for environment in _environments():
            inquiry.follow(roots, environment)
        inquiry.end()
        found += inquiry.faults
    return found + list(_differences(locks[RUN], locks[DEVELOPMENT]))


def _roots(pyproject: str, groups: Sequence[str]) -> list[Requirement]:
    document = tomllib.loads(pyproject)
    named = resolve_dependency_groups(document["dependency-groups"], *groups)
    return [Requirement(text) for text in (*document["project"]["dependencies"], *named)]


def _differences(run: Lock, development: Lock) -> Iterator[str]:
    for pin in run.pins:
        others = development.pins_of(pin.name)
        if others and pin.version not in {other.version for other in others}:
            yield f"{run.name} has {pin}, and {development.name} has {others[0].version}"


def _here() -> Environment:
    return Environment({name: str(value) for name, value in default_environment().items()})


def _environments() -> Iterator[Environment]:
    for python, (os_name, platform, system, machine) in product(PYTHONS, SYSTEMS):
        yield Environment(
            {
                "implementation_name": "cpython",
                "implementation_version": python,
                "os_name": os_name,
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                "platform_release": "",
                "platform_system": system,
                "platform_version": "",
                "python_full_version": python,
                "python_version": python.rpartition(".")[0],
                "sys_platform": platform,
            }
        )


def _required(package: Package, extra: str, environment: Environment) -> list[Requirement]:
    """Return what a package needs in an environment: for itself, or for an extra."""
    requirements = map(_requirement, package.requires)
    return [needed for needed in requirements if _holds(needed.marker, environment, extra)]


def _holds(marker: Marker | None, environment: Environment, extra: str = "") -> bool:
    return marker is None or _true(str(marker), environment, extra)


@cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@cache
def _true(marker: str, environment: Environment, extra: str = "") -> bool:
    return Marker(marker).evaluate({**environment.variables, "extra": extra})


def _without_marker(requirement: Requirement) -> str:
    return str(requirement).partition(";")[0].strip()


def main() -> int:
    """Look at the locks of this tree, and return the exit status."""
    texts = {name: (ROOT / name).read_text() for name in GROUPS}
    found = faults((ROOT / "pyproject.toml").read_text(), texts, InstalledPackages())
    for fault in found:
        sys.stderr.write(f"{fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
