"""What the arguments of `fanfare apps` stand for."""

import io
from pathlib import Path

import pytest

from libs.common.apps.limits import Limits
from libs.common.errors import Misconfigured
from services.cli.arguments import changes_of, id_of, is_customary, limits_of, origins_of, secret_in


class TestLimits:
    """``--limit NAME=NUMBER``."""

    def test_none(self) -> None:
        """Without a word all have their defaults."""
        assert limits_of([]) == Limits()

    def test_several(self) -> None:
        """Whole numbers, fractions where rates may be such, and no limit."""
        texts = ["connections=1000", "client_events=0.5", "members=-1", "batch=0"]

        assert limits_of(texts) == Limits(connections=1000, client_events=0.5, members=-1, batch=0)

    @pytest.mark.parametrize(
        "text,said",
        [
            (
                "connections",
                "--limit 'connections': expected NAME=NUMBER, such as connections=1000",
            ),
            ("conections=5", "--limit 'conections' is unknown; did you mean connections?"),
            ("x=5", "--limit 'x' is unknown"),
            (
                "connections=many",
                '--limit connections: expected a whole number of at least -1, found "many"',
            ),
            ("connections=1.5", 'a whole number of at least -1, found "1.5"'),
            ("connections=", 'a whole number of at least -1, found ""'),
            ("batch=-2", 'a whole number of at least -1, found "-2"'),
            ("channel_name=201", 'a whole number from -1 to 200, found "201"'),
            ("reads=nan", 'a number of at least -1, found "nan"'),
            ("reads=inf", 'a number of at least -1, found "inf"'),
        ],
    )
    def test_refused(self, text: str, said: str) -> None:
        """What cannot be a limit is told, with what was expected."""
        with pytest.raises(Misconfigured) as raised:
            limits_of([text])

        assert said in str(raised.value)


class TestChanges:
    """``--limit NAME=NUMBER`` of an app that is there."""

    def test_several(self) -> None:
        """Numbers as for a new app, and none for what returns to its default."""
        assert changes_of(["batch=20", "reads=0.5", "members=", "x="]) == {
            "batch": 20,
            "reads": 0.5,
            "members": None,
            "x": None,
        }

    @pytest.mark.parametrize("text", ["x=5", "batch", "batch=many", "=5", "="])
    def test_refused(self, text: str) -> None:
        """What cannot be a limit is refused as for a new app."""
        with pytest.raises(Misconfigured, match=r"^--limit "):
            changes_of([text])


class TestOrigins:
    """``--origin URL``."""

    def test_good(self) -> None:
        """Several are taken in their order."""
        assert origins_of(["https://b.org", "https://*.a.org"]) == [
            "https://b.org",
            "https://*.a.org",
        ]

    def test_refused(self) -> None:
        """One that no page has is refused."""
        with pytest.raises(Misconfigured, match=r'^--origin: expected .*; found "plain.org"$'):
            origins_of(["https://b.org", "plain.org"])


class TestId:
    """``--id TEXT``, as the file's ``apps[].id``."""

    @pytest.mark.parametrize(
        "text,customary",
        [("1", True), ("007", True), ("shop", False), ("1a", False), ("\u0661", False)],
    )
    def test_any_text(self, text: str, *, customary: bool) -> None:
        """Any text is taken; of some the Python SDK is known not to take them."""
        assert id_of(text) == text
        assert is_customary(text) is customary

    def test_empty(self) -> None:
        """An empty one, as of a variable that is not set, is refused."""
        with pytest.raises(Misconfigured, match=r"^--id: expected"):
            id_of("")


class TestSecret:
    """``--secret-file FILE``."""

    @pytest.mark.parametrize("content", ["hush", "hush\n", "hush\r\n"])
    def test_file(self, tmp_path: Path, content: str) -> None:
        """The line break that ends a file is no part of the secret."""
        file = tmp_path / "secret"
        file.write_bytes(content.encode())

        assert secret_in(str(file)) == "hush"

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``-`` reads what is piped in."""
        monkeypatch.setattr("sys.stdin", io.StringIO("hush\n"))

        assert secret_in("-") == "hush"

    def test_no_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where it was closed that is said."""
        monkeypatch.setattr("sys.stdin", None)

        with pytest.raises(Misconfigured, match="--secret-file -: there is no standard input"):
            secret_in("-")

    @pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"two\nlines\n", b"a\0b", b"\xff"])
    def test_refused(self, tmp_path: Path, content: bytes) -> None:
        """What is no single line of text is refused, and not shown."""
        file = tmp_path / "secret"
        file.write_bytes(content)

        with pytest.raises(Misconfigured, match=r"^--secret-file") as raised:
            secret_in(str(file))

        assert "two" not in str(raised.value)

    def test_absent(self, tmp_path: Path) -> None:
        """A file that is not there is named, and why."""
        with pytest.raises(Misconfigured, match='nowhere": cannot be read: No such file'):
            secret_in(str(tmp_path / "nowhere"))
