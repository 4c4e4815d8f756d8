"""Who asks, when proxies stand between."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.web.proxies import Caller, Proxies

CLIENT = "203.0.113.7"
NEAR, FAR = "10.0.0.1", "10.0.0.2"  # Trusted both.
FORGED = "198.51.100.9"

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])

V4, V6 = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)
INSIDE = [ip_network(text) for text in ("10.0.0.0/8", "::ffff:10.0.0.0/104", "fd00::/8")]
OUTSIDE = st.one_of(V4, V6).filter(
    lambda text: not any(ip_address(text) in network for network in INSIDE)
)
NAMES = st.sampled_from(["X-Forwarded-For", "x-forwarded-proto", "X-Real-IP", "Forwarded", "Host"])
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(V4, V6, st.just(NEAR)), max_size=4).map(", ".join),
    st.sampled_from(["https", "http", "wss, http", "for=1.2.3.4;proto=https"]),
)
HEADERS = st.lists(st.tuples(NAMES, TEXTS), max_size=6)


def address(*forwarded: str, peer: str = NEAR) -> str:
    """Return the client's address, where each header ``X-Forwarded-For`` says one of these."""
    return PROXIES.caller(peer, [("X-Forwarded-For", text) for text in forwarded]).address


def secure(scheme: str, forwarded: str = CLIENT, *, peer: str = NEAR, own: bool = False) -> bool:
    """Tell whether the client's connection is encrypted, where ``X-Forwarded-Proto`` says this."""
    headers = [("X-Forwarded-For", forwarded), ("X-Forwarded-Proto", scheme)]
    return PROXIES.caller(peer, headers, is_secure=own).is_secure


class TestUntrusted:
    """Who is no trusted proxy is the client itself."""

    @given(peer=OUTSIDE, headers=HEADERS, own=st.booleans())
    def test_headers_never_matter(
        self, peer: str, headers: list[tuple[str, str]], *, own: bool
    ) -> None:
        """
        Whatever an untrusted peer says, it is the same as if it had said nothing.
        """
        assert PROXIES.caller(peer, headers, is_secure=own) == PROXIES.caller(
            peer, [], is_secure=own
        )

    @given(st.one_of(V4, V6), HEADERS)
    def test_nobody_is_trusted(self, peer: str, headers: list[tuple[str, str]]) -> None:
        """
        Where no proxies are named nobody's headers matter.
        """
        assert Proxies().caller(peer, headers) == Proxies().caller(peer, [])

    def test_itself(self) -> None:
        assert PROXIES.caller(CLIENT, [], is_secure=True) == Caller(CLIENT, is_secure=True)

    @pytest.mark.parametrize("peer", ["", "/run/fanfare.sock", "10.0.0", "10.0.0.1:80"])
    def test_no_address(self, peer: str) -> None:
        """
        A peer that has no address is trusted by nobody.
        """
        assert address(FORGED, peer=peer) == peer


