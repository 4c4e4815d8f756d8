"""What is said of locks, by packages that are made up."""

import re
from collections.abc import Mapping, Sequence

import pytest

from tests.setup.clone import ROOT
from tests.support.locks import DEVELOPMENT, RUN, InstalledPackages, Package, faults

PYPROJECT = """
[project]
dependencies = ["web>=3,<4", "queue[fast]~=1.4"]

[dependency-groups]
build = ["builder"]
dev = ["tester>=9"]
"""
WORLD = {
    "web": Package("3.1", ["Wire_Format>=2", "patience; python_version < '3.12'"]),
    "wire-format": Package("2.0", ["sockets>1; sys_platform == 'win32'"]),
    "patience": Package("5.0"),
    "queue": Package("1.4.2", ["squeeze>=7; extra == 'fast'", "slow; extra == 'other'"]),
    "squeeze": Package("7.1"),
    "builder": Package("80"),
    "tester": Package("9.2", ["covering[toml]>=7.10"], ">=3.11"),
    "covering": Package(
        "7.17", ["toml-reader; extra == 'toml' and python_full_version < '3.11.3'"]
    ),
    "toml-reader": Package("2.5"),
}
HASH = f"--hash=sha256:{'0' * 64}"
SHARED = {
    "web": "3.1",
    "wire-format": "2.0",
    "patience": "5.0",
    "queue": "1.4.2",
    "squeeze": "7.1",
    "builder": "80",
    "sockets": "1.1 ; sys_platform == 'win32'",
}
MORE = {"tester": "9.2", "covering": "7.17", "toml-reader": "2.5"}


def lock(pins: Mapping[str, str], *others: str) -> str:
    """Write a lock as `make lock` does."""
    lines = [f"{name}=={version} \\\n    {HASH} \\\n    {HASH}" for name, version in pins.items()]
    return "\n".join([*lines, *others, ""])


def said(
    run: str = "",
    development: str = "",
    *,
    pyproject: str = PYPROJECT,
    packages: Mapping[str, Package] = WORLD,
) -> Sequence[str]:
    """Return the faults of locks; those that are not given are good."""
    texts = {RUN: run or lock(SHARED), DEVELOPMENT: development or lock(SHARED | MORE)}
    return faults(pyproject, texts, packages)


def without(pins: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: version for other, version in pins.items() if other != name}


class TestComplete:
    """Everything that is needed is there, in a version that will do."""

    def test_ours(self) -> None:
        """
        The locks of this tree are complete, and nothing is in them that nobody asks for.
        """
        texts = {name: (ROOT / name).read_text() for name in (RUN, DEVELOPMENT)}

        assert faults((ROOT / "pyproject.toml").read_text(), texts, InstalledPackages()) == []

    def test_good(self) -> None:
        assert said() == []

    @pytest.mark.parametrize(
        "missing, fault",
        [
            ("tester", "lacks tester>=9, which pyproject.toml asks for"),
            ("covering", "lacks covering[toml]>=7.10, which tester 9.2 asks for"),
            ("squeeze", "lacks squeeze>=7, which queue 1.4.2 asks for"),
            ("toml-reader", "lacks toml-reader, which covering 7.17 asks for"),
            ("sockets", "lacks sockets>1, which wire-format 2.0 asks for"),
        ],
        ids=["named", "transitive", "of an extra", "of an extra for one Python", "for one system"],
    )
    def test_missing(self, missing: str, fault: str) -> None:
        """
        What is missing is named, with what asks for it.
        """
        found = said(development=lock(without(SHARED | MORE, missing)))

        assert found[0] == f"requirements-dev.lock {fault}"

    def test_missing_where_it_is_needed(self) -> None:
        """
        A line whose condition leaves a system out that needs it is said to.
        """
        condition = SHARED | {"squeeze": "7.1 ; sys_platform != 'darwin'"}

        found = said(run=lock(condition))

        assert len(found) == 8  # Of each Python; both processors are one to a reader.
        assert found[0] == (
            f"{RUN} has squeeze 7.1 elsewhere, and not on Darwin with Python 3.11.0, for queue 1.4.2"
        )

    def test_wrong_version(self) -> None:
        """
        A pin that does not satisfy is named beside what it should.
        """
        packages = WORLD | {"covering": Package("7.5")}
        found = said(development=lock(SHARED | MORE | {"covering": "7.5"}), packages=packages)

        fault = f"{DEVELOPMENT} has covering 7.5, and tester 9.2 asks for covering[toml]>=7.10"
        assert found[0] == fault

    def test_newer_wanted(self) -> None:
        """
        So is one that pyproject.toml has left behind.
        """
        found = said(pyproject=PYPROJECT.replace("tester>=9", "tester>=10"))

        assert found == [f"{DEVELOPMENT} has tester 9.2, and pyproject.toml asks for tester>=10"]

    def test_wrong_python(self) -> None:
        """
        A package that is not for every Python of ours cannot be the only one that is locked.
        """
        packages = WORLD | {"squeeze": WORLD["squeeze"]._replace(python=">=3.12")}

        assert said(packages=packages) == [
            f"{name} has squeeze 7.1, which is for Python >=3.12 alone"
            for name in (RUN, DEVELOPMENT)
        ]


