"""
TLS where none is spoken, and none where it is: the most usual slip of a first try.

Each is said once for each listener, since any stranger can cause it; the line names the setting.
"""

import structlog

log = structlog.get_logger()

HELLO = 0x16  # The first byte of TLS (RFC 8446, 5.1), and of no method of HTTP.

# What OpenSSL gives as the reason where a handshake begins with a method of HTTP.
PLAIN = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})

_SETTING = "server.certificate"


class Mismatches:
    """What was said already at one listener."""

    def __init__(self) -> None:
        self._has_met_tls = False
        self._has_met_plain = False

    def met_tls(self, peer: str | None, port: int) -> None:
        """Say that a client begins TLS where none is spoken; ``peer`` is its address, if known."""
        if not self._has_met_tls:
            self._has_met_tls = True
            log.warning(
                "tls.unexpected", peer=peer, port=port, setting=_SETTING, client="forceTLS: false"
            )

    def met_plain(self) -> None:
        """Say that a client sends plain HTTP where TLS is spoken."""
        if not self._has_met_plain:
            self._has_met_plain = True
            log.warning("tls.missed", setting=_SETTING, client="forceTLS: true")