class TestAddress:
    """``X-Forwarded-For`` from a trusted peer, walked from the right."""

    @pytest.mark.parametrize(
        "forwarded",
        [
            (CLIENT,),
            (f"{FORGED}, {CLIENT}",),
            (f"{CLIENT},{FAR}",),
            (f"{FORGED} , {CLIENT},, {FAR},",),
            (f"{FORGED}, {NEAR}, {CLIENT}, {FAR}",),
            (FORGED, CLIENT),
            (FORGED, f"{CLIENT}, {FAR}", NEAR),
            (f"nonsense, {CLIENT}",),
        ],
    )
    def test_first_that_is_not_trusted(self, forwarded: tuple[str, ...]) -> None:
        """
        The client is the last entry that is no trusted proxy, in whichever header it stands.
        """
        assert address(*forwarded) == CLIENT

    @pytest.mark.parametrize("forwarded", [(), ("",), (" , ",)])
    def test_nothing_said(self, forwarded: tuple[str, ...]) -> None:
        """
        A proxy that names nobody asks for itself.
        """
        assert address(*forwarded) == NEAR

    def test_all_trusted(self) -> None:
        """
        Where all are trusted it is the farthest.
        """
        assert address("10.9.9.9, 10.0.0.2") == "10.9.9.9"

    @pytest.mark.parametrize(
        "bad",
        [
            *("unknown", "_hidden", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4:", "1.2.3.4:x"),
            *("1.2.3.4:123456", "[::1", "[::1]x", "[::1]:x", "::1]", "[]", "\u0661.2.3.4"),
            *("1.2.3.4/32", '"1.2.3.4"', "for=1.2.3.4", "01.2.3.4"),
        ],
    )
    def test_malformed(self, bad: str) -> None:
        """
        What is no address ends the walk at the proxy that passed it on.
        """
        assert address(bad) == NEAR
        assert address(f"{FORGED}, {bad}") == NEAR
        assert address(f"{FORGED}, {bad}, {FAR}") == FAR

    @pytest.mark.parametrize(
        "written,normal",
        [
            ("203.0.113.7:5678", CLIENT),
            ("::ffff:203.0.113.7", CLIENT),
            ("[::ffff:203.0.113.7]:443", CLIENT),
            ("::FFFF:CB00:7107", CLIENT),
            ("[2001:db8::1]:9", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:db8::1:9", "2001:db8::1:9"),
            ("fe80::1%eth0", "fe80::1"),
        ],
    )
    def test_normalised(self, written: str, normal: str) -> None:
        """
        However it is written, the same address is the same text.
        """
        assert address(written) == normal

    @pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "fd00::1", "fd00::1%eth0", "10.255.0.1"])
    def test_trusted_however_written(self, peer: str) -> None:
        """
        A proxy is trusted however its address is written: a listener on ``[::]`` sees IPv4 as mapped.
        """
        assert address(CLIENT, peer=peer) == CLIENT

    @pytest.mark.parametrize(
        "network,peer,trusted",
        [
            ("::ffff:10.0.0.0/104", "10.1.2.3", True),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", True),
            ("::ffff:10.0.0.0/104", "11.1.2.3", False),
            ("0.0.0.0/0", "::ffff:1.2.3.4", True),
            ("::/0", "1.2.3.4", False),
            ("0.0.0.0/0", "2001:db8::1", False),
            ("127.0.0.1/32", "127.0.0.2", False),
        ],
    )
    def test_networks(self, network: str, peer: str, *, trusted: bool) -> None:
        """
        A network covers the addresses of its own kind.
        """
        proxies = Proxies([ip_network(network)])
        caller = proxies.caller(peer, [("X-Forwarded-For", FORGED)])

        assert (caller.address == FORGED) is trusted
        assert proxies.has(peer) is trusted

    @pytest.mark.parametrize("name", ["X-Real-IP", "Forwarded", "X-Forwarded", "X-Client-IP"])
    def test_other_headers(self, name: str) -> None:
        """
        No other header is believed, not even from a trusted proxy.
        """
        headers = [(name, FORGED), ("X-Forwarded-For", CLIENT)]

        assert PROXIES.caller(NEAR, headers).address == CLIENT
        assert PROXIES.caller(NEAR, headers[:1]).address == NEAR

    @given(st.lists(TEXTS, max_size=4), OUTSIDE)
    def test_forged_before(self, forged: list[str], client: str) -> None:
        """
        Whatever a client wrote itself, it is found under the address that the proxy saw.
        """
        assert address(*forged, client) == address(client)

    @given(st.lists(st.text(max_size=40), max_size=4))
    def test_any_text(self, forwarded: list[str]) -> None:
        """
        Whatever stands there, an address is told.
        """
        assert ip_address(address(*forwarded))


class TestSite:
    """What limits by address count."""

    @pytest.mark.parametrize(
        "address,site",
        [
            ("198.51.100.7", "198.51.100.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("fe80::1", "fe80::/64"),
            ("", ""),
            ("unix", "unix"),
        ],
    )
    def test_site(self, address: str, site: str) -> None:
        """One address of IPv4; of IPv6 all of a link's, among which a client may choose as it likes."""
        assert Caller(address, is_secure=False).site == site


class TestScheme:
    """``X-Forwarded-Proto`` from a trusted peer, else our own listener."""

    @pytest.mark.parametrize("scheme", ["https", "wss", "HTTPS", " wss ", "https,"])
    def test_secure(self, scheme: str) -> None:
        assert secure(scheme)

    @pytest.mark.parametrize("scheme", ["http", "ws", "httpss", "https://", "on", "h"])
    def test_not_secure(self, scheme: str) -> None:
        """
        The client's own connection counts, also where the proxy's is encrypted.
        """
        assert not secure(scheme, own=True)

    @pytest.mark.parametrize("own", [True, False])
    def test_not_said(self, *, own: bool) -> None:
        """
        A proxy that says nothing is taken for the client's end: our own listener decides.
        """
        assert secure("", own=own) is own
        assert PROXIES.caller(NEAR, [], is_secure=own).is_secure is own

    @pytest.mark.parametrize(
        "schemes,forwarded,expected",
        [
            ("https", f"{CLIENT}, {FAR}", True),
            ("https, http", f"{CLIENT}, {FAR}", True),
            ("http, https", f"{CLIENT}, {FAR}", False),
            ("https, http", CLIENT, False),
            ("http, https", CLIENT, True),
            ("https, http, http", f"{FORGED}, {CLIENT}, {FAR}", False),
            ("https, http", f"nonsense, {FAR}", True),
            ("https, http", "", False),
        ],
    )
    def test_several(self, schemes: str, forwarded: str, *, expected: bool) -> None:
        """
        Of several it is the one of the hop at which the client was found; a single one is of the client.
        """
        assert secure(schemes, forwarded) is expected

    def test_several_headers(self) -> None:
        """
        A proxy may add a header of its own behind the one that the client wrote.
        """
        headers = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", CLIENT),
            ("X-Forwarded-Proto", "http"),
        ]

        assert not PROXIES.caller(NEAR, headers).is_secure
