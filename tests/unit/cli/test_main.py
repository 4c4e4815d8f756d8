"""The command line as a whole: what is said of a word that stands for nothing."""

import os
import sys
from pathlib import Path

import pytest

from services.cli import COMMANDS, main
from services.cli.checking import check
from services.settings import SERVICES
from services.version import VERSION
from tests.unit.test_settings import APP


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with one app."""
    file = tmp_path / "fanfare.toml"
    file.write_text(APP)
    return file


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one sentence with which a command line is refused."""
    with pytest.raises(SystemExit) as raised:
        main(words)
    output, complaint = capsys.readouterr()
    assert (raised.value.code, output) == (2, "")
    (sentence,) = complaint.splitlines()
    return sentence.removeprefix("fanfare: ")


class TestAlone:
    """Alone it helps."""

    @pytest.mark.parametrize("words", [[], ["apps"], ["--config", "x.toml"]])
    def test_help(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Without a command, or without an action, the help is shown; the status is 2."""
        with pytest.raises(SystemExit) as raised:
            main(words)

        output, complaint = capsys.readouterr()
        assert (raised.value.code, output) == (2, "")
        assert complaint.startswith("usage: fanfare")
        assert "rotate" in complaint if words == ["apps"] else all(c in complaint for c in COMMANDS)

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The release is told."""
        with pytest.raises(SystemExit) as raised:
            main(["--version"])

        assert (raised.value.code, capsys.readouterr().out) == (0, f"fanfare {VERSION}\n")


class TestUnknown:
    """What is unknown is said, with what may have been meant and where to read on."""

    @pytest.mark.parametrize(
        "words,said",
        [
            (["rn"], "there is no command 'rn'; did you mean run? See fanfare --help"),
            (["xyzzy"], "there is no command 'xyzzy'. See fanfare --help"),
            (
                ["gateway"],
                "there is no command 'gateway'; fanfare run gateway runs that service. See fanfare --help",
            ),
            (
                ["apps", "lst"],
                "there is no action 'lst'; did you mean list? See fanfare apps --help",
            ),
            (
                ["run", "--confg", "x.toml"],
                "there is no option --confg; did you mean --config? See fanfare run --help",
            ),
            (
                ["apps", "add", "--clientevents"],
                "there is no option --clientevents; did you mean --client-events? See fanfare apps add --help",
            ),
            (
                ["check", "--zzz=1"],
                "there is no option --zzz. See fanfare check --help",
            ),
            (
                ["migrate", "now"],
                "there is no place for the argument 'now'. See fanfare migrate --help",
            ),
        ],
    )
    def test_words(self, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert refused(capsys, *words) == said

    @pytest.mark.parametrize("service", SERVICES)
    def test_services(self, file: Path, service: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A service that is spelled otherwise is told from them."""
        assert main(["check", service[:-2] + service[-1], "--config", str(file)]) == 2

        assert f"; did you mean {service}?" in capsys.readouterr().err

    def test_service_like_none(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where none is like it, all are named."""
        assert main(["check", "xyzzy", "--config", str(file)]) == 2

        said = "there is no service 'xyzzy'; there are gateway, auth, dispatcher and presence"
        assert capsys.readouterr().err == f"fanfare: {said}\n"


class TestMissing:
    """What is missing or no value is named."""

    @pytest.mark.parametrize(
        "words,said",
        [
            (["publish", "c"], "the following arguments are required: event."),
            (
                ["listen", "news", "--count", "0"],
                '--count: expected a whole number above 0, found "0".',
            ),
            (
                ["listen", "news", "--timeout", "0"],
                '--timeout: expected seconds above 0, found "0".',
            ),
            (["listen"], "the following arguments are required: CHANNEL."),
            (["token", "--ttl", "soon"], '--ttl: expected seconds above 0, found "soon".'),
            (["token", "--ttl", "-5"], '--ttl: expected seconds above 0, found "-5".'),
            (["token", "--ttl", "inf"], '--ttl: expected seconds above 0, found "inf".'),
            (["run", "--config"], "--config: expected one argument."),
        ],
    )
    def test_words(self, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert refused(capsys, *words) == f"{said} See fanfare {words[0]} --help"


class TestConfig:
    """The file is named before the command or after it."""

    @pytest.mark.parametrize("is_first", [True, False])
    def test_either(
        self, file: Path, capsys: pytest.CaptureFixture[str], *, is_first: bool
    ) -> None:
        named = ["--config", str(file)]

        assert main([*named, "check"] if is_first else ["check", *named]) == 0
        assert "1 apps" in capsys.readouterr().out


class TestReader:
    """Who reads what is printed may go."""

    def test_gone(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A reader that has enough, as `head` has, is no trouble to talk of; the status is 1."""
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as output:
            monkeypatch.setattr(sys, "stdout", output)

            assert main(["check", "--config", str(file)]) == 1
            output.flush()  # It fails no more.

    @pytest.mark.parametrize("buffering", [-1, 1])
    def test_full(
        self,
        file: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *,
        buffering: int,
    ) -> None:
        """A disk that is full is said to be, by each line or at the end; the status is 1."""
        with Path("/dev/full").open("w", buffering) as output:
            monkeypatch.setattr(sys, "stdout", output)

            assert main(["check", "--config", str(file)]) == 1
            output.flush()

        said = "fanfare: the output cannot be written: No space left on device\n"
        assert capsys.readouterr().err == said

    def test_none(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without an output nothing is said of it."""
        monkeypatch.setattr(sys, "stdout", None)

        assert main(["check", "--config", str(file)]) == 0

    def test_nothing_to_listen_for(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What would print for ever where nobody can read it does not begin."""
        monkeypatch.setattr(sys, "stdout", None)

        assert main(["listen", "news", "--config", str(file), "--timeout", "1"]) == 1
        assert capsys.readouterr().err == "fanfare: there is no standard output to print to\n"


def test_interrupted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command without a word, with the status that shells know."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "execute", interrupted)

    assert main(["check", "--config", str(file)]) == 130
