"""
Whether a client may connect at all, judged from its URL.

Pure.  Source: docs/protocol.md, "Connection URL" and "Error codes".
"""

import re
from collections.abc import Mapping

from libs.common.errors import Invalid

SUPPORTED = range(4, 8)  # Protocol versions; java and dotnet libraries send 5, swift and js 7.
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


def check_version(query: Mapping[str, str]) -> None:
    """
    Check the protocol version that a client asks for; a missing one counts as the newest.

    Raises:
        MalformedVersion: It is no number.
        UnsupportedVersion: It is not in `SUPPORTED`.
    """
    text = query.get("protocol", "")
    if not text:
        return
    if not _VERSION.fullmatch(text):
        raise MalformedVersion(text)
    if int(text) not in SUPPORTED:
        raise UnsupportedVersion(int(text))
