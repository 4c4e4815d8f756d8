"""Where commands look for a deployment, and in whose name."""

from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from services.cli.client import app_of, public_url, trouble
from tests.unit.test_settings import APP, OTHER, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


class TestUrl:
    """``--url``, or where the settings listen."""

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1:6001", "https://rt.example.org", "http://[::1]:80", "http://a/path"],
    )
    def test_given(self, file: Path, url: str) -> None:
        """What was given is taken, without a slash at its end."""
        assert public_url(read(file, APP), url) == url
        assert public_url(read(file, APP), url + "/") == url

    @pytest.mark.parametrize(
        "listen,url",
        [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("*:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.5:80,[::1]:81", "http://10.0.0.5:80"),
        ],
    )
    def test_listened(self, file: Path, listen: str, url: str) -> None:
        """All addresses are reached at this machine's own; of several it is the first."""
        assert public_url(read(file, APP, SERVER_LISTEN=listen), None) == url

    @pytest.mark.parametrize(
        "url,hint",
        [
            ("localhost:6001", ", such as http://localhost:6001"),
            ("127.0.0.1:6001", ", such as http://127.0.0.1:6001"),
            ("rt.example.org", ", such as http://rt.example.org"),
            ("ws://a:1", ", such as http://a:1"),
            ("wss://a", ", such as https://a"),
            ("", ", such as http://127.0.0.1:6001"),
            ("http://", ""),
            ("http://a:99999", ""),
            ("http://a:b", ""),
            ("http://[::1", ""),
            ("user:hush@host", ""),
        ],
    )
    def test_refused(self, file: Path, url: str, hint: str) -> None:
        """What is no URL of HTTP is refused, with what was meant; a password is never shown."""
        with pytest.raises(Misconfigured) as raised:
            public_url(read(file, APP), url)

        assert str(raised.value) == f"--url: expected http://HOST:PORT or https://HOST:PORT{hint}"


class TestApp:
    """An app of the file."""

    def test_found(self, file: Path) -> None:
        """The only one need not be named."""
        assert app_of(read(file, APP), None).id == "1"
        assert app_of(read(file, APP, OTHER), "2").id == "2"

    @pytest.mark.parametrize(
        "app_id,said",
        [(None, "--app must be one of 1, 2"), ("9", "there is no app '9'; --app must be one of")],
    )
    def test_refused(self, file: Path, app_id: str | None, said: str) -> None:
        """Several must be told apart, and the ids that there are named."""
        with pytest.raises(Misconfigured, match=said):
            app_of(read(file, APP, OTHER), app_id)


class TestTrouble:
    """A database that cannot be used is named by its settings."""

    @pytest.mark.parametrize(
        "cause,why",
        [
            (ConnectionError('database "x" does not exist'), 'database "x" does not exist'),
            (TimeoutError(), "no answer in time; is that a PostgreSQL?"),
            (TimeoutError("too slow"), "too slow"),
        ],
    )
    def test_words(self, cause: Exception, why: str) -> None:
        """With the reason that it gave, or none; never with its password."""
        url = Url("postgresql://u:hush@host/x")
        error = Unavailable("postgres")
        error.__cause__ = cause

        assert trouble(["apps", "memberships"], url, error) == (
            f"backends.apps, backends.memberships: postgresql://host cannot be used: {why}"
        )
