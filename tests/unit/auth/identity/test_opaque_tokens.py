"""What an identity server is asked about an opaque token, and what its answer says."""

import base64
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.secret import Secret
from services.auth.identity.bearer_tokens import LEEWAY, BadToken, Identity
from services.auth.identity.credentials import Credential
from services.auth.identity.opaque_tokens import question, read
from services.auth.identity.provider import ProviderReply, ProviderUnavailable
from services.auth.settings import Introspection

NOW = 1_700_000_000.0
URL = "https://id.example.org/x"
SITE = "https://www.example.org"
SPEC = Introspection(url=URL, app="1", user_info={"name": "profile.name", "mail": "mail"})
WHOAMI = msgspec.structs.replace(SPEC, mode="whoami")


def said(document: Any, spec: Introspection = SPEC, status: int = 200) -> Identity:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read(spec, ProviderReply(status, body), now=NOW)


def active(**claims: Any) -> dict[str, Any]:
    return {"active": True, "sub": "7"} | claims


class TestQuestion:
    """How it is asked."""

    def test_introspect(self) -> None:
        """RFC 7662, 2.1: a form with the token, by POST."""
        asked = question(SPEC, Credential("1|t"))

        assert (asked.method, asked.url, asked.form) == ("POST", URL, {"token": "1|t"})
        assert asked.headers == {}
        assert (asked.timeout, asked.limit) == (SPEC.timeout, SPEC.max_body)

    def test_client(self) -> None:
        """RFC 6749, 2.3.1: name and password are encoded like a form before they are joined."""
        spec = msgspec.structs.replace(SPEC, client_id="a:b", client_secret=Secret("p ä+"))

        kind, _, pair = question(spec, Credential("t")).headers["Authorization"].partition(" ")

        assert kind == "Basic"
        assert base64.b64decode(pair) == b"a%3Ab:p+%C3%A4%2B"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_whoami(self, method: str) -> None:
        """The caller's own header is passed on, and nothing else."""
        spec = msgspec.convert({"url": URL, "mode": "whoami", "method": method}, Introspection)

        asked = question(spec, Credential("1|t"))

        assert (asked.method, asked.form) == (method, None)
        assert asked.headers == {"Authorization": "Bearer 1|t"}

    def test_cookie(self) -> None:
        """The named cookie is passed on, with the page that it came from."""
        asked = question(WHOAMI, Credential("v%3D", "sid", SITE))

        assert asked.headers == {"Cookie": "sid=v%3D", "Origin": SITE}

    def test_introspected_cookie(self) -> None:
        """RFC 7662 knows tokens only, however they came."""
        asked = question(SPEC, Credential("v", "sid", SITE))

        assert (asked.form, asked.headers) == ({"token": "v"}, {})

    def test_not_shown(self) -> None:
        asked = [question(spec, Credential("hush")) for spec in (SPEC, WHOAMI)]

        assert "hush" not in repr(asked)


class TestIntrospection:
    """RFC 7662, 2.2."""

    def test_active(self) -> None:
        document = active(profile={"name": "Ann", "age": 5}, scope="read", exp=NOW + 60)

        user = said(document)

        assert (user.id, user.info, user.claims) == ("7", {"name": "Ann"}, document)
        assert (user.issuer, user.expires_at) == (SPEC, NOW + 60)

    def test_no_expiry(self) -> None:
        assert said(active()).expires_at == math.inf

    def test_inactive(self) -> None:
        with pytest.raises(BadToken, match="not active"):
            said(active(active=False))

    @pytest.mark.parametrize("value", ["true", 1, None, [], "false", 0])
    def test_unclear(self, value: Any) -> None:
        """Only true is true."""
        with pytest.raises(ProviderUnavailable):
            said(active(active=value))

    def test_not_said(self) -> None:
        with pytest.raises(ProviderUnavailable):
            said({"sub": "7"})

    @pytest.mark.parametrize("late", [LEEWAY, 1e9])
    def test_expired(self, late: float) -> None:
        with pytest.raises(BadToken, match="expired"):
            said(active(exp=NOW - late))

    @pytest.mark.parametrize("value", ["soon", True, [], 10**30])
    def test_bad_expiry(self, value: Any) -> None:
        with pytest.raises(ProviderUnavailable):
            said(active(exp=value))

    @pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 403, 404, 429, 500, 503])
    def test_status(self, status: int) -> None:
        """401 there means us, not the caller: a failure."""
        with pytest.raises(ProviderUnavailable, match="identity"):
            said(active(), status=status)


class TestWhoami:
    """An endpoint that tells a caller who it is."""

    def test_user(self) -> None:
        user = said({"id": 42, "mail": "a@b.c"}, WHOAMI)

        assert (user.id, user.info) == ("42", {"mail": "a@b.c"})
        assert user.expires_at == math.inf

    def test_path(self) -> None:
        spec = msgspec.structs.replace(WHOAMI, user_id="data.user.uid")

        assert said({"data": {"user": {"uid": "u"}}}, spec).id == "u"

    @pytest.mark.parametrize("document", [{}, None, {"id": None}, {"data": {"id": 1}}, {"id": ""}])
    def test_nobody(self, document: Any) -> None:
        with pytest.raises(BadToken, match="does not name"):
            said(document, WHOAMI)

    @pytest.mark.parametrize("path", ["data.id", "data.id.x", "data.0"])
    def test_no_path(self, path: str) -> None:
        with pytest.raises(BadToken):
            said({"data": ["7"], "id": "7"}, msgspec.structs.replace(WHOAMI, user_id=path))

    @pytest.mark.parametrize("status", [401, 403])
    def test_refused(self, status: int) -> None:
        with pytest.raises(BadToken, match="not believed"):
            said(b"<html>", WHOAMI, status)

    @pytest.mark.parametrize("status", [201, 204, 301, 302, 404, 419, 429, 500, 503])
    def test_status(self, status: int) -> None:
        with pytest.raises(ProviderUnavailable):
            said({"id": 1}, WHOAMI, status)


class TestNonsense:
    """Whatever is answered is a user or a refusal, and quoted nowhere."""

    @pytest.mark.parametrize("spec", [SPEC, WHOAMI])
    @pytest.mark.parametrize("body", [b"", b"<html>hush", b"\xff", b"[" * 60_000, b"[]", b"7"])
    def test_body(self, spec: Introspection, body: bytes) -> None:
        with pytest.raises(ProviderUnavailable) as caught:
            said(body, spec)

        assert "hush" not in caught.value.reason + str(caught.value)

    @given(
        st.sampled_from([SPEC, WHOAMI]),
        st.dictionaries(
            st.sampled_from(["active", "sub", "id", "exp", "profile", "mail"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.dictionaries(st.text(), inner, max_size=2) | st.lists(inner),
                max_leaves=4,
            ),
        ),
        st.sampled_from([200, 401, 500]),
    )
    def test_any(self, spec: Introspection, document: dict[str, Any], status: int) -> None:
        """Nobody is a user without a clear yes and an id."""
        try:
            user = said(document, spec, status)
        except (BadToken, ProviderUnavailable):
            return

        assert user.id
        assert status == 200
        assert spec is WHOAMI or document["active"] is True
