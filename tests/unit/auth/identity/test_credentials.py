"""What a request brings to show who is calling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.auth.identity.bearer_tokens import MAX_TOKEN, BadToken, MissingToken
from services.auth.identity.credentials import Credential, ForeignOrigin, credential

SITE = "https://www.example.org"


def app(*origins: str) -> App:
    return App(id="1", key="k", secrets=(Secret("s"),), allowed_origins=origins)


class TestHeader:
    """RFC 6750, 2.1."""

    @pytest.mark.parametrize("token", ["a.b.c", "12|Xy9_-", "~+/=="])
    def test_token(self, token: str) -> None:
        """A token of any form is taken: JWTs, and those of Laravel Sanctum."""
        found = credential({"Authorization": f"Bearer {token}"}, {}, cookie="")

        assert found == Credential(token)

    @pytest.mark.parametrize("token", ["a b", "é", "\udcff", "a\tb", "a\x7f"])
    def test_malformed(self, token: str) -> None:
        """What could not be passed on in a header is no token."""
        with pytest.raises(BadToken, match="malformed"):
            credential({"Authorization": f"Bearer {token}"}, {}, cookie="")

    def test_too_long(self) -> None:
        with pytest.raises(BadToken, match="longer"):
            credential({"Authorization": "Bearer " + "x" * (MAX_TOKEN + 1)}, {}, cookie="")

    def test_wins(self) -> None:
        """A header counts before a cookie, and where it holds no token the cookie does not stand in."""
        found = credential({"Authorization": "Bearer h"}, {"sid": "c"}, cookie="sid")

        assert found == Credential("h")
        with pytest.raises(MissingToken):
            credential({"Authorization": "Basic eDp5"}, {"sid": "c"}, cookie="sid")


class TestCookie:
    """A cookie stands for a token where the settings say so."""

    def test_taken(self) -> None:
        found = credential({"Origin": SITE}, {"sid": "c%3D"}, cookie="sid")

        assert found == Credential("c%3D", "sid", SITE)

    @pytest.mark.parametrize("cookie", ["", "other"])
    def test_not_asked_for(self, cookie: str) -> None:
        with pytest.raises(MissingToken):
            credential({"Origin": SITE}, {"sid": "c"}, cookie=cookie)

    def test_empty(self) -> None:
        with pytest.raises(MissingToken):
            credential({"Origin": SITE}, {"sid": ""}, cookie="sid")

    @pytest.mark.parametrize("value", ["a;b", "a,b", 'a"b', "a b", "a\\b", "é", "a\r\nb"])
    def test_malformed(self, value: str) -> None:
        """What could not be passed on in a cookie is no token."""
        with pytest.raises(BadToken):
            credential({"Origin": SITE}, {"sid": value}, cookie="sid")

    @given(st.text(), st.text())
    def test_any(self, value: str, origin: str) -> None:
        """What is taken can be passed on: no line ends, no second cookie."""
        try:
            found = credential({"Origin": origin}, {"sid": value}, cookie="sid")
        except (BadToken, MissingToken):
            return

        assert not set(found.token) & set("\r\n; ,\0")


class TestOrigin:
    """A cookie counts only from pages that the app lists."""

    @pytest.mark.parametrize("listed", [SITE, "https://*.example.org"])
    def test_listed(self, listed: str) -> None:
        Credential("c", "sid", SITE).check_origin(app(listed))

    @pytest.mark.parametrize(
        "origin", ["", "null", "https://evil.net", "http://www.example.org", f"{SITE}.evil.net"]
    )
    def test_foreign(self, origin: str) -> None:
        with pytest.raises(ForeignOrigin):
            Credential("c", "sid", origin).check_origin(app(SITE))

    @pytest.mark.parametrize("origin", ["", SITE])
    def test_no_list(self, origin: str) -> None:
        """An app that lists no origins allows all pages, and no cookies."""
        with pytest.raises(ForeignOrigin):
            Credential("c", "sid", origin).check_origin(app())

    def test_bearer(self) -> None:
        """A header does not come by itself: its page does not matter here."""
        Credential("c").check_origin(app(SITE))


class TestDigest:
    """What tells credentials apart in a cache."""

    def test_different(self) -> None:
        """The same text as a cookie, of another page or as a header is another credential."""
        ways = [
            Credential("c"),
            Credential("d"),
            Credential("c", "sid", SITE),
            Credential("c", "sid", "https://a.example.org"),
            Credential("c", "sid2", SITE),
        ]

        assert len({way.digest for way in ways}) == len(ways)

    def test_not_shown(self) -> None:
        assert "hush" not in repr(Credential("hush")) + str(Credential("hush").digest)
