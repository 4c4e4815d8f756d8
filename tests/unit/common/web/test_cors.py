"""How pages of other origins are let in."""

import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.web.cors import permission, permission_with_cookie, preflight

OPEN = App(id="1", key="open", secrets=(Secret("s"),))
SITE = "https://www.example.org"
CLOSED = App(id="2", key="closed", secrets=(Secret("s"),), allowed_origins=(SITE,))


def with_origins(*origins: str) -> App:
    return App(id="3", key="3", secrets=(Secret("s"),), allowed_origins=origins)


class TestPermission:
    """Whose pages may read an answer."""

    def test_no_browser(self) -> None:
        assert permission({}, [OPEN]) == {}

    def test_any_origin(self) -> None:
        """An app without a list lets in every page."""
        assert permission({"Origin": "https://a.b"}, [OPEN]) == {"Access-Control-Allow-Origin": "*"}

    def test_listed(self) -> None:
        """A page of the list is named, and a cache is told that the answer is for it alone."""
        assert permission({"Origin": SITE}, [CLOSED]) == {
            "Access-Control-Allow-Origin": SITE,
            "Vary": "Origin",
        }

    @pytest.mark.parametrize(
        "origin",
        [SITE + ".evil.net", "http://www.example.org", SITE + ":8443", "null", SITE.upper()],
    )
    def test_unlisted(self, origin: str) -> None:
        """Only exactly what the list says is let in."""
        assert permission({"Origin": origin}, [CLOSED]) == {"Vary": "Origin"}

    def test_below(self) -> None:
        """A pattern lets in the pages of all hosts below one, and each is named itself."""
        below = App(
            id="3", key="below", secrets=(Secret("s"),), allowed_origins=("https://*.example.org",)
        )

        assert permission({"Origin": SITE}, [below]) == {
            "Access-Control-Allow-Origin": SITE,
            "Vary": "Origin",
        }
        assert permission({"Origin": "https://example.org"}, [below]) == {"Vary": "Origin"}

    def test_several_apps(self) -> None:
        """Where the app is not known yet, one that allows the page is enough."""
        assert permission({"Origin": "https://a.b"}, [CLOSED, OPEN]) == {
            "Access-Control-Allow-Origin": "*"
        }

    def test_no_app(self) -> None:
        assert permission({"Origin": SITE}, []) == {"Vary": "Origin"}

    def test_never_credentials(self) -> None:
        """Cookies are not asked for: there is nothing that another page could ride on."""
        for app in (OPEN, CLOSED):
            assert "Access-Control-Allow-Credentials" not in permission({"Origin": SITE}, [app])


class TestPreflight:
    """What a page may send."""

    def test_asked(self) -> None:
        """Pages add headers of their own."""
        answer = preflight({"Access-Control-Request-Headers": "authorization,x-tenant"})

        assert answer["Access-Control-Allow-Headers"] == "authorization,x-tenant"
        assert answer["Access-Control-Allow-Methods"] == "POST"

    def test_method(self) -> None:
        assert preflight({}, method="GET")["Access-Control-Allow-Methods"] == "GET"

    def test_usual(self) -> None:
        """What pusher-js and Echo send (docs/protocol.md, "Client-side auth endpoints")."""
        usual = preflight({})["Access-Control-Allow-Headers"].split(", ")

        assert {"Authorization", "Content-Type", "X-CSRF-TOKEN", "X-Socket-Id"} < set(usual)


class TestWithCookie:
    """Fetch, "CORS protocol and credentials": never together with *, and for named origins alone."""

    @pytest.mark.parametrize("listed", [(SITE,), ("https://*.example.org",), ("*", SITE)])
    def test_named(self, listed: tuple[str, ...]) -> None:
        headers = permission_with_cookie({"Origin": SITE}, [with_origins(*listed)])

        assert headers == {
            "Access-Control-Allow-Origin": SITE,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }

    @pytest.mark.parametrize("listed", [(), ("*",), ("null",), ("file://",), ("https://*.org",)])
    @pytest.mark.parametrize("origin", [SITE, "null", "file://", "*", ""])
    def test_not_named(self, listed: tuple[str, ...], origin: str) -> None:
        """Who is not named may read what it may read without a cookie."""
        app, headers = with_origins(*listed), {"Origin": origin}

        assert permission_with_cookie(headers, [app]) == permission(headers, [app])
        assert "Access-Control-Allow-Credentials" not in permission_with_cookie(headers, [app])

    def test_no_browser(self) -> None:
        assert permission_with_cookie({}, [with_origins(SITE)]) == {}