class TestNothingElse:
    """What stands in a lock has a reason, a version and a hash."""

    def test_stale(self) -> None:
        """
        What nothing asks for any more is named.
        """
        found = said(run=lock(SHARED | {"relic": "1.0"}))

        assert found == [f"{RUN} has relic 1.0, which nothing asks for"]

    def test_stale_extra(self) -> None:
        """
        So is what an extra asked for that is not wanted any more.
        """
        found = said(pyproject=PYPROJECT.replace("queue[fast]", "queue"))

        assert found == [
            f"{name} has squeeze 7.1, which nothing asks for" for name in (RUN, DEVELOPMENT)
        ]

    def test_no_hash(self) -> None:
        pins = without(SHARED, "squeeze")

        assert said(run=lock(pins, "squeeze==7.1")) == [f"{RUN} has squeeze 7.1 without a hash"]

    @pytest.mark.parametrize(
        "line", ["relic>=1", "relic==1.*", "relic", "--index-url http://x/", "./relic"]
    )
    def test_no_version(self, line: str) -> None:
        found = said(run=lock(SHARED, line))

        assert found == [f"{RUN} has {line!r}, which names no version"]


class TestAgreement:
    """Both locks, and what is installed, are of one mind."""

    def test_different(self) -> None:
        """
        A package has one version in both locks.
        """
        packages = WORLD | {"squeeze": Package("7.2")}

        found = said(development=lock(SHARED | MORE | {"squeeze": "7.2"}), packages=packages)

        assert found[-1] == f"{RUN} has squeeze 7.1, and {DEVELOPMENT} has 7.2"

    def test_another_installed(self) -> None:
        """
        What another version requires says nothing about the one that is locked.
        """
        packages = WORLD | {"tester": WORLD["tester"]._replace(version="9.1")}

        assert said(packages=packages) == [
            f"{DEVELOPMENT} has tester 9.2, and what is installed is 9.1"
        ]

    def test_not_installed(self) -> None:
        """
        Of what is not here, although it is for this machine, nothing can be known.
        """
        found = said(packages=without_package("tester"))

        told = (
            f"{DEVELOPMENT} has tester 9.2, which is not installed, so what it needs is not known"
        )
        assert found[0] == told

    def test_lock_of_ours_shortened(self) -> None:
        """
        Whichever line of ours is taken out, its lack is told.
        """
        text = (ROOT / DEVELOPMENT).read_text()
        pyproject, run = (ROOT / "pyproject.toml").read_text(), (ROOT / RUN).read_text()
        names = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)[::40]

        for name in names:
            shorter = re.sub(rf"^{name}==(?:.*\\\n)*.*\n", "", text, flags=re.MULTILINE)
            found = faults(pyproject, {RUN: run, DEVELOPMENT: shorter}, InstalledPackages())
            assert any(fault.startswith(f"{DEVELOPMENT} lacks {name}") for fault in found)


def without_package(name: str) -> dict[str, Package]:
    return {other: package for other, package in WORLD.items() if other != name}
