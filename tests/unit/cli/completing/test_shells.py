"""What is completed, in a real bash; and what the scripts for other shells say."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import COMMANDS, main, parser
from services.cli.completing.branches import branches
from services.cli.completing.shells import SHELLS, fish, zsh
from services.settings import SERVICES
from tests.support.deadline import DEADLINE

# What bash does when somebody presses the tabulator at the end of a line.
PRESS = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_fanfare fanfare "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

Completed = Callable[..., list[str]]


@pytest.fixture
def completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Completed:
    """Return what bash offers in the place of the last of some words."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "fanfare.bash"
    script.write_text(capsys.readouterr().out)

    def press(*words: str) -> list[str]:
        argv = ["bash", "--norc", "-uc", PRESS, "bash", str(script), "fanfare", *words]
        done = subprocess.run(  # noqa: S603 - ours.
            argv, capture_output=True, text=True, timeout=DEADLINE, check=False, cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return press


class TestBash:
    """Bash offers what may stand at the cursor."""

    def test_commands(self, completed: Completed) -> None:
        assert {*completed("")} >= {*COMMANDS}

    def test_begun(self, completed: Completed) -> None:
        assert completed("deb") == ["debug"]

    def test_actions(self, completed: Completed) -> None:
        assert completed("apps", "r") == ["rotate"]

    def test_options(self, completed: Completed) -> None:
        assert completed("apps", "rotate", "2", "--f") == ["--finish"]

    def test_choices(self, completed: Completed) -> None:
        """
        The values of an option are offered after it, also with a sign of equality.
        """
        levels = ["debug", "info", "warning", "error"]

        assert completed("debug", "--level", "") == levels
        assert completed("debug", "--level", "=") == levels
        assert completed("debug", "--level", "=", "w") == ["warning"]

    def test_one_word(self, completed: Completed, tmp_path: Path) -> None:
        """
        So they are where COMP_WORDBREAKS, which others change, has no sign of equality.
        """
        (tmp_path / "settings.toml").touch()

        assert completed("debug", "--level=w") == ["--level=warning"]
        assert len(completed("debug", "--level=")) == 4
        assert completed("--config=set") == ["--config=settings.toml"]
        assert completed("debug", "--level=debug", "--pro") == ["--process"]
        assert completed("debug", "--app=") == []

    def test_settings(self, completed: Completed) -> None:
        assert completed("config", "show", "gateway.max_conn") == ["gateway.max_connections"]
        assert {"gateway", "gateway.max_connections"} <= {*completed("config", "show", "gate")}
        assert completed("config", "show", "gateway", "app") == ["apps"]

    def test_services(self, completed: Completed) -> None:
        assert {*completed("run", "auth", "")} >= {*SERVICES}

    def test_values(self, completed: Completed) -> None:
        """
        What an option takes is no command, whatever it is, and nothing is offered for it.
        """
        assert completed("--config", "apps", "deb") == ["debug"]
        assert completed("debug", "--app", "") == []
        assert completed("debug", "--app", "=", "apps", "--lev") == ["--level"]

    def test_files(self, completed: Completed, tmp_path: Path) -> None:
        (tmp_path / "settings.toml").touch()

        assert completed("--config", "set") == ["settings.toml"]
        assert completed("explain", "--event", "set") == ["settings.toml"]


@pytest.mark.parametrize("shell", [zsh, fish])
def test_others(shell: Callable[..., str]) -> None:
    """
    Every command and its summary is in the scripts for the others, and nothing is left to be filled in.
    """
    script = shell(list(branches(parser())))

    assert "@" not in script.replace('"$@"', "").replace("(@)", "")
    for name, module in COMMANDS.items():
        assert name in script
        assert (module.__doc__ or "").strip().splitlines()[0][:30] in script


def test_without_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Shells start where no settings are, or wrong ones.
    """
    monkeypatch.setenv("FANFARE_CONFIG", "/nowhere")

    assert [main(["completion", shell]) for shell in SHELLS] == [0, 0, 0]
    assert "complete -c fanfare" in capsys.readouterr().out
