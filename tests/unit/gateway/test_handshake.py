"""Whether a client may connect, judged from its URL."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.handshake import (
    SUPPORTED,
    MalformedVersion,
    UnsupportedVersion,
    check_version,
)


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

    @settings(max_examples=100, deadline=None)
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
