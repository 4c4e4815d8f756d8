"""What a request brings to show who is calling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.auth.identity.bearer_tokens import MAX_TOKEN, BadToken, MissingToken
from services.auth.identity.credentials import (
    Credential,
    ForeignOrigin,
    credential,
    origin_of,
)

SITE = "https://www.example.org"


def sent(*cookies: str, **headers: str) -> CIMultiDict[str]:
    """Send headers, ``Cookie`` as often as is said."""
    return CIMultiDict([*(("Cookie", each) for each in cookies), *headers.items()])


def app(*origins: str) -> App:
    return App(id="1", key="k", secrets=(Secret("s"),), allowed_origins=origins)


class TestHeader:
    """RFC 6750, 2.1."""

    @pytest.mark.parametrize("token", ["a.b.c", "12|Xy9_-", "~+/=="])
    def test_token(self, token: str) -> None:
        """A token of any form is taken: JWTs, and those of Laravel Sanctum."""
        found = credential(CIMultiDict({"Authorization": f"Bearer {token}"}), cookie="")

        assert found == Credential(token)

    @pytest.mark.parametrize("token", ["a b", "é", "\udcff", "a\tb", "a\x7f"])
    def test_malformed(self, token: str) -> None:
        """What could not be passed on in a header is no token."""
        with pytest.raises(BadToken, match="malformed"):
            credential(CIMultiDict({"Authorization": f"Bearer {token}"}), cookie="")

    def test_too_long(self) -> None:
        with pytest.raises(BadToken, match="longer"):
            credential(CIMultiDict({"Authorization": "Bearer " + "x" * (MAX_TOKEN + 1)}), cookie="")

    def test_wins(self) -> None:
        """A header counts before a cookie, and where it holds no token the cookie does not stand in."""
        found = credential(sent("sid=c", Authorization="Bearer h"), cookie="sid")

        assert found == Credential("h")
        with pytest.raises(MissingToken):
            credential(sent("sid=c", Authorization="Basic eDp5"), cookie="sid")


class TestCookie:
    """A cookie stands for a token where the settings say so."""

    def test_taken(self) -> None:
        found = credential(sent("sid=c%3D", Origin=SITE), cookie="sid")

        assert found == Credential("c%3D", "sid", SITE)

    @pytest.mark.parametrize("cookie", ["", "other"])
    def test_not_asked_for(self, cookie: str) -> None:
        with pytest.raises(MissingToken):
            credential(sent("sid=c", Origin=SITE), cookie=cookie)

    def test_empty(self) -> None:
        with pytest.raises(MissingToken):
            credential(sent("sid=", Origin=SITE), cookie="sid")

    @pytest.mark.parametrize(
        "cookies", [["theme=dark; sid=c"], ["theme=dark", "sid=c"], ['sid="c"'], ["sid=c;sid=c"]]
    )
    def test_among_others(self, cookies: list[str]) -> None:
        """It is found among others, in whichever header (RFC 9113, 8.2.3), and may be said twice."""
        found = credential(sent(*cookies, Origin=SITE), cookie="sid")

        assert found == Credential("c", "sid", SITE)

    @pytest.mark.parametrize("cookies", [["sid=c; sid=d"], ["sid=c", "sid=d"], ["sid=c; sid="]])
    def test_several(self, cookies: list[str]) -> None:
        """Of several values none counts: a neighbour of the same domain may have set one."""
        with pytest.raises(BadToken, match="several values"):
            credential(sent(*cookies, Origin=SITE), cookie="sid")

    @pytest.mark.parametrize("value", ["a,b", 'a"b', "a b", "a\\b", "é", "a\r\nb"])
    def test_malformed(self, value: str) -> None:
        """What could not be passed on in a cookie is no token."""
        with pytest.raises(BadToken):
            credential(sent(f"sid={value}", Origin=SITE), cookie="sid")

    @given(st.text(), st.text())
    def test_any(self, value: str, origin: str) -> None:
        """What is taken can be passed on: no line ends, no second cookie."""
        try:
            found = credential(sent(f"sid={value}", Origin=origin), cookie="sid")
        except (BadToken, MissingToken):
            return

        assert not set(found.token) & set("\r\n; ,\0")


class TestOrigin:
    """A cookie counts only from pages that the app names."""

    def test_told(self) -> None:
        """An origin that is told twice is not believed, the first as little as the second."""
        assert origin_of(CIMultiDict()) == ""
        assert origin_of(CIMultiDict(Origin=SITE)) == SITE
        assert origin_of(CIMultiDict([("Origin", SITE), ("Origin", "https://evil.net")])) == ""

    @pytest.mark.parametrize("listed", ["*", "null", "file://", "https://*.org"])
    @pytest.mark.parametrize("origin", ["", "null", "file://", "*", SITE])
    def test_anybodys(self, listed: str, origin: str) -> None:
        """What lists everybody names nobody."""
        with pytest.raises(ForeignOrigin):
            Credential("c", "sid", origin).check_origin(app(listed))

    def test_named_among_all(self) -> None:
        """Who is named counts, whoever else may use the app."""
        Credential("c", "sid", SITE).check_origin(app("*", SITE))
        with pytest.raises(ForeignOrigin):
            Credential("c", "sid", "https://evil.net").check_origin(app("*", SITE))

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
