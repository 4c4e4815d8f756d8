"""Whether a client may connect, judged from its URL, its headers and its connection."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from services.gateway.protocol.handshake import (
    SUPPORTED,
    BadWebSocketKey,
    MalformedVersion,
    OriginNotAllowed,
    TlsRequired,
    UnknownWebSocketVersion,
    UnsupportedVersion,
    UpgradeRequired,
    check_client,
    check_version,
    complaint,
)

SITE = "https://www.example.org"
OPEN = App(id="1", key="open", secrets=(Secret("s"),))
CLOSED = App(id="2", key="closed", secrets=(Secret("s"),), allowed_origins=(SITE,))
SECURE = App(id="3", key="secure", secrets=(Secret("s"),), tls_only=True)
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAA",
}


class TestCheckVersion:
    """docs/protocol.md, "Connection URL"."""

    @pytest.mark.parametrize("version", ["4", "5", "6", "7", "07", ""])
    def test_supported(self, version: str) -> None:
        """
        Versions 4 to 7 are spoken; an empty one counts as missing.
        """
        check_version({"protocol": version, "client": "js", "whatever": "x"})

    def test_missing(self) -> None:
        """
        Without a version a client gets the newest.
        """
        check_version({})

    @pytest.mark.parametrize("version", ["0", "3", "8", "9999"])
    def test_unsupported(self, version: str) -> None:
        """
        Others get 4007, and the answer says which are spoken.
        """
        with pytest.raises(UnsupportedVersion, match="use 4 to 7") as caught:
            check_version({"protocol": version})
        assert caught.value.code == 4007

    @pytest.mark.parametrize("version", ["x", "7.0", "-7", " 7", "7\n", "12345", "\u0667"])
    def test_malformed(self, version: str) -> None:
        """
        What is no number gets 4006.
        """
        with pytest.raises(MalformedVersion) as caught:
            check_version({"protocol": version})
        assert caught.value.code == 4006

    @settings(max_examples=100)
    @given(st.text(min_size=1, max_size=8))
    def test_anything(self, version: str) -> None:
        """
        Any text is a version that is spoken, or is refused with one of the two codes.
        """
        refused = False
        try:
            check_version({"protocol": version})
        except (MalformedVersion, UnsupportedVersion):
            refused = True

        assert refused or int(version) in SUPPORTED


class TestCheckClient:
    """docs/protocol.md, "Error codes": 4000 and 4009."""

    @pytest.mark.parametrize(
        "app,origin,secure",
        [
            (OPEN, None, False),
            (OPEN, "https://evil.net", False),
            (OPEN, "null", True),
            (SECURE, None, True),
            (CLOSED, SITE, False),
            (CLOSED, None, False),
            (CLOSED, "", True),
        ],
    )
    def test_welcome(self, app: App, origin: str | None, *, secure: bool) -> None:
        """
        Who names no page is let in as are pages of the list, with TLS or, where the app allows it, without.
        """
        check_client(app, origin, is_secure=secure)

    def test_without_tls(self) -> None:
        """
        An app that is for TLS alone says what to use.
        """
        with pytest.raises(TlsRequired, match="wss://") as caught:
            check_client(SECURE, None, is_secure=False)
        assert caught.value.code == 4000

    @pytest.mark.parametrize("origin", ["https://evil.net", "null", SITE + "/"])
    def test_other_pages(self, origin: str) -> None:
        """
        Pages that are not in the list are told so.
        """
        with pytest.raises(OriginNotAllowed) as caught:
            check_client(CLOSED, origin, is_secure=True)
        assert caught.value.code == 4009

    def test_long_origin(self) -> None:
        """
        What is told fits into an answer, however long an origin is.
        """
        with pytest.raises(OriginNotAllowed) as caught:
            check_client(CLOSED, "x" * 8000, is_secure=True)
        assert len(str(caught.value)) < 200


class TestComplaint:
    """What a request for a WebSocket lacks (RFC 6455, 4.2.1)."""

    @pytest.mark.parametrize("name", ["Upgrade", "Connection"])
    @pytest.mark.parametrize("text", [None, "", "close", "h2c"])
    def test_no_upgrade(self, name: str, text: str | None) -> None:
        """
        Without both headers it is none; proxies often drop them, and the answer says so.
        """
        headers = {key: value for key, value in UPGRADE.items() if key != name}
        found = complaint(headers if text is None else headers | {name: text})

        assert isinstance(found, UpgradeRequired)
        assert found.status == 426
        assert "proxy" in str(found)

    @pytest.mark.parametrize("version", ["", "12", "x" * 8000])
    def test_version(self, version: str) -> None:
        """
        Another version is named, and so is the one to use.
        """
        found = complaint(UPGRADE | {"Sec-WebSocket-Version": version})

        assert isinstance(found, UnknownWebSocketVersion)
        assert found.status == 426
        assert str(found).endswith("use 13")
        assert len(str(found)) < 200

    def test_key(self) -> None:
        """
        What is left is the key.
        """
        found = complaint(UPGRADE)

        assert isinstance(found, BadWebSocketKey)
        assert found.status == 400
