"""deploy/roll.sh on a stand-in for Docker: that one comes before one goes, and that what fails ends it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.settings import SERVICES
from tests.support.deployments.program import ROOT
from tests.support.fakes import engine

SCRIPT = ROOT / "deploy" / "roll.sh"


class Machine:
    """A machine on which containers run, `numbers` of each service; `changes` are to the engine's state."""

    def __init__(self, directory: Path, numbers: dict[str, int], **changes: Any) -> None:
        self._directory = directory
        containers = {
            f"{kind}{number}": {"service": service, "health": "healthy", "new": False}
            for kind, service in zip("abcd", numbers, strict=False)
            for number in range(numbers[service])
        }
        usual = {
            "containers": containers,
            "made": 0,
            "asked": [],
            "sick": [],
            "refused": [],
            "status": 0,
        }
        self._file.write_text(json.dumps(usual | changes))
        command = shlex.join([sys.executable, engine.__file__, str(self._file)])
        self._put("docker", f'exec {command} "$@"')
        self._put("sleep", "exit 0")

    def _put(self, name: str, does: str) -> None:
        program = self._directory / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)

    @property
    def _file(self) -> Path:
        return self._directory / "engine.json"

    @property
    def state(self) -> Any:
        """What the engine knows."""
        return json.loads(self._file.read_text())

    def becomes(self, name: str, health: str) -> None:
        """Let a container be in a state."""
        state = self.state
        state["containers"][name]["health"] = health
        self._file.write_text(json.dumps(state))

    def kinds(self, service: str) -> list[bool]:
        """Tell of each container of a service whether it is new."""
        found = self.state["containers"].values()
        return [each["new"] for each in found if each["service"] == service]

    def ended(self) -> list[str]:
        """Tell which containers were told to end, in order."""
        return [words[1] for words in self.words() if words[0] == "stop"]

    def words(self) -> list[list[str]]:
        """Tell which commands were given."""
        return [asked["words"] for asked in self.state["asked"]]

    def roll(self, *services: str, within: int = 60) -> tuple[int, str]:
        """Run the script, and return its exit status and what it said; a new one may take so many seconds."""
        path = f"{self._directory}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(  # noqa: S603 - ours.
            [SCRIPT, *services],
            env=os.environ | {"PATH": path, "HEALTHY_WITHIN": str(within)},
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr


class TestRolled:
    """Nothing fails."""

    def test_one_by_one(self, tmp_path: Path) -> None:
        """All gateways are new ones, as many as there were, and at no time were there fewer that are healthy."""
        machine = Machine(tmp_path, {"gateway": 3})

        status, said = machine.roll("gateway")

        assert (status, machine.kinds("gateway")) == (0, [True] * 3)
        assert machine.ended() == ["a0", "a1", "a2"]
        assert min(asked["healthy"]["gateway"] for asked in machine.state["asked"]) == 3
        assert "all 3 replaced" in said

    def test_all(self, tmp_path: Path) -> None:
        """Without a name all four are replaced, gateways before auth."""
        machine = Machine(tmp_path, dict.fromkeys(SERVICES, 1))

        status, _ = machine.roll()

        assert status == 0
        assert all(machine.kinds(name) == [True] for name in SERVICES)
        order = [word for words in machine.words() if words[1] == "up" for word in words[-1:]]
        assert order == ["gateway", "dispatcher", "presence", "auth"]


class TestStopped:
    """Something fails: the rest is left as it is."""

    def test_sick(self, tmp_path: Path) -> None:
        """A new one that does not become healthy is removed, with the end of its log shown, and all old ones stay."""
        machine = Machine(tmp_path, {"gateway": 2}, sick=["gateway"])

        status, said = machine.roll("gateway", within=0)

        assert (status, machine.kinds("gateway")) == (1, [False] * 2)
        assert machine.ended() == []
        assert "was not healthy within 0 s, and is removed" in said
        assert "the log of 000000000001" in said

    def test_refused(self, tmp_path: Path) -> None:
        """Where Docker starts none, none is ended."""
        machine = Machine(tmp_path, {"gateway": 2}, refused=["gateway"])

        status, said = machine.roll("gateway")

        assert (status, machine.kinds("gateway"), machine.ended()) == (1, [False] * 2, [])
        assert "no gateway has come" in said

    def test_killed(self, tmp_path: Path) -> None:
        """One that did not end in order, by which its clients were cut off, is the last."""
        machine = Machine(tmp_path, {"gateway": 2}, status=137)

        status, said = machine.roll("gateway")

        assert (status, machine.kinds("gateway")) == (1, [False, True])
        assert "ended with status 137" in said

    @pytest.mark.parametrize("health", ["unhealthy", "starting", "ended"])
    def test_unwell_before(self, tmp_path: Path, health: str) -> None:
        """Where one is unwell, or has ended, nothing is begun: Compose would start that one again in place of a new one."""
        machine = Machine(tmp_path, {"gateway": 2})
        machine.becomes("a1", health)

        status, said = machine.roll("gateway")

        assert (status, machine.ended()) == (1, [])
        assert f"nothing is changed: gateway a1 is {health}" in said

    def test_nobody(self, tmp_path: Path) -> None:
        """Where nothing runs there is nothing to replace."""
        status, said = Machine(tmp_path, {"gateway": 1}).roll("auth")

        assert status == 1
        assert "no auth runs" in said

    def test_unknown(self, tmp_path: Path) -> None:
        """What is no service of ours is not touched, nor is anything else."""
        machine = Machine(tmp_path, {"gateway": 1})

        status, said = machine.roll("gateway", "redis")

        assert (status, machine.words()) == (1, [])
        assert "redis is none of" in said


@pytest.mark.parametrize(
    "script",
    [*sorted((ROOT / "deploy").rglob("*.sh")), *sorted((ROOT / "setup").iterdir())],
    ids=lambda script: script.name,
)
def test_shell(script: Path) -> None:
    """Shellcheck finds nothing in scripts that people run."""
    shellcheck = Path(sys.executable).with_name("shellcheck")

    judged = subprocess.run([shellcheck, script], check=False, capture_output=True, text=True)  # noqa: S603 - locked.

    assert (judged.returncode, judged.stdout) == (0, "")


def test_services() -> None:
    """It knows all services that there are."""
    text = SCRIPT.read_text()

    assert sorted(text.split("set -- ")[1].splitlines()[0].split()) == sorted(SERVICES)
