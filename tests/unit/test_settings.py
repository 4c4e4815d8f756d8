"""The whole file: what must hold between its sections."""

import re
from pathlib import Path

import pytest

from libs.common.config.address import Address, Url
from libs.common.errors import Misconfigured
from services.settings import SERVICES, Settings, check_services, load

APP = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["a-secret-of-its-own"]\n'
OTHER = '[[apps]]\nid = "2"\nkey = "l"\nsecrets = ["a-secret-of-its-own"]\n'
POLICY = '[[channels]]\npattern = "private-a.{id}"\nallow = "true"\n'
ROUTE = '[[routes]]\nname = "r"\nchannels = ["c"]\nevent = "e"\n'
ISSUER = '[[auth.issuers]]\nissuer = "i"\naudience = "a"\n'
SECRET = f'secret = "{"s" * 32}"\n'
POSTGRES = '[backends]\napps = "postgresql://u:hush@host/db"\n'
REDIS = "redis://:hush@host"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def read(file: Path, *parts: str, **environ: str) -> Settings:
    """Load a file, and variables without their prefix."""
    file.write_text("\n".join(parts))
    return load(path=file, environ={f"FANFARE_{name}": text for name, text in environ.items()})


def problems(file: Path, *parts: str, **environ: str) -> list[str]:
    """Load what cannot work, and return what is said."""
    with pytest.raises(Misconfigured) as raised:
        read(file, *parts, **environ)
    assert "hush" not in str(raised.value)
    return str(raised.value).splitlines()


class TestApps:
    """Apps come from the file or from PostgreSQL, never from both."""

    def test_of_the_file(self, file: Path) -> None:
        """One app in the file is all that is needed."""
        settings = read(file, APP)

        assert [app.key for app in settings.apps] == ["k"]

    def test_origins(self, file: Path) -> None:
        """An origin that no page has is refused, with the app's place in the file."""
        (said,) = problems(file, APP, 'allowed_origins = ["plain.org"]')

        assert said.startswith(f"{file}: apps[0]: app 1: allowed_origins: expected *, null, or")
        assert said.endswith('; found "plain.org"')

    def test_of_postgres(self, file: Path) -> None:
        """Apps in PostgreSQL need none in the file."""
        assert read(file, POSTGRES).apps == ()

    def test_none(self, file: Path) -> None:
        """Without apps it says what to do."""
        (said,) = problems(file, "")

        assert said.startswith("there are no apps: add [[apps]] to the configuration, ")

    def test_no_file(self, file: Path) -> None:
        """Where that is so because no file was named, it says that."""
        with pytest.raises(Misconfigured) as raised:
            load(path=None, environ={})

        assert str(raised.value) == (
            "no configuration was named (--config, FANFARE_CONFIG), so there are no apps: "
            "try the example with --config deploy/dev.toml"
        )
        file.write_text("")
        with pytest.raises(Misconfigured, match=r"^there are no apps"):
            load(path=None, environ={"FANFARE_CONFIG": str(file)})

    def test_both(self, file: Path) -> None:
        """Apps in both places are refused."""
        assert problems(file, APP, POSTGRES) == [
            "apps come from the file or from PostgreSQL: remove [[apps]] or backends.apps"
        ]

    def test_twice(self, file: Path) -> None:
        """Two apps with the same id or key are refused."""
        assert problems(file, APP, APP) == ["apps: two apps have the same id"]
        assert problems(file, APP, OTHER.replace('"l"', '"k"')) == [
            "apps: two apps have the same key"
        ]


