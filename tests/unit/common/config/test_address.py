"""Addresses and URLs are read strictly, and URLs show no password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.address import Address, Url


class TestAddress:
    """``host:port``, as operators write it."""

    @pytest.mark.parametrize(
        "text,host,port",
        [
            ("127.0.0.1:6001", "127.0.0.1", 6001),
            ("[::1]:6001", "::1", 6001),
            ("[::]:0", "::", 0),
            ("*:6001", "*", 6001),
            ("gateway.internal:65535", "gateway.internal", 65_535),
        ],
    )
    def test_read_and_written(self, text: str, host: str, port: int) -> None:
        """What is read is written the same way."""
        address = Address.parse(text)

        assert (address.host, address.port) == (host, port)
        assert str(address) == text

    @pytest.mark.parametrize(
        "text",
        [
            *("", "6001", ":6001", "host:", "host:x", "host:-1", "host:65536", "host:²"),
            *("::1:6001", "::1", "[::1]", "[host]:1", "[]:1", "host:1:2", "http://host:1"),
        ],
    )
    def test_refused(self, text: str) -> None:
        """What leaves a doubt about host or port is no address."""
        with pytest.raises(ValueError, match=r"an address|a port"):
            Address.parse(text)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is an address or a ValueError."""
        try:
            Address.parse(text)
        except ValueError:
            return

        assert ":" in text

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
    def test_loopback(self, host: str) -> None:
        """Addresses of this machine alone are loopback."""
        assert Address(host, 1).is_loopback

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "*", "10.0.0.1", "localhost.example", ""])
    def test_not_loopback(self, host: str) -> None:
        """Everything else is not: all interfaces, networks, names."""
        assert not Address(host, 1).is_loopback

    @pytest.mark.parametrize(
        "host,reached",
        [
            ("*", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("localhost", "localhost"),
        ],
    )
    def test_from_here(self, host: str, reached: str) -> None:
        """All addresses are reached at loopback, an address at itself."""
        assert Address(host, 1).from_here == Address(reached, 1)

    @pytest.mark.parametrize(
        "one,other,is_clash",
        [
            ("10.0.0.1:1", "10.0.0.1:1", True),
            ("10.0.0.1:1", "10.0.0.1:2", False),
            ("10.0.0.1:1", "10.0.0.2:1", False),
            ("10.0.0.1:0", "10.0.0.1:0", False),
            ("*:1", "[::1]:1", True),
            ("[::]:1", "0.0.0.0:1", True),
            ("0.0.0.0:1", "10.0.0.1:1", True),
            ("0.0.0.0:1", "[::1]:1", False),
        ],
    )
    def test_clashes(self, one: str, other: str, *, is_clash: bool) -> None:
        """Two clash that share a port, where one has the other."""
        first, second = Address.parse(one), Address.parse(other)

        assert (first.clashes(second), second.clashes(first)) == (is_clash, is_clash)


class TestUrl:
    """A URL is shown without what may be secret."""

    @pytest.mark.parametrize(
        "text,shown",
        [
            ("memory://", "memory://"),
            ("redis://host:1/0", "redis://host:1"),
            ("redis://user:hush@host:1/0", "redis://host:1"),
            ("redis+sentinel://:hush@a,b/main?sentinel_password=hush", "redis+sentinel://a,b"),
            ("redis+sentinel://a/main?sentinel_password=hu@sh", "redis+sentinel://…"),
            ("postgresql://u:hu/sh@host/db", "postgresql://…"),
            ("postgresql://u:hu?sh@host/db", "postgresql://…"),
            ("postgresql://u:hu@sh@host/db", "postgresql://host"),
            ("hush", "…"),
            ("", ""),
        ],
    )
    def test_shown(self, text: str, shown: str) -> None:
        """Neither str nor repr shows a password, not even one that was not percent-encoded."""
        url = Url(text)

        assert str(url) == shown
        assert "hush" not in repr(url)
        assert url.reveal() == text

    def test_scheme(self) -> None:
        """The scheme is what stands before ``://``; without that there is none."""
        assert Url("redis+cluster://a").scheme == "redis+cluster"
        assert not Url("redis:a").scheme

    def test_value(self) -> None:
        """Two with the same text are equal; an empty one is false."""
        assert Url("a://b") == Url("a://b")
        assert Url("a://b") != Url("a://c")
        assert len({Url("a://b"), Url("a://b")}) == 1
        assert not Url("")
