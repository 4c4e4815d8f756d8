"""Whose pages may use an app."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.origins import allows, check, names, unnamed

SITE = "https://www.example.org"
BELOW = "https://*.example.org"
LABELS = st.lists(st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), min_size=1, max_size=4)


class TestExact:
    """A list of origins as browsers write them."""

    @pytest.mark.parametrize("origin", [SITE, "http://a.b:8080", "null", ""])
    def test_no_list(self, origin: str) -> None:
        """An app without a list lets in every page."""
        assert allows((), origin)

    @pytest.mark.parametrize("origin", [SITE, "http://a.b:8080", "null", ""])
    def test_everybody(self, origin: str) -> None:
        """Reverb's asterisk stands for every page."""
        assert allows(("*",), origin)
        assert allows((BELOW, "*"), origin)

    @pytest.mark.parametrize("origin", [SITE, "http://localhost:3000"])
    def test_listed(self, origin: str) -> None:
        """A page of the list is let in."""
        assert allows((SITE, "http://localhost:3000"), origin)

    @pytest.mark.parametrize(
        "origin",
        [
            *(SITE + ".evil.net", SITE + "/", SITE + ":8443", SITE.upper(), "null", ""),
            *("http://www.example.org", "https://example.org", "https://evil-www.example.org"),
        ],
    )
    def test_unlisted(self, origin: str) -> None:
        """Only exactly what the list says is let in."""
        assert not allows((SITE,), origin)

    def test_null(self) -> None:
        """What has no origin, such as a file or a sandboxed frame, is let in only where the list says so."""
        assert allows((SITE, "null"), "null")
        assert not allows((BELOW, "file://*.x"), "null")


class TestBelow:
    """A wildcard for the hosts below one."""

    @pytest.mark.parametrize("origin", [SITE, "https://a.b.example.org", "https://x-1.example.org"])
    def test_covered(self, origin: str) -> None:
        """It covers hosts at any depth."""
        assert allows((BELOW,), origin)

    @pytest.mark.parametrize(
        "origin",
        [
            *("https://example.org", "https://.example.org", "https://a..example.org"),
            *("https://evilexample.org", "https://a.example.org.evil.net", "null", ""),
            *("http://a.example.org", "wss://a.example.org", "https://a.example.org:8443"),
            *("https://evil.net/.example.org", "https://evil.net?.example.org"),
            *("https://evil.net#.example.org", "https://evil.net:1.example.org"),
            *("https://evil@a.example.org", "https://a.example.org\n", "https://*.example.org/"),
            *("https://A.example.org", "https://evil.net\\.example.org"),
        ],
    )
    def test_not_covered(self, origin: str) -> None:
        """It covers neither the host itself, nor another scheme or port, nor what only looks like a host below."""
        assert not allows((BELOW,), origin)

    def test_port(self) -> None:
        """With a port it covers that port alone."""
        assert allows(("https://*.example.org:8443",), "https://a.example.org:8443")
        assert not allows(("https://*.example.org:8443",), "https://a.example.org")

    @pytest.mark.parametrize(
        "pattern", ["https://*.", "**", "*://a.org", "https://*", "https://a.*"]
    )
    def test_no_other_wildcards(self, pattern: str) -> None:
        """A star elsewhere stands for itself."""
        assert not allows((pattern,), "https://a.org")

    @given(LABELS, LABELS)
    def test_any_host(self, below: list[str], host: list[str]) -> None:
        """Whatever the host is, every host below it is covered, and it itself is not."""
        domain = ".".join(host)

        assert allows((f"https://*.{domain}",), f"https://{'.'.join(below)}.{domain}")
        assert not allows((f"https://*.{domain}",), f"https://{domain}") or host[0] in below

    @given(st.text(max_size=40))
    def test_any_text(self, origin: str) -> None:
        """Of all texts only hosts below are covered."""
        if allows((BELOW,), origin):
            assert origin.startswith("https://")
            assert origin.endswith(".example.org")


