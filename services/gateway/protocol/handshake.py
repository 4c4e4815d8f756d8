"""
Whether a client may connect at all, judged from its URL, its headers and its connection.

Pure.  Source: docs/protocol.md, "Connection URL" and "Error codes"; RFC 6455, 4.2.
"""

import re
from collections.abc import Mapping

from libs.common.apps.app import App
from libs.common.apps.origins import allows
from libs.common.errors import Denied, Forbidden, Invalid

SUPPORTED = range(4, 8)  # Protocol versions; java and dotnet libraries send 5, swift and js 7.
WEBSOCKET_VERSION = "13"  # RFC 6455, 4.1; the front door takes two drafts of it too.
_VERSION = re.compile(r"[0-9]{1,4}")


class MalformedVersion(Invalid):
    """The protocol version is no number."""

    code = 4006  # Pusher, "Error codes": invalid version string format.

    def __init__(self, text: str) -> None:
        super().__init__(f"invalid protocol version {text[:32]!r}")


class UnsupportedVersion(Invalid):
    """The protocol version is one that we do not speak."""

    code = 4007  # Pusher, "Error codes": unsupported protocol version.

    def __init__(self, version: int) -> None:
        super().__init__(
            f"unsupported protocol version {version}, use {SUPPORTED[0]} to {SUPPORTED[-1]}"
        )


class TlsRequired(Denied):
    """The app is for connections with TLS alone, and this one has none."""

    code = 4000  # Pusher, "Error codes": the application only accepts connections with TLS.

    def __init__(self, app_id: str) -> None:
        super().__init__(f"app {app_id} takes connections with TLS only, use wss://")


class OriginNotAllowed(Forbidden):
    """The app is not for the pages of this origin."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"pages of {origin[:128]!r} may not use this app")


class UpgradeRequired(Invalid):
    """A request does not ask for a WebSocket."""

    status = 426

    def __init__(self) -> None:
        super().__init__(
            "this is where clients connect by WebSocket; "
            "a proxy in between must pass on Upgrade and Connection"
        )


class UnknownWebSocketVersion(Invalid):
    """A request asks for a WebSocket of a version that we do not speak."""

    status = 426  # RFC 6455, 4.2.2.

    def __init__(self, version: str) -> None:
        super().__init__(
            f"unsupported Sec-WebSocket-Version {version[:32]!r}, use {WEBSOCKET_VERSION}"
        )


class BadWebSocketKey(Invalid):
    """A request asks for a WebSocket without what its answer is made from."""

    def __init__(self) -> None:
        super().__init__("Sec-WebSocket-Key must be 16 bytes as base64")


def complaint(headers: Mapping[str, str]) -> Invalid:
    """Say what is wrong with a request for a WebSocket that could not be understood."""
    upgrade, connection = headers.get("Upgrade", ""), headers.get("Connection", "")
    if upgrade.strip().lower() != "websocket" or "upgrade" not in connection.lower():
        return UpgradeRequired()
    version = headers.get("Sec-WebSocket-Version", "")
    if version not in {WEBSOCKET_VERSION, "8", "7"}:
        return UnknownWebSocketVersion(version)
    return BadWebSocketKey()


def check_client(app: App, origin: str | None, *, is_secure: bool) -> None:
    """
    Check that an app is for such a client.

    Args:
        app: The app that the client wants to connect to.
        origin: That of the page it is on; None or empty: it is on none.
        is_secure: Whether its connection is encrypted.

    Raises:
        TlsRequired: The app is for encrypted connections alone.
        OriginNotAllowed: The app is for pages of other origins.
    """
    if app.tls_only and not is_secure:
        raise TlsRequired(app.id)
    if origin and not allows(app.allowed_origins, origin):
        raise OriginNotAllowed(origin)


def check_version(query: Mapping[str, str]) -> None:
    """
    Check the protocol version that a client asks for; a missing one counts as the newest.

    Raises:
        MalformedVersion: The version is no number.
        UnsupportedVersion: The version is not in `SUPPORTED`.
    """
    text = query.get("protocol", "")
    if not text:
        return
    if not _VERSION.fullmatch(text):
        raise MalformedVersion(text)
    if int(text) not in SUPPORTED:
        raise UnsupportedVersion(int(text))
