"""What auth's settings refuse by themselves."""

from typing import Any

import msgspec
import pytest

from libs.common.secret import Secret
from services.auth.settings import SHORTEST_SECRET, AuthSettings, ChannelPolicy, Issuer

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

    def test_secret_is_not_shown(self) -> None:
        with pytest.raises(msgspec.ValidationError) as caught:
            read(Issuer, **(GOOD | {"secret": Secret("hush")}))

        assert "hush" not in str(caught.value)


class TestPolicy:
    """A policy says how it decides."""

    def test_undecided(self) -> None:
        with pytest.raises(msgspec.ValidationError, match="allow"):
            read(ChannelPolicy, pattern="private-x")

    def test_no_pattern(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            read(ChannelPolicy, pattern="", allow="true")


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
