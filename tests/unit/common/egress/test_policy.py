"""Which addresses may be called."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.egress.policy import Egress, literal, names_loopback

WEBHOOKS = Egress()
PROVIDERS = Egress(private=True)

PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.255.255", "100.128.0.1", "2606:4700::1111"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:10.0.0.1",
    "64:ff9b::192.168.0.1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "169.254.170.2",  # Containers' credentials at AWS.
    "168.63.129.16",  # Azure's.
    "100.100.100.200",  # Alibaba's.
    "192.0.0.192",  # Oracle's.
    "fd00:ec2::254",  # AWS', by IPv6.
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible, of old.
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # IPv4-translated.
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",  # Teredo.
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4, of 127.0.0.1.
    "3fff::1",
    "5f00::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]


class TestPermits:
    """The registries of IANA, and what clouds say of their metadata."""

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public(self, address: str) -> None:
        assert WEBHOOKS.permits(ip_address(address))
        assert PROVIDERS.permits(ip_address(address))

    @pytest.mark.parametrize("address", PRIVATE)
    def test_private(self, address: str) -> None:
        """What an organisation uses within is for those who may."""
        assert not WEBHOOKS.permits(ip_address(address))
        assert PROVIDERS.permits(ip_address(address))

    @pytest.mark.parametrize("address", NEVER)
    def test_never(self, address: str) -> None:
        assert not WEBHOOKS.permits(ip_address(address))
        assert not PROVIDERS.permits(ip_address(address))

    @pytest.mark.parametrize("address", [*PRIVATE, *NEVER])
    def test_allowed(self, address: str) -> None:
        """Whatever it is, the operator may allow it."""
        one = ip_address(address.partition("%")[0])
        egress = Egress([ip_network(one)])

        assert egress.permits(one)

    @pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1"])
    def test_same_in_ipv6(self, address: str) -> None:
        """An IPv4 network that is allowed is so however it is written."""
        assert Egress([ip_network("127.0.0.0/8")]).permits(ip_address(address))

    def test_loopback(self) -> None:
        """This machine itself, and nothing besides."""
        egress = PROVIDERS.with_loopback()

        assert egress.permits(ip_address("127.0.0.1"))
        assert egress.permits(ip_address("::1"))
        assert not egress.permits(ip_address("169.254.169.254"))

    @given(st.ip_addresses(v=4))
    def test_global(self, address: object) -> None:
        """What the standard library knows as not global is refused; we refuse a little more."""
        one = ip_address(str(address))

        assert one.is_global or not WEBHOOKS.permits(one)

    @given(st.ip_addresses(v=6))
    def test_global_ipv6(self, address: object) -> None:
        one = ip_address(str(address))

        assert one.is_global or not WEBHOOKS.permits(one)


class TestLiteral:
    """URLs that name an address."""

    @pytest.mark.parametrize(
        "url,address",
        [
            ("https://10.0.0.1:8443/x", "10.0.0.1"),
            ("https://[::1]/x", "::1"),
            ("http://localhost/x", "127.0.0.1"),
            ("http://LOCALHOST./x", "127.0.0.1"),
            ("http://a.localhost/x", "127.0.0.1"),
        ],
    )
    def test_address(self, url: str, address: str) -> None:
        assert literal(url) == ip_address(address)

    def test_name(self) -> None:
        """A name is looked up when it is called."""
        assert literal("https://localhost.example.org/") is None

    def test_says_so(self) -> None:
        assert names_loopback("http://localhost:80/")
        assert not names_loopback("http://localhost.example.org/")


class TestCheck:
    """A URL with an address that may not be called stops the start."""

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"the url leads to 10\.0\.0\.1, .* egress\.allow"):
            WEBHOOKS.check("https://10.0.0.1/x", "the url")

    def test_passed(self) -> None:
        WEBHOOKS.check("https://8.8.8.8/x", "the url")
        WEBHOOKS.check("https://example.org/x", "the url")
