"""``fanfare check``: what stops a start, and what becomes of what backends say."""

import argparse
import json
import shutil
from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka.inspection import KafkaCluster
from services.cli.checking import check
from services.cli.checking.backends import Backend, Reply
from services.settings import SERVICES, Settings
from tests.support.servers import Certificates
from tests.unit.test_settings import APP, OTHER, POSTGRES, ROUTE, read

ISSUER = '[[auth.issuers]]\nissuer = "i"\naudience = "a"\nalgorithms = ["RS256"]\n'
KAFKA = Backend(("events",), Url("kafka://k:9092"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def execute(settings: Settings, *, offline: bool = True, as_json: bool = False) -> int:
    arguments = argparse.Namespace(services=[], offline=offline, json=as_json)
    return check.execute(arguments, settings)


def server(certificate: Path, key: Path) -> tuple[str, ...]:
    return ("[server]", f'certificate = "{certificate}"', f'certificate_key = "{key}"')


class TestCertificate:
    """The certificate is loaded as at the start."""

    def test_good(self, file: Path, certificates: Certificates) -> None:
        """One that fits is good."""
        assert execute(read(file, APP, *server(certificates.certificate, certificates.key))) == 0

    def test_absent(self, file: Path) -> None:
        """One that is not there is named."""
        with pytest.raises(Misconfigured, match=r"^server.certificate: cannot read /nowhere.crt: "):
            execute(read(file, APP, *server(Path("/nowhere.crt"), Path("/nowhere.key"))))

    def test_another_key(self, file: Path, certificates: Certificates, tmp_path: Path) -> None:
        """One that its key does not fit is named, with both files."""
        key = Certificates.issue(tmp_path).key
        shutil.copy(key, tmp_path / "other.key")

        with pytest.raises(
            Misconfigured, match=r"^server.certificate_key: .*other.key does not fit"
        ):
            execute(read(file, APP, *server(certificates.certificate, tmp_path / "other.key")))


class TestRoutes:
    """Routes are compiled as at the start."""

    NEVER = ROUTE + 'data = { at = "timestamp(time)" }'
    SAID = r"^route 'r', data.at: it fails on any event: timestamp\(\) does not take a number; "

    def test_of_the_file(self, file: Path) -> None:
        """What can be sent of no event is refused."""
        with pytest.raises(Misconfigured, match=self.SAID):
            execute(read(file, APP, self.NEVER))

    def test_of_a_database(self, file: Path) -> None:
        """So it is where apps are in a database, which is not asked."""
        with pytest.raises(Misconfigured, match=self.SAID):
            execute(read(file, POSTGRES, self.NEVER, 'app = "9"'))


class TestIssuers:
    """Keys that are in the file are tried; those that an issuer publishes are not asked for."""

    def test_published(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        jwks = 'jwks = "https://id.example.invalid/keys"'

        assert execute(read(file, APP, ISSUER, jwks)) == 0
        assert "the settings are good" in capsys.readouterr().out

    def test_unusable(self, file: Path) -> None:
        with pytest.raises(Misconfigured, match=r'issuer "i".*RS256'):
            execute(read(file, APP, ISSUER, 'key = "PEM"'))


class TestTopics:
    """The topics that routes and settings name are looked for in Kafka."""

    def missing(self, settings: Settings) -> list[str]:
        reply = Reply(backend=KAFKA, said=KafkaCluster(1, {}, makes_topics=False))
        report = check.judged(settings, SERVICES, [reply], offline=False)
        return [text.removeprefix(f"{KAFKA}: ") for text in report.errors]

    def test_of_an_app(self, file: Path) -> None:
        """A route that names none reads the one of its app; letters of it have theirs."""
        assert [text.partition(",")[0] for text in self.missing(read(file, APP, ROUTE))] == [
            "there is no topic fanfare.dead-letters",
            "there is no topic fanfare.events.1",
        ]

    def test_of_settings(self, file: Path) -> None:
        settings = read(
            file,
            APP,
            ROUTE + 'topic = "orders"',
            '[presence]\nlifecycle_topic = "facts"',
            '[auth.memberships]\ntopic = "teams"',
        )

        found = {text.partition(",")[0].rpartition(" ")[2] for text in self.missing(settings)}

        assert found == {"orders", "fanfare.dead-letters", "facts", "teams"}

    def test_of_services(self, file: Path) -> None:
        """Of services that run elsewhere nothing is looked for here."""
        settings = read(file, APP, ROUTE, '[auth.memberships]\ntopic = "teams"')

        assert check.topics_read(settings, ["gateway", "presence"]) == set()
        assert check.topics_read(settings, ["auth"]) == {"teams"}
        assert check.topics_read(settings, ["dispatcher"]) == {"fanfare.events.1"}
        assert check.topics_written(settings, ["auth", "gateway"]) == set()

    def test_none(self, file: Path) -> None:
        """Where nothing reads events no topic is needed."""
        assert self.missing(read(file, APP)) == []


class TestStoredApps:
    """Apps that were read in a database count as those of a file do."""

    def test_known(self, file: Path) -> None:
        stored = read(file, APP, OTHER).apps
        settings = read(
            file, POSTGRES, ROUTE + 'app = "1"', ROUTE.replace('"r"', '"s"') + 'app = "9"'
        )
        place = Backend(("apps",), settings.backends.apps)

        report = check.judged(
            settings, SERVICES, [Reply(backend=place, apps=stored)], offline=False
        )

        assert report.apps == 2
        assert [remark.text for remark in report.own] == [
            "routes wait for apps that are not there: 9"
        ]

    def test_none(self, file: Path) -> None:
        """Where there are none all rules wait."""
        settings = read(
            file,
            POSTGRES,
            ROUTE + 'app = "1"',
            '[[channels]]\npattern = "private-a"\nallow = "true"\napp = "2"',
        )
        place = Backend(("apps",), settings.backends.apps)

        report = check.judged(settings, SERVICES, [Reply(backend=place, apps=())], offline=False)

        assert [remark.text for remark in report.own] == [
            "there are no apps, so that nobody can connect: fanfare apps add makes one",
            "routes wait for apps that are not there: 1",
            "policies wait for apps that are not there: 2",
        ]

    def test_unknown(self, file: Path) -> None:
        """Where they could not be read nothing is said of them."""
        settings = read(file, POSTGRES, ROUTE + 'app = "1"')
        place = Backend(("apps",), settings.backends.apps)

        report = check.judged(
            settings, SERVICES, [Reply(backend=place, trouble="cannot be used: x")], offline=False
        )

        assert report.apps is None
        assert report.own == ()
        assert report.errors == [f"{place}: cannot be used: x"]


class TestJson:
    """For programs all is one object."""

    def test_good(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert execute(read(file, APP), as_json=True) == 0

        assert json.loads(capsys.readouterr().out) == {
            "ok": True,
            "apps": 1,
            "policies": 0,
            "routes": 0,
            "backends": [],
            "errors": [],
            "warnings": [],
        }

    def test_refused(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A rule that cannot work is in it, too; nothing is asked then."""
        settings = read(file, APP, ROUTE + 'data = { at = "timestamp(time)" }')

        assert execute(settings, as_json=True, offline=False) == 2

        found = json.loads(capsys.readouterr().out)
        assert (found["ok"], found["backends"]) == (False, [])
        assert found["errors"][0].startswith("route 'r', data.at: it fails on any event")

    def test_doubtful(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Doubts are in it, too, and nowhere else."""
        assert execute(read(file, APP, "tls_only = true"), as_json=True) == 0

        shown = capsys.readouterr()
        assert shown.err == ""
        (said,) = json.loads(shown.out)["warnings"]
        assert said.startswith("app 1: tls_only lets nobody connect")


class TestDescriptors:
    """A machine with fewer descriptors than clients need cannot start, and is not asked offline."""

    @pytest.mark.parametrize("offline,status", [(False, 2), (True, 0)])
    def test_too_few(
        self, file: Path, capsys: pytest.CaptureFixture[str], *, offline: bool, status: int
    ) -> None:
        settings = read(file, APP, "[gateway]\nmax_connections = 999_999_999_999")

        assert execute(settings, offline=offline) == status

        said = capsys.readouterr().err
        assert ("gateway.max_connections is 999999999999" in said) is not offline