class TestRules:
    """Routes and policies name their app, or there is only one."""

    def test_only_one(self, file: Path) -> None:
        """Where only one app exists it is implied, and filled in."""
        settings = read(file, APP, POLICY, ROUTE)

        assert [rule.app for rule in settings.channels] == ["1"]
        assert [rule.app for rule in settings.routes] == ["1"]

    def test_named(self, file: Path) -> None:
        """Where there are several each rule names its own."""
        settings = read(file, APP, OTHER, POLICY, 'app = "2"', ROUTE, 'app = "1"')

        assert [rule.app for rule in settings.channels] == ["2"]
        assert [rule.app for rule in settings.routes] == ["1"]

    @pytest.mark.parametrize("apps", [APP + OTHER, POSTGRES], ids=["several", "postgres"])
    def test_not_named(self, file: Path, apps: str) -> None:
        """Where there are several, or PostgreSQL has them, a rule without an app is refused."""
        policy, route = problems(file, apps, POLICY, ROUTE)

        assert policy.startswith('the policy for "private-a.{id}" must name its app')
        assert route.startswith('the route "r" must name its app')

    def test_unknown(self, file: Path) -> None:
        """A rule or an issuer that names an app which does not exist is refused."""
        rules = (POLICY, 'app = "8"', ROUTE, 'app = "9"', ISSUER, SECRET, 'app = "7"')

        assert problems(file, APP, *rules) == [
            "the policy for \"private-a.{id}\" names the app '8', which does not exist",
            "the route \"r\" names the app '9', which does not exist",
            "issuer \"i\" names the app '7', which does not exist",
        ]

    def test_introspection(self, file: Path) -> None:
        """Whom to ask is named for an app; the only one need not be."""
        asked = '[[auth.introspection]]\nurl = "https://id.example.org/x"\n'

        (rule,) = read(file, APP, asked).auth.introspection
        (unknown,) = problems(file, APP, asked, 'app = "7"')
        (unnamed,) = problems(file, APP, OTHER, asked)

        assert rule.app == "1"
        assert unknown.endswith("names the app '7', which does not exist")
        assert unnamed.startswith("auth.introspection with https://id.example.org/x must name")

    def test_of_postgres(self, file: Path) -> None:
        """Which apps PostgreSQL has is not known yet, so any may be named."""
        settings = read(file, POSTGRES, POLICY, 'app = "8"')

        assert settings.channels[0].app == "8"

    def test_same_name(self, file: Path) -> None:
        """Two routes with the same name could not be told apart."""
        assert problems(file, APP, ROUTE, ROUTE) == ['two routes have the name "r"']


class TestTimers:
    """What must hold between the timers of two services."""

    def test_grace_of_leases(self, file: Path) -> None:
        """A gateway that lives must have renewed its lease before a sweeper takes it for dead."""
        (problem,) = problems(file, APP, PRESENCE_LEASE_GRACE="4")

        assert problem.startswith("presence.lease_grace (4) must be longer")
        assert read(file, APP, PRESENCE_LEASE_GRACE="4.1").presence.lease_grace == 4.1


