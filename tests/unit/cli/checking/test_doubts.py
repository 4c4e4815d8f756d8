"""What is only doubtful: said, and no reason to stop."""

import argparse
from pathlib import Path

import pytest

from services.cli.checking import check
from services.settings import Settings
from tests.support.servers import Certificates
from tests.unit.cli.checking.test_check import server
from tests.unit.test_settings import APP, OTHER, POSTGRES, read

PROXIES = '[server]\ntrusted_proxies = ["10.0.0.0/8"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def execute(settings: Settings) -> int:
    return check.execute(argparse.Namespace(services=[], offline=True, json=False), settings)


class TestDoubts:
    """What can work, and hardly is what was meant, is said; the exit status stays 0."""

    @pytest.mark.parametrize(
        "parts,said",
        [
            (("tls_only = true",), "app 1: tls_only lets nobody connect"),
            (("[apps.limits]\nconnections_per_tenant = 5",), "no effect without tenant"),
            (("[apps.limits]\npayload_bytes = 1048576",), "limits.payload_bytes (1048576) is not"),
            (
                ("[apps.limits]\nclient_event_bytes = 65537",),
                "limits.client_event_bytes (65537) is not reached, for gateway.max_message",
            ),
            (("[gateway]\nmax_message = 10000",), "limits.client_event_bytes (10240) is not"),
        ],
    )
    def test_said(
        self, file: Path, capsys: pytest.CaptureFixture[str], parts: tuple[str, ...], said: str
    ) -> None:
        """Each has its line among the complaints, and the settings are good."""
        assert execute(read(file, APP, *parts)) == 0

        shown = capsys.readouterr()
        (line,) = shown.err.splitlines()
        assert line.startswith("fanfare: warning: app 1: ")
        assert said in line
        assert shown.out.startswith("the settings are good")

    @pytest.mark.parametrize(
        "parts",
        [
            (),
            ("tls_only = true", PROXIES),
            ('tenant = "company"', "[apps.limits]\nconnections_per_tenant = 5"),
            ("[apps.limits]\nconnections_per_tenant = -1\npayload_bytes = 1000000",),
            ("[apps.limits]\npayload_bytes = 0\nclient_event_bytes = -1",),
        ],
    )
    def test_silent(
        self, file: Path, capsys: pytest.CaptureFixture[str], parts: tuple[str, ...]
    ) -> None:
        """Where nothing is doubtful nothing is said; no limit is none that could be missed."""
        assert execute(read(file, APP, *parts)) == 0

        assert capsys.readouterr().err == ""


