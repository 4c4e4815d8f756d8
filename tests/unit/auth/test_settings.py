"""What auth's settings refuse by themselves."""

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from libs.common.config.secret import Secret
from libs.common.policies.settings import ChannelPolicy
from services.auth.settings import (
    SHORTEST_SECRET,
    AuthSettings,
    Introspection,
    Issuer,
    MembershipSettings,
    refused_providers,
)

URL = "https://id.example.org/x"
GOOD = {"issuer": "i", "audience": "a", "secret": Secret("s" * SHORTEST_SECRET)}


def read(model: Any, **values: Any) -> Any:
    """Read a section as the loader does."""
    return msgspec.convert(values, model)


class TestIssuer:
    """RFC 8725: pinned algorithms, keys that are long enough, one purpose for each key."""

    def test_defaults(self) -> None:
        issuer = read(Issuer, **GOOD)

        assert issuer.algorithms == ("HS256",)
        assert issuer.user_id == "sub"
        assert issuer.user_info == {}
        assert not issuer.app

    @pytest.mark.parametrize(
        "wrong",
        [
            {"issuer": ""},
            {"audience": ""},
            {"secret": Secret("s" * (SHORTEST_SECRET - 1))},
            {"secret": Secret("")},
            {"algorithms": []},
            {"algorithms": ["none"]},
            {"algorithms": ["HS256", "RS256"]},
            {"algorithms": ["RS256"]},
            {"algorithms": ["RS256"], "key": "PEM"},
            {"key": "PEM"},
            {"user_id": ""},
            {"secrets": ["s"]},
        ],
    )
    def test_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(Issuer, **(GOOD | wrong))

    def test_public_key(self) -> None:
        issuer = read(Issuer, issuer="i", audience="a", algorithms=["RS256", "PS256"], key="PEM")

        assert issuer.key == "PEM"

    def test_published_keys(self) -> None:
        issuer = read(Issuer, issuer="i", audience="a", algorithms=["RS256"], jwks=URL)

        assert issuer.jwks == URL

    @pytest.mark.parametrize(
        "wrong",
        [
            {"key": "PEM"},
            {"secret": GOOD["secret"]},
            {"algorithms": ["HS256"]},
            {"algorithms": ["HS256"], "secret": GOOD["secret"]},
            {"jwks": ""},
        ],
    )
    def test_one_source_of_keys(self, wrong: dict[str, Any]) -> None:
        """A secret, a key or published keys: exactly one; and a secret is never published."""
        values = {"issuer": "i", "audience": "a", "algorithms": ["RS256"], "jwks": URL}

        with pytest.raises(msgspec.ValidationError, match="secret"):
            read(Issuer, **(values | wrong))

    def test_secret_is_not_shown(self) -> None:
        with pytest.raises(msgspec.ValidationError) as caught:
            read(Issuer, **(GOOD | {"secret": Secret("hush")}))

        assert "hush" not in str(caught.value)


class TestIntrospection:
    """Who is asked about other tokens."""

    @pytest.mark.parametrize(
        "values,path",
        [
            ({}, "sub"),
            ({"mode": "introspect"}, "sub"),
            ({"mode": "whoami"}, "id"),
            ({"mode": "whoami", "user_id": "data.id"}, "data.id"),
        ],
    )
    def test_user_path(self, values: dict[str, str], path: str) -> None:
        """The user's id is where RFC 7662 puts it, or where applications usually do."""
        assert read(Introspection, url=URL, **values).user_path == path

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "http://id.example.org/"},
            {"mode": "guess"},
            {"method": "DELETE"},
            {"cache": -1},
            {"cache": 301},
            {"timeout": 0},
            {"max_body": 0},
            {"client_secret": Secret("s")},
            {"mode": "whoami", "client_id": "c"},
        ],
    )
    def test_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(Introspection, **({"url": URL} | wrong))

    def test_one_for_an_app(self) -> None:
        with pytest.raises(msgspec.ValidationError, match="same app"):
            read(AuthSettings, introspection=[{"url": URL, "app": "1"}, {"url": URL, "app": "1"}])


class TestPolicy:
    """A policy says how it decides."""

    def test_undecided(self) -> None:
        with pytest.raises(msgspec.ValidationError, match="allow"):
            read(ChannelPolicy, pattern="private-x")

    def test_no_pattern(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(ChannelPolicy, pattern="", allow="true")


class TestMemberships:
    """How memberships are read."""

    def test_waits(self) -> None:
        """A question may wait as long as a call may take, and longer."""
        assert read(MembershipSettings, timeout=5, max_wait=5).max_wait == 5

        with pytest.raises(msgspec.ValidationError, match="max_wait must not be less than timeout"):
            read(MembershipSettings, timeout=5, max_wait=4.9)


class TestAuth:
    """Where the endpoints stand, and whom they believe."""

    def test_prefixes(self) -> None:
        assert AuthSettings().prefixes == ("", "/api")
        assert read(AuthSettings, prefixes=["/a/b-c.d"]).prefixes == ("/a/b-c.d",)

    @pytest.mark.parametrize(
        "prefixes", [[], ["api"], ["/api/"], ["/"], ["/{app}"], ["/a b"], ["//"], ["/a", "/a"]]
    )
    def test_bad_prefixes(self, prefixes: list[str]) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(AuthSettings, prefixes=prefixes)

    @pytest.mark.parametrize("name", ["max_body", "read_timeout"])
    def test_bounds(self, name: str) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(AuthSettings, **{name: 0})

    def test_two_of_a_name(self) -> None:
        """It is always clear whose a token is."""
        with pytest.raises(msgspec.ValidationError, match="same name"):
            read(AuthSettings, issuers=[GOOD, GOOD])

    @pytest.mark.parametrize("name", ["laravel_session", "__Host-sid", "a.b"])
    def test_cookie(self, name: str) -> None:
        assert read(AuthSettings, cookie=name).cookie == name

    @pytest.mark.parametrize("name", ["a b", "a;b", "a=b", "é", "a\n", '"a"'])
    def test_bad_cookie(self, name: str) -> None:
        """RFC 6265, 4.1.1: a name is a token."""
        with pytest.raises(msgspec.ValidationError, match="cookie"):
            read(AuthSettings, cookie=name)

    def test_ages(self) -> None:
        """Keys are not given up before they are read again."""
        with pytest.raises(msgspec.ValidationError, match="jwks_max_age"):
            read(AuthSettings, jwks_ttl=10, jwks_max_age=9)


class TestAddresses:
    """Where identity servers may be."""

    @pytest.mark.parametrize(
        "url", ["https://10.0.0.5/", "https://8.8.8.8/", "https://[fd00::1]/", "http://[::1]/"]
    )
    def test_usual(self, url: str) -> None:
        """In the deployment's own network, and on this machine where the URL says so."""
        assert not [*refused_providers(asking(url), ())]

    @pytest.mark.parametrize("url", ["https://169.254.169.254/", "https://0.0.0.0/"])
    def test_refused(self, url: str) -> None:
        """Where nobody's identity server is, and a machine's credentials may be."""
        of_keys, of_questions = refused_providers(asking(url), ())

        assert 'the jwks of issuer "i"' in of_keys
        assert "auth.introspection: the url" in of_questions

    def test_allowed(self) -> None:
        """Unless the operator says so."""
        assert not [
            *refused_providers(asking("https://169.254.1.1/"), [ip_network("169.254.1.0/24")])
        ]


def asking(url: str) -> AuthSettings:
    issuer = Issuer(issuer="i", audience="a", algorithms=("RS256",), jwks=url)
    return AuthSettings(issuers=(issuer,), introspection=(Introspection(url=url),))
