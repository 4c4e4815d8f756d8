"""A fresh clone, set up with the pip that is locked and with Debian 12's, by what users call."""

import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.clone import ROOT, Clone, Outcome, clone, run

LOCK = "requirements-dev.lock"
OLD_PIP = Path(__file__).parent / "pip-23.0.lock"
LOCKED = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")


def entry(lock: str, name: str) -> str:
    """Return what a lock says of a package."""
    found = re.search(rf"^{name}==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    assert found
    return found[0]


def pip(*words: str) -> None:
    """Call the pip of the Python that runs the tests."""
    done = run(sys.executable, "-m", "pip", *words, directory=ROOT, variables={})
    assert (done.status, done.said) == (0, "")


def release(directory: Path, name: str, version: str) -> None:
    """Put a version of a package there that is in no lock."""
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        about = f"{name}-{version}.dist-info"
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture(scope="module")
def haste(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """
    Fetch all packages once, and return the variables that make pip quick: it takes those, and compiles nothing.

    Since the lock was made coverage had a release, of which a pip that resolves would learn from pytest-cov.
    """
    directory = tmp_path_factory.mktemp("wheels")
    for lock in (ROOT / LOCK, OLD_PIP):
        pip("download", *LOCKED, "--requirement", str(lock), "--dest", str(directory))
    release(directory, "coverage", "99.0")
    found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": directory.as_uri()}
    return {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **found}


def made(directory: Path, lock: str, haste: dict[str, str]) -> Clone:
    """Set up a clone with a pip that is locked."""
    fresh = clone(directory / "a clone")
    (directory / "pip.lock").write_text(lock)
    assert fresh.make(".venv/place").status == 0
    install = ("-m", "pip", "install", *LOCKED, "--requirement", str(directory / "pip.lock"))
    assert fresh.python(*install, **haste) == Outcome(0, "")
    version = lock.partition("pip==")[2].split()[0]
    assert fresh.python("-m", "pip", "--version").said.startswith(f"pip {version} ")
    done = fresh.make(".venv/dev", **haste)
    steps = "installing what Fanfare needs\ninstalling what developers need\n"
    assert done.said == steps
    assert done.status == 0
    return fresh


@pytest.fixture(scope="module")
def with_locked_pip(tmp_path_factory: pytest.TempPathFactory, haste: dict[str, str]) -> Clone:
    lock = entry((ROOT / LOCK).read_text(), "pip")
    return made(tmp_path_factory.mktemp("locked"), lock, haste)


@pytest.fixture(scope="module")
def with_old_pip(tmp_path_factory: pytest.TempPathFactory, haste: dict[str, str]) -> Clone:
    return made(tmp_path_factory.mktemp("old"), OLD_PIP.read_text(), haste)


class TestMade:
    """What is there afterwards."""

    @pytest.mark.parametrize("name", ["with_locked_pip", "with_old_pip"])
    def test_usable(self, request: pytest.FixtureRequest, name: str) -> None:
        """
        The program runs, from the clone's own sources, and nothing that a package needs is missing.
        """
        fresh: Clone = request.getfixturevalue(name)

        checked = fresh.run(".venv/bin/fanfare", "check", "--config", "deploy/dev.toml")

        assert (checked.status, checked.said[:21]) == (0, "the settings are good")
        where = fresh.python("-c", "import services.cli; print(services.cli.__file__)")
        assert where.said == f"{fresh.path / 'services' / 'cli' / '__init__.py'}\n"
        assert fresh.python("-m", "pip", "check").said == "No broken requirements found.\n"

    def test_once(self, with_old_pip: Clone) -> None:
        """
        What is set up is not set up again.
        """
        assert with_old_pip.make(".venv/dev") == Outcome(0, "")

    def test_checked(self, with_old_pip: Clone) -> None:
        """
        `make check` looks at the locks.
        """
        assert "-m tests.support.locks" in with_old_pip.run("make", "--dry-run", "check").said


class TestBusyPort:
    """`make run` where another program listens."""

    @pytest.mark.parametrize("name", ["LISTEN", "INTERNAL_LISTEN"])
    def test_sentence(self, with_old_pip: Clone, name: str) -> None:
        """
        It ends, and names the address and what to change.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            free = {"FANFARE_SERVER_LISTEN": "127.0.0.1:0"}
            ended = with_old_pip.make("run", **free | {f"FANFARE_SERVER_{name}": address})

        assert ended.status != 0
        greeting, said, _ = ended.said.splitlines()
        assert greeting.startswith("http://127.0.0.1:")
        assert said == (
            f"fanfare: server.{name.lower()}: cannot listen on {address}: address already in use; "
            f'{name.lower()} = "HOST:PORT" below [server], or FANFARE_SERVER_{name}=HOST:PORT, '
            "names another address"
        )


@pytest.fixture
def lacking(with_old_pip: Clone, lacked: str, haste: dict[str, str]) -> Iterator[Clone]:
    """Yield a clone where a package is not installed, and mend it afterwards."""
    uninstalled = with_old_pip.python("-m", "pip", "uninstall", "--quiet", "--yes", lacked)
    assert uninstalled.status == 0
    yield with_old_pip
    shutil.copy(ROOT / LOCK, with_old_pip.path / LOCK)
    assert with_old_pip.make(".venv/dev", **haste).status == 0


class TestIncompleteLock:
    """A package that another one needs is not in the lock, and so it is not installed."""

    @pytest.fixture(autouse=True)
    def _shorten(self, lacking: Clone, lacked: str) -> None:
        lock = lacking.path / LOCK
        lock.write_text(lock.read_text().replace(entry(lock.read_text(), lacked), ""))

    @pytest.mark.parametrize("lacked", ["coverage"])
    def test_needed(self, lacking: Clone, haste: dict[str, str]) -> None:
        """
        It is named with the package that needs it, and so is what mends the lock.
        """
        ended = lacking.make(".venv/dev", **haste)

        assert ended.status != 0
        assert "pytest-cov 7.1.0 requires coverage, which is not installed." in ended.said
        assert f"{LOCK} is not complete" in ended.said
        assert "`make lock` makes it anew" in ended.said
        assert not (lacking.path / ".venv" / "unfinished").exists()

    @pytest.mark.parametrize("lacked", ["fqdn"])
    def test_needed_by_an_extra(self, lacking: Clone, haste: dict[str, str]) -> None:
        """
        Extras count, of which `pip check` knows nothing.
        """
        ended = lacking.make(".venv/dev", **haste)

        assert ended.status != 0
        assert f"{LOCK} lacks fqdn, which jsonschema 4.26.0 asks for" in ended.said


class TestNoNetwork:
    """No index can be reached."""

    @pytest.mark.parametrize("lacked", ["fqdn"])
    def test_sentence(self, lacking: Clone) -> None:
        """
        It is said, after what pip has to say, and nothing is left that hinders the next attempt.
        """
        (lacking.path / ".venv" / "dev").unlink()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        names = {"PIP_INDEX_URL": nowhere, "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}

        ended = lacking.make(".venv/dev", **names)

        assert ended.status != 0
        assert f"{LOCK} could not be installed; pip's own words stand above." in ended.said
        assert "pip reached no index" in ended.said
        assert not (lacking.path / ".venv" / "unfinished").exists()