class TestCheck:
    """An entry that no page can match is a mistake, and is said to be one."""

    @pytest.mark.parametrize(
        "entry",
        [
            *("*", "null", SITE, BELOW, "http://localhost:5173", "https://*.example.org:8443"),
            *("http://127.0.0.1:8000", "http://[::1]:3000", "https://xn--bcher-kva.example"),
            *("capacitor://localhost", "chrome-extension://abcdef", "file://", "http://a.b:443"),
        ],
    )
    def test_good(self, entry: str) -> None:
        """What browsers and web views write is taken."""
        check((SITE, entry))

    @pytest.mark.parametrize(
        "entry",
        [
            *("plain.org", "localhost:5173", "", " ", "https://", "//example.org", "*.example.org"),
            *("https://example.org/", "https://example.org/shop", "https://example.org?x"),
            *("https://Example.org", "HTTPS://example.org", "https://bücher.example"),
            *("https://example.org:443", "http://example.org:80", "https://example.org:"),
            *("https://example.org:65536", "https://example.org:0", "https://example.org:08443"),
            *(" https://example.org", "https://example.org ", "https://example.org\n", "https://*"),
            *("https://*.", "https://a.*.org", "https://**.org", "*://example.org", "NULL"),
            *("https://me@example.org", "https://a..org", "wss://example.org", "ws://localhost"),
        ],
    )
    def test_refused(self, entry: str) -> None:
        """Anything else is refused, with what was expected and what was found."""
        with pytest.raises(ValueError, match=r"^expected \*, null, or scheme://host") as raised:
            check((SITE, entry))

        assert str(raised.value).endswith(f"; found {json.dumps(entry)}")

    @given(st.text(max_size=20) | st.from_regex(r"[a-z*]{1,5}://[a-z.*:0-9]{1,8}", fullmatch=True))
    def test_any_text(self, entry: str) -> None:
        """Whatever is taken lets some page in."""
        try:
            check((entry,))
        except ValueError:
            return
        assert allows((entry,), entry.replace("://*.", "://a."))


class TestNames:
    """Whose pages may send along what a browser sends by itself."""

    @pytest.mark.parametrize(
        "listed,origin",
        [
            (SITE, SITE),
            ("http://localhost:5173", "http://localhost:5173"),
            (BELOW, SITE),
            (BELOW, "https://a.b.example.org"),
            ("https://*.example.org.", "https://a.example.org."),
            ("https://*.example.org:8443", "https://a.example.org:8443"),
            ("app://desktop", "app://desktop"),
        ],
    )
    def test_named(self, listed: str, origin: str) -> None:
        """An origin as it is, and one below a domain."""
        assert names(("*", listed), origin)

    @pytest.mark.parametrize(
        "origin",
        [
            *("", "*", "null", "file://", "NULL", "null ", SITE.upper(), "HTTPS://www.example.org"),
            *(f"{SITE}.", f"{SITE}:443", f"{SITE}/", f"{SITE}, {SITE}", f" {SITE}"),
            *("https://ann@www.example.org", "https://www.example.org@evil.net"),
            *("http://www.example.org", "https://example.org", f"{SITE}.evil.net", "https://x.org"),
        ],
    )
    def test_others(self, origin: str) -> None:
        """No other spelling is one, and what lists everybody names nobody."""
        listed = ("*", "null", "file://", "https://*.org", "https://*.org.", SITE, BELOW)

        assert not names(listed, origin)
        assert not names((), origin)

    @given(st.lists(st.sampled_from(["*", "null", "file://", SITE, BELOW])), st.text())
    def test_allowed(self, listed: list[str], origin: str) -> None:
        """Who is named is allowed."""
        for each in (origin, SITE, "https://a.example.org", "null"):
            assert allows(listed, each) or not names(listed, each)

    def test_unnamed(self) -> None:
        """Entries that stand for anybody."""
        assert unnamed(("null", SITE, "*", BELOW)) == ["null", "*"]
        assert unnamed(()) == []
