"""The whole file: a cookie, and whose pages may use an app."""

from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from services.cli.checking import check
from services.cli.checking.backends import Backend, Reply
from services.settings import SERVICES
from tests.unit.test_settings import APP, POSTGRES, problems, read

COOKIE = '[auth]\ncookie = "session"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def listed(*origins: str) -> str:
    return f"{APP}allowed_origins = {list(origins)}\n"


class TestCookies:
    """They go with origins that are named, and never with anybody's."""

    @pytest.mark.parametrize("origins", [["*"], ["null"], ["https://a.org", "*"], ["null", "*"]])
    def test_refused(self, file: Path, origins: list[str]) -> None:
        """The app and each such entry is told, with what may be done."""
        said = problems(file, listed(*origins), COOKIE)

        anybodys = [entry for entry in origins if entry in {"*", "null"}]
        assert len(said) == len(anybodys)
        assert said[0].startswith(f'app 1: "{anybodys[0]}" in allowed_origins cannot go with')

    @pytest.mark.parametrize("origins", [[], ["https://a.org"], ["https://*.a.org"]])
    def test_taken(self, file: Path, origins: list[str]) -> None:
        assert read(file, listed(*origins), COOKIE).auth.cookie == "session"

    @pytest.mark.parametrize("origin", ["*", "null"])
    def test_without(self, file: Path, origin: str) -> None:
        """Where no cookie counts an app may be open to all."""
        assert read(file, listed(origin)).apps[0].allowed_origins == (origin,)

    def test_check(self, file: Path) -> None:
        """The command refuses the file; of apps in PostgreSQL it tells what must be mended."""
        with pytest.raises(Misconfigured, match=r"cannot go with auth\.cookie"):
            read(file, listed("*"), COOKIE)
        apps = read(file, listed("*"), "").apps
        settings = read(file, COOKIE, POSTGRES)
        reply = Reply(backend=Backend(("apps",), settings.backends.apps), apps=apps)

        report = check.judged(settings, SERVICES, [reply], offline=False)

        assert [text.partition(" cannot")[0] for text in report.errors] == [
            'app 1: "*" in allowed_origins'
        ]
