"""Bodies of the auth endpoints, and CORS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.auth.bodies import FORM, JSON, MAX_FIELDS, BadBody, UnknownMediaType
from services.auth.broadcasting.cors import permission, preflight
from services.auth.broadcasting.requests import MOST_CHANNELS, Fields, parse

OPEN = App(id="1", key="open", secrets=(Secret("s"),))
SITE = "https://www.example.org"
CLOSED = App(id="2", key="closed", secrets=(Secret("s"),), allowed_origins=(SITE,))


class TestParse:
    """docs/protocol.md, "Client-side auth endpoints"."""

    @pytest.mark.parametrize("media_type", [FORM, ""])
    def test_form(self, media_type: str) -> None:
        """pusher-js posts a form."""
        body = b"socket_id=1.2&channel_name=private-a%3Db.c%40d&extra=1"

        assert parse(body, media_type) == Fields("1.2", "private-a=b.c@d")

    def test_json(self) -> None:
        """Custom authorizers post JSON."""
        body = b'{"socket_id":"1.2","channel_name":"private-x","extra":{"a":[1]}}'

        assert parse(body, JSON) == Fields("1.2", "private-x")

    def test_sign_in(self) -> None:
        """A sign-in names no channel."""
        assert parse(b"socket_id=1.2", FORM) == Fields("1.2", "")

    @pytest.mark.parametrize(
        "body,media_type",
        [
            (b"socket_id=1.2&channel_name[]=private-a&channel_name[]=b&extra[]=1", FORM),
            (b"socket_id=1.2&channel_name%5B%5D=private-a&channel_name%5B%5D=b", FORM),
            (b'{"socket_id":"1.2","channels":["private-a","b"]}', JSON),
        ],
    )
    def test_several(self, body: bytes, media_type: str) -> None:
        """One request may ask for several channels."""
        assert parse(body, media_type) == Fields("1.2", channels=("private-a", "b"))

    def test_most(self) -> None:
        """A form takes as many channels as JSON does."""
        names = [f"private-{number}" for number in range(MOST_CHANNELS)]
        form = "&".join(["socket_id=1.2", *(f"channel_name[]={name}" for name in names)])

        assert parse(form.encode(), FORM).channels == tuple(names)

    def test_not_several(self) -> None:
        """Only JSON has lists by this name."""
        assert parse(b"socket_id=1.2&channels=private-a", FORM) == Fields("1.2")

    @pytest.mark.parametrize(
        "body,media_type",
        [
            (b"", FORM),
            (b"socket_id=1.2&channel_name=a&channel_name[]=b", FORM),
            (b"socket_id=1.2" + b"&channel_name[]=a" * (MOST_CHANNELS + 1), FORM),
            (b'{"socket_id":"1.2","channels":[]}', JSON),
            (b'{"socket_id":"1.2","channels":[1]}', JSON),
            (b'{"socket_id":"1.2","channels":"private-a"}', JSON),
            (b'{"socket_id":"1.2","channel_name":"a","channels":["b"]}', JSON),
            (b'{"socket_id":"1.2","channels":[' + b'"a",' * MOST_CHANNELS + b'"a"]}', JSON),
            (b"channel_name=private-x", FORM),
            (b"socket_id=\xff", FORM),
            (b"&".join([b"a=1"] * (MAX_FIELDS + 1)), FORM),
            (b"", JSON),
            (b"[]", JSON),
            (b"{}", JSON),
            (b'{"socket_id":1.2}', JSON),
            (b'{"socket_id":"1.2","channel_name":["private-x"]}', JSON),
            (b'{"socket_id":"\xff"}', JSON),
            (b'{"a":' + b"[" * 5000, JSON),
            (b"socket_id=1.2", JSON),
        ],
    )
    def test_bad_body(self, body: bytes, media_type: str) -> None:
        with pytest.raises(BadBody):
            parse(body, media_type)

    @pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data", "application/xml"])
    def test_unknown_media_type(self, media_type: str) -> None:
        with pytest.raises(UnknownMediaType):
            parse(b"socket_id=1.2", media_type)

    def test_says_which_field(self) -> None:
        with pytest.raises(BadBody, match="socket_id"):
            parse(b"channel_name=private-x", FORM)

    @given(st.binary(max_size=300), st.sampled_from([FORM, JSON, ""]))
    def test_any_bytes(self, body: bytes, media_type: str) -> None:
        """Whatever is posted is read, or refused as the peer's fault."""
        try:
            fields = parse(body, media_type)
        except BadBody:
            return
        assert isinstance(fields.socket_id, str)


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

    def test_usual(self) -> None:
        """What pusher-js and Echo send (docs/protocol.md, "Client-side auth endpoints")."""
        usual = preflight({})["Access-Control-Allow-Headers"].split(", ")

        assert {"Authorization", "Content-Type", "X-CSRF-TOKEN", "X-Socket-Id"} < set(usual)