class TestSightings:
    """What each process would keep for itself is doubtful where there may be several."""

    REDIS = '[backends]\nbus = "redis://r"\nroster = "redis://r"\n'

    def test_in_memory(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert execute(read(file, APP, self.REDIS)) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert "name a PostgreSQL in backends.sightings" in line

    @pytest.mark.parametrize(
        "more", ['sightings = "postgresql://p"', "[presence]\nkeep_last_seen = 0"]
    )
    def test_silent(self, file: Path, capsys: pytest.CaptureFixture[str], more: str) -> None:
        assert execute(read(file, APP, self.REDIS + more)) == 0

        assert capsys.readouterr().err == ""


class TestShortSecrets:
    """A secret that can be guessed is doubtful where others reach the deployment."""

    SHORT = APP.replace("a-secret-of-its-own", "fifteen-charact")

    @pytest.mark.parametrize("listen", ["0.0.0.0:80", "*:80", "127.0.0.1:80,10.0.0.5:81"])
    def test_reached(self, file: Path, capsys: pytest.CaptureFixture[str], listen: str) -> None:
        """It is said of the app, with the address, and never which secret it is."""
        assert execute(read(file, self.SHORT, PROXIES, SERVER_LISTEN=listen)) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("fanfare: warning: app 1: a secret has fewer than 16 characters")
        assert f"server.listen ({listen.rpartition(',')[2]})" in line
        assert "fifteen" not in line

    def test_any_of_several(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """All verify, so that each of them counts."""
        several = APP.replace('"a-secret', '"short", "a-secret')

        assert execute(read(file, several, PROXIES, SERVER_LISTEN="*:80")) == 0
        assert "a secret has fewer than 16 characters" in capsys.readouterr().err

    @pytest.mark.parametrize("app,listen", [(SHORT, "127.0.0.1:80,[::1]:80"), (APP, "*:80")])
    def test_silent(
        self, file: Path, capsys: pytest.CaptureFixture[str], app: str, listen: str
    ) -> None:
        """On loopback any secret will do for a first try, and elsewhere a long one."""
        assert execute(read(file, app, PROXIES, SERVER_LISTEN=listen)) == 0
        assert capsys.readouterr().err == ""


class TestPlainClients:
    """Clients from elsewhere that nobody's TLS protects are doubtful."""

    @pytest.mark.parametrize("listen", ["*:80", "127.0.0.1:80,10.0.0.5:81"])
    def test_said(self, file: Path, capsys: pytest.CaptureFixture[str], listen: str) -> None:
        assert execute(read(file, APP, SERVER_LISTEN=listen)) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("fanfare: warning: clients from elsewhere speak plain ws://")
        assert f"({listen.rpartition(',')[2]})" in line
        assert "server.trusted_proxies" in line

    def test_loopback(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert execute(read(file, APP, SERVER_LISTEN="127.0.0.1:80,[::1]:80")) == 0
        assert capsys.readouterr().err == ""

    def test_certificate(
        self, file: Path, capsys: pytest.CaptureFixture[str], certificates: Certificates
    ) -> None:
        """With one, clients speak TLS; that this one ends soon is another doubt."""
        parts = server(certificates.certificate, certificates.key)

        assert execute(read(file, APP, *parts, SERVER_LISTEN="*:80")) == 0
        assert "plain ws" not in capsys.readouterr().err


class TestPlainTelemetry:
    """The word that a receiver of metrics knows us by is not for everybody on the way."""

    def telemetry(self, endpoint: str) -> str:
        return f'[telemetry]\notlp_endpoint = "{endpoint}"\notlp_authorization = "Bearer opaque"'

    def test_said(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert execute(read(file, APP, self.telemetry("http://collector:4318/x"))) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert "telemetry.otlp_authorization goes to http://collector:4318 without TLS" in line
        assert "opaque" not in line

    @pytest.mark.parametrize(
        "endpoint", ["https://collector", "http://[::1]:1", "http://127.0.0.2"]
    )
    def test_silent(self, file: Path, capsys: pytest.CaptureFixture[str], endpoint: str) -> None:
        assert execute(read(file, APP, self.telemetry(endpoint))) == 0
        assert capsys.readouterr().err == ""

    def test_nothing_to_keep(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        plain = '[telemetry]\notlp_endpoint = "http://collector:4318"'

        assert execute(read(file, APP, plain)) == 0
        assert capsys.readouterr().err == ""


def policy(pattern: str, *more: str) -> str:
    return "\n".join(["[[channels]]", f'pattern = "{pattern}"', 'allow = "true"', *more])


class TestPolicies:
    """Policies that cannot do what they seem to."""

    @pytest.mark.parametrize(
        "patterns,said",
        [
            (
                ("private-encrypted-{room}",),
                '"private-encrypted-{room}" lets nobody in, for the app has no encryption_master_key',
            ),
            (
                ("private-a.{id}", "private-a.{id}"),
                'for "private-a.{id}" stands before it and fits all its channels',
            ),
            (
                ("private-a.{id}.{b*}", "presence-a", "private-a.{c}.{d*}"),
                '"private-a.{c}.{d*}" never decides, for "private-a.{id}.{b*}" stands before it',
            ),
            (
                ("{any*}", "private-a.{id}"),
                '"private-a.{id}" never decides, for "{any*}" stands before it',
            ),
        ],
    )
    def test_said(
        self,
        file: Path,
        capsys: pytest.CaptureFixture[str],
        patterns: tuple[str, ...],
        said: str,
    ) -> None:
        """Each has a line of its own, and the settings are good."""
        assert execute(read(file, APP, *map(policy, patterns))) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("fanfare: warning: app 1: the policy for ")
        assert said in line

    @pytest.mark.parametrize(
        "patterns",
        [
            ("private-a.{id}", "private-a.{id*}", "private-b.{id}", "{any*}"),
            ("{any}", "private-a.{id}"),
            ("private-{any*}", "private-a"),
        ],
    )
    def test_silent(
        self, file: Path, capsys: pytest.CaptureFixture[str], patterns: tuple[str, ...]
    ) -> None:
        """What is not certain is not said."""
        assert execute(read(file, APP, *map(policy, patterns))) == 0

        assert capsys.readouterr().err == ""

    def test_other_app(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A policy of another app is before none; an app's own key is what counts."""
        key = 'encryption_master_key = "nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="'
        ours = policy("private-encrypted-{room}", 'app = "2"')
        theirs = policy("{any*}", 'app = "1"')

        assert execute(read(file, APP, OTHER, key, theirs, ours)) == 0

        assert capsys.readouterr().err == ""

    def test_apps_elsewhere(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Of apps in PostgreSQL it is not known here which have a key; the order is."""
        ours = policy("private-encrypted-{room}", 'app = "2"')

        assert execute(read(file, POSTGRES, ours)) == 0
        assert capsys.readouterr().err == ""

        assert execute(read(file, POSTGRES, ours, ours)) == 0
        assert "app 2: the policy" in capsys.readouterr().err
