"""deploy/systemd: that systemd takes it, and that its numbers are those of the code and the settings."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from services.settings import SERVICES
from tests.support.deployments.machines import SETTINGS, amended
from tests.support.deployments.units import UNITS, Unit, unit
from tests.support.programs import find_program

PORTS = {"gateway": "6001", "auth": "6101", "dispatcher": "6201", "presence": "6301"}
RUNNING = [f"fanfare-{name}@{port}.service" for name, port in PORTS.items()]
ALL = [*RUNNING, "fanfare-migrate.service"]
LARGEST_EXPOSURE = 2.0  # Of 10; 1.5 with systemd 252.


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the units as an operator does; where Fanfare would be installed stands a program that is here."""
    directory = tmp_path_factory.mktemp("units") / "system"
    shutil.copytree(UNITS, directory, symlinks=True)
    for file in directory.glob("*.service"):
        file.write_text(amended(file.read_text(), {"/opt/fanfare/bin/fanfare": "/bin/true"}))
    return directory


@pytest.fixture(params=RUNNING)
def running(request: pytest.FixtureRequest) -> Unit:
    return unit(request.param)


def analyze(*words: str, units: Path) -> str:
    """Ask systemd-analyze about units, and return what it says; fails where it is not content."""
    done = subprocess.run(  # noqa: S603 - our own.
        [find_program("systemd-analyze"), *words],
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "LC_ALL": "C.UTF-8"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_valid(installed: Path) -> None:
    """It finds nothing wrong, and nothing to warn of."""
    said = analyze("verify", "--man=no", *ALL, "fanfare.target", units=installed)

    assert [line for line in said.splitlines() if "fanfare" in line] == []


def test_exposure(installed: Path) -> None:
    """No unit may do what it does not need; the drop-in is found for templates and others."""
    for name in ALL:
        said = analyze("security", "--offline=true", "--no-pager", name, units=installed)
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert exposure is not None
        assert float(exposure[1]) <= LARGEST_EXPOSURE, name


def test_services(running: Unit) -> None:
    """Each unit runs its service, is reloaded by SIGHUP, and stays down where its settings cannot work."""
    name = running.name.split("@")[0].removeprefix("fanfare-")

    assert running.one("ExecStart").split() == ["/opt/fanfare/bin/fanfare", "run", name]
    assert name in SERVICES
    assert running.one("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert running.one("RestartPreventExitStatus") == "2"
    assert running.one("Type") == "exec"  # Nothing tells systemd of readiness.


def test_time_to_stop(running: Unit) -> None:
    """It is not killed while it drains."""
    server = tomllib.loads(SETTINGS.read_text())["server"]

    assert int(running.one("TimeoutStopSec")) > server["lb_delay"] + server["drain_timeout"]


def test_descriptors() -> None:
    """A gateway may open what its connections need."""
    connections = tomllib.loads(SETTINGS.read_text())["gateway"]["max_connections"]

    assert int(unit(RUNNING[0]).one("LimitNOFILE")) > 2 * connections


@pytest.mark.parametrize("name", ALL)
def test_credentials(name: str) -> None:
    """Each secret that is loaded is read, and each that is read is loaded, from a file of its name."""
    here = unit(name)
    files = here.environ(Path("/credentials"))

    assert {text for key, text in files.items() if key.endswith("_FILE")} == {
        f"/credentials/{credential}" for credential in here.credentials()
    }
    for credential, file in here.credentials().items():
        assert file == f"/etc/fanfare/secrets/{credential}"


def test_signing_key() -> None:
    """Auth alone is given the key that signs channel tokens."""
    having = [name for name in ALL if "token-keys.json" in unit(name).credentials()]

    assert having == ["fanfare-auth@6101.service"]


def test_target() -> None:
    """What the target's head enables are units that are there."""
    text = (UNITS / "fanfare.target").read_text()
    enabled = set(re.findall(r"fanfare-[a-z]+@\d+", text))

    assert {f"{name}.service" for name in enabled} >= set(RUNNING)