class TestBackends:
    """URLs are checked before anything connects."""

    def test_left_out(self, file: Path) -> None:
        """Sessions and control are where the roster is, sightings where memberships are."""
        urls = f'[backends]\nbus = "{REDIS}"\nroster = "{REDIS}"\nmemberships = "postgresql://m"\n'

        backends = read(file, urls, APP).backends

        assert backends.sessions == backends.control == Url(REDIS)
        assert backends.sightings == Url("postgresql://m")

    def test_named(self, file: Path) -> None:
        """Where they are named they are there."""
        urls = '[backends]\nsessions = "redis://s"\ncontrol = "redis://c"\nsightings = "postgresql://t"\n'

        backends = read(file, urls, APP).backends

        assert (backends.sessions, backends.control) == (Url("redis://s"), Url("redis://c"))
        assert backends.sightings == Url("postgresql://t")

    @pytest.mark.parametrize(
        "backend,url,said",
        [
            ("control", "http://u:hush@h", "one of memory://, redis://, rediss://, redis+sentinel"),
            ("control", "hush", "rediss+cluster://; write redis://HOST:6379/0"),
            ("events", "hush:9092", "kafka://, or none; write kafka://HOST:9092"),
            ("apps", "hush/db", "; write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
            ("memberships", "hush", "backends.memberships: expected a URL that begins with one of"),
            ("control", "redis://:hush@h:x", "port"),
            ("events", "redis://:hush@h", "one of memory://, kafka://, or none; found redis://h"),
            ("events", "kafka://u:hush@h", "sasl_username"),
            ("memberships", "kafka://h", "one of memory://, postgresql://, postgres://"),
            ("memberships", "postgresql://u:hush@h/d?sslmode=x", "sslmode is one of"),
        ],
    )
    def test_refused(self, file: Path, backend: str, url: str, said: str) -> None:
        """A URL that its backend does not know is named, without its password."""
        message = problems(file, f'[backends]\n{backend} = "{url}"', APP)[0]

        assert message.startswith(f"backends.{backend}: ")
        assert said in message

    def test_told_once(self, file: Path) -> None:
        """What takes the URL of another has its trouble, too, and says nothing of it."""
        urls = '[backends]\nbus = "redis://h/x"\nroster = "redis://h/x"\nmemberships = "m"\n'

        assert [said.partition(":")[0] for said in problems(file, urls, APP)] == [
            "backends.bus",
            "backends.roster",
            "backends.memberships",
        ]

    @pytest.mark.parametrize(
        "bus,roster,wanted",
        [
            (REDIS, "memory://", "ROSTER=redis"),
            ("memory://", REDIS, "BUS=redis"),
            (REDIS, "redis://elsewhere", "ROSTER=redis"),
            ("redis+cluster://host", REDIS, "ROSTER=redis+cluster"),
        ],
    )
    def test_roster_elsewhere(self, file: Path, bus: str, roster: str, wanted: str) -> None:
        """The roster announces on the bus in one step; what to set instead is said."""
        urls = f'[backends]\nbus = "{bus}"\nroster = "{roster}"\n'
        (said,) = problems(file, urls, APP)

        assert said.startswith("backends.roster must be on the same servers as backends.bus, and")
        assert f"is on {Url(roster)}: set backends." in said
        assert said.endswith(f"to the same URL (FANFARE_BACKENDS_{wanted}://…)")

    def test_roster_with_another_user(self, file: Path) -> None:
        """The same servers under another user are the same servers."""
        urls = '[backends]\nbus = "redis://a:b@host"\nroster = "redis://c:d@host:6379/0"\n'

        assert read(file, urls, APP).backends.roster.scheme == "redis"

    def test_all_at_once(self, file: Path) -> None:
        """Problems of several kinds are said together."""
        urls = '[backends]\nevents = "x://y"\n'

        assert len(problems(file, urls, APP, APP, ROUTE, 'app = "9"', SERVER_LISTEN="[::]:1")) == 3


class TestServices:
    """A subset of the services needs servers where it meets the others."""

    REAL = f"""
    [backends]
    bus = "{REDIS}"
    roster = "{REDIS}"
    events = "kafka://host"
    """

    def test_all(self, file: Path) -> None:
        """All four in one process may keep everything in memory."""
        check_services(read(file, APP), SERVICES)

    @pytest.mark.parametrize(
        "names,lacking",
        [
            (["gateway"], ["bus", "roster", "control"]),
            (["auth"], ["control"]),
            (["dispatcher"], ["bus", "events", "roster", "control"]),
            (["presence"], ["bus", "roster", "control"]),
            (["gateway", "dispatcher", "presence"], ["bus", "roster", "control", "events"]),
        ],
    )
    def test_in_memory(self, file: Path, names: list[str], lacking: list[str]) -> None:
        """A subset in memory is refused, with the names of the backends."""
        with pytest.raises(Misconfigured) as raised:
            check_services(read(file, APP), names)

        named = re.findall(r"backends\.(\w+)", str(raised.value))
        assert list(dict.fromkeys(named)) == lacking
        assert all(name in str(raised.value) for name in names)

    @pytest.mark.parametrize("name", SERVICES)
    def test_on_servers(self, file: Path, name: str) -> None:
        """On real servers each may run alone, with the apps of the file."""
        check_services(read(file, APP, self.REAL), [name])

    def test_one_of_them_in_memory(self, file: Path) -> None:
        """Only what is lacking is named."""
        settings = read(file, APP, self.REAL, BACKENDS_EVENTS="memory://")

        check_services(settings, ["gateway"])
        with pytest.raises(Misconfigured, match=r"name real servers in backends\.events, or"):
            check_services(settings, ["dispatcher"])

    def test_unknown(self, file: Path) -> None:
        """A service that does not exist is named."""
        with pytest.raises(Misconfigured, match="no service 'gatway'"):
            check_services(read(file, APP), [*SERVICES, "gatway"])


class TestDevelopmentSecrets:
    """With secrets that everybody knows it listens on loopback alone."""

    APP_SECRET = APP.replace("a-secret-of-its-own", "app-secret")
    MASTER_KEY = APP + 'encryption_master_key = "nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="\n'
    CLIENT = APP + (
        '[[auth.introspection]]\nurl = "https://id.example.org/x"\n'
        'client_id = "c"\nclient_secret = "app-secret"\n'
    )
    JWT = APP + ISSUER + 'secret = "fanfare-development-secret-0123456789"\n'

    @pytest.mark.parametrize(
        "toml,place",
        [
            (APP_SECRET, "a secret of app 1"),
            (APP.replace('["', '["another", "app-secret", "'), "a secret of app 1"),
            (MASTER_KEY, "the encryption_master_key of app 1"),
            (JWT, 'the secret of issuer "i"'),
            (CLIENT, "the client_secret of auth.introspection with https://id.example.org/x"),
        ],
    )
    @pytest.mark.parametrize("name", ["listen", "internal_listen"])
    def test_elsewhere(self, file: Path, toml: str, place: str, name: str) -> None:
        """Listening elsewhere is refused, and the secret's place is said."""
        for address in ("0.0.0.0:1", "[::]:1", "10.1.2.3:1", "fanfare.example:1"):
            (message,) = problems(file, f'[server]\n{name} = "{address}"', toml)

            assert message.startswith(f"{place} is the development secret")
            assert f"server.{name} ({address}) must be a loopback address" in message

    @pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1"])
    def test_on_loopback(self, file: Path, address: str) -> None:
        """On loopback they are good for a first try."""
        settings = read(file, f'[server]\nlisten = "{address}"', self.MASTER_KEY)

        assert settings.server.listen == (Address.parse(address),)

    def test_secrets_of_ones_own(self, file: Path) -> None:
        """With other secrets it listens where it is told."""
        settings = read(file, '[server]\nlisten = "0.0.0.0:80"', APP, ISSUER, SECRET)

        assert settings.server.listen == (Address("0.0.0.0", 80),)

    def test_one_of_several(self, file: Path) -> None:
        """Of several addresses those that others reach are named."""
        (message,) = problems(file, '[server]\nlisten = ["127.0.0.1:1", "*:2"]', self.APP_SECRET)

        assert "with it server.listen (*:2) must be a loopback address" in message


class TestSections:
    """What a section objects to by itself."""

    @pytest.mark.parametrize(
        "toml,said",
        [
            (
                '[server]\ncertificate = "a"',
                "server: certificate and certificate_key need each other",
            ),
            (
                '[server]\ncertificate_key = "a"',
                "server: certificate and certificate_key need each other",
            ),
            (
                '[server]\nlisten = ["127.0.0.1:1", "*:9601"]',
                "server: *:9601 and 127.0.0.1:9601 (listen, internal_listen) cannot both be",
            ),
            ("[gateway]\nlease_ttl = 5\nlease_renew = 3", "gateway: lease_renew is at most half"),
            ("[gateway]\nmax_waiting = 0", "gateway.max_waiting: expected a whole number of"),
            ('[auth]\nprefixes = ["api"]', 'auth: the prefix "api" must be'),
            ('[auth]\nprefixes = ["/api/"]', 'auth: the prefix "/api/" must be'),
            (
                ROUTE.replace('"c"', '"c",' * 101),
                "expected a list of 1 to 100, found a list of 101",
            ),
            ('[backends]\nprefix = "a{b}"', "backends.prefix: expected a text that matches"),
            ("[backends]\npartitions = 0", "backends.partitions: expected a whole number from 1"),
            ("[presence]\nsweep_interval = 0", "presence.sweep_interval: expected a number"),
            ('[[channels]]\npattern = "a"', "needs allow or member_of"),
            (ISSUER, 'issuer "i" needs a secret of 32 bytes or more'),
            (ISSUER + 'secret = "hush"', 'issuer "i" needs a secret of 32 bytes or more'),
            (ISSUER + SECRET + 'key = "PEM"', 'issuer "i" needs a secret of 32 bytes'),
            (ISSUER + SECRET + 'algorithms = ["HS256", "RS256"]', 'issuer "i" mixes'),
            (ISSUER + SECRET + 'algorithms = ["RS256"]', 'issuer "i" needs key'),
            (ISSUER + SECRET + 'algorithms = ["none"]', "expected one of HS256"),
            (ISSUER + SECRET + "algorithms = []", "expected a list that is not empty"),
            (ISSUER + SECRET + ISSUER + SECRET, "auth: two issuers have the same name"),
        ],
    )
    def test_refused(self, file: Path, toml: str, said: str) -> None:
        """Settings that cannot work are named."""
        (message,) = problems(file, toml, APP)

        assert said in message

    def test_public_key(self, file: Path) -> None:
        """An issuer with a public key is verified with it."""
        settings = read(file, APP, ISSUER, 'key = "PEM"\nalgorithms = ["ES256", "RS256"]')

        assert settings.auth.issuers[0].verifying_key == "PEM"
