"""URLs of Redis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.address import Url
from libs.common.errors import Misconfigured
from libs.common.redis.address import Layout, RedisAddress, parse, place_of


class TestParse:
    """Four kinds of URL, each also with TLS."""

    @pytest.mark.parametrize(
        "url, address",
        [
            ("redis://r", RedisAddress(Layout.SINGLE, (("r", 6379),), tls=False)),
            ("redis://r:1/", RedisAddress(Layout.SINGLE, (("r", 1),), tls=False)),
            (
                "redis://[::1]:7/2",
                RedisAddress(Layout.SINGLE, (("::1", 7),), tls=False, database=2),
            ),
            ("redis://[::1]", RedisAddress(Layout.SINGLE, (("::1", 6379),), tls=False)),
            (
                "redis://user:p%40ss%2F%3A@r:1/3",
                RedisAddress(
                    Layout.SINGLE,
                    (("r", 1),),
                    tls=False,
                    user="user",
                    password="p@ss/:",
                    database=3,
                ),
            ),
            (
                "redis://:pass@r",
                RedisAddress(Layout.SINGLE, (("r", 6379),), tls=False, password="pass"),
            ),
            (
                "rediss://r?ca=/etc/ca.pem",
                RedisAddress(Layout.SINGLE, (("r", 6379),), tls=True, ca="/etc/ca.pem"),
            ),
            (
                "redis+sentinel://a,b:1/main",
                RedisAddress(Layout.SENTINEL, (("a", 26_379), ("b", 1)), tls=False, service="main"),
            ),
            (
                "rediss+sentinel://u:p@a/main/4?ca=/c&sentinel_user=s&sentinel_password=%26",
                RedisAddress(
                    Layout.SENTINEL,
                    (("a", 26_379),),
                    tls=True,
                    user="u",
                    password="p",
                    service="main",
                    database=4,
                    ca="/c",
                    sentinel_user="s",
                    sentinel_password="&",
                ),
            ),
            (
                "redis+cluster://a:1,b:2,c",
                RedisAddress(Layout.CLUSTER, (("a", 1), ("b", 2), ("c", 6379)), tls=False),
            ),
            (
                "rediss+cluster://u:p@a",
                RedisAddress(Layout.CLUSTER, (("a", 6379),), tls=True, user="u", password="p"),
            ),
        ],
    )
    def test_good(self, url: str, address: RedisAddress) -> None:
        """All parts are read, and percent-encoded ones decoded."""
        assert parse(url) == address

    @pytest.mark.parametrize(
        "url, says",
        [
            ("", "begins with one of redis, rediss, "),
            ("r:6379", "begins with"),
            ("http://r", "begins with"),
            ("redis://", "needs a host"),
            ("redis://user:pass@", "needs a host"),
            ("redis://:6379", "needs a host"),
            ("redis+cluster://a,,b", "needs a host"),
            ("redis://r:port", "port"),
            ("redis://r:0", "port"),
            ("redis://r:65536", "port"),
            ("redis://r:", "port"),
            ("redis://user:pass/r", "percent-encoded"),
            ("redis://user:pass:r:1", "percent-encoded"),
            ("redis://us er", "name or an address"),
            ("redis://a,b", "one host"),
            ("redis://r/x", "database"),
            ("redis://r/-1", "database"),
            ("redis+cluster://a/0", "no database"),
            ("redis+sentinel://a", "names the service"),
            ("redis+sentinel://a/pass:b", "names the service"),
            ("redis+sentinel://a/main/x", "database"),
            ("redis://r?ca=/c", "known: none"),
            ("rediss://r?insecure=1", "known: ca"),
            ("rediss://r?verify", "known: ca"),
            ("rediss://r?sentinel_user=a", "known: ca"),
        ],
    )
    def test_bad(self, url: str, says: str) -> None:
        """The error says what is wrong."""
        with pytest.raises(Misconfigured, match=says):
            parse(url)

    @given(st.text("aB3:/?#@%,[]&=.", max_size=24), st.sampled_from(["redis", "redis+sentinel"]))
    def test_errors_are_discreet(self, rest: str, scheme: str) -> None:
        """No error repeats a password, however misplaced its signs are."""
        message = ""
        try:
            parse(f"{scheme}://user:{rest}SECRET@r:x")
        except Misconfigured as error:
            message = str(error)

        assert "SECRET" not in message

    def test_repr_is_discreet(self) -> None:
        """Passwords are not in what logs may show."""
        address = parse("redis+sentinel://u:SECRET@a/main?sentinel_password=SECRET")

        assert "SECRET" not in repr(address)


class TestPlace:
    """Whether two URLs lead to the same servers."""

    def test_same(self) -> None:
        """Whoever asks, with whatever password, and in whatever order."""
        one = place_of(Url("redis+cluster://u:p@a,b"))

        assert one == place_of(Url("rediss+cluster://b:6379,a"))
        assert one != place_of(Url("redis://a"))

    def test_none(self) -> None:
        assert place_of(Url("memory://")) is None
