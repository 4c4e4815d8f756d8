"""URLs of servers that are called with something to keep."""

import pytest

from libs.common.egress.urls import check_url

EXAMPLE = "https://example.org/x"


class TestUrl:
    """Whom keys are taken from, and tokens shown to: over lines that nobody else reads or writes."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://id.example.org/.well-known/jwks.json?v=1",
            "https://10.0.0.5:8443/",
            "http://127.0.0.1:8000/x",
            "http://localhost/x",
            "http://[::1]:80/x",
        ],
    )
    def test_good(self, url: str) -> None:
        check_url(url, "the url", example=EXAMPLE)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "id.example.org",
            "/jwks.json",
            "https://",
            "https:///x",
            "https://u:p@id.example.org/",
            "https://id.example.org/#x",
            "https://id.example.org/a b",
            "https://id.example.org/\r\nx",
            "https://id.example.org:port/",
            "https://[::1/",
            "file:///etc/passwd",
            "ftp://id.example.org/",
            "http://id.example.org/",
            "http://localhost.example.org/",
            "http://127.0.0.1.example.org/",
            "http://10.0.0.5/",
        ],
    )
    def test_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="the url"):
            check_url(url, "the url", example=EXAMPLE)

    def test_plain_http(self) -> None:
        """Inside a private network an operator may do without TLS, having said so."""
        check_url("http://laravel:8000/api/user", "the url", example=EXAMPLE, plain_http=True)
        with pytest.raises(ValueError, match="https"):
            check_url("ftp://laravel/", "the url", example=EXAMPLE, plain_http=True)

    @pytest.mark.parametrize(
        "url,plain_http,said",
        [
            ("collector:4318", True, f"must be a URL such as {EXAMPLE}"),
            ("https://", False, f"must be a URL such as {EXAMPLE}"),
            ("https://a:port", False, f"must be a URL such as {EXAMPLE}"),
            ("https://u:p@a/", False, "must hold no user and no password"),
            ("https://a/#x", False, "must not have a part after #"),
            ("grpc://a:4317", True, "must begin with https:// or http://"),
            ("ftp://a", False, "must begin with https://, or with http:// and a loopback address"),
            ("http://a", False, "must begin with https://, or with http:// and a loopback address"),
        ],
    )
    def test_words(self, url: str, said: str, *, plain_http: bool) -> None:
        """What is said is true of this URL, and shows no other kind's example."""
        with pytest.raises(ValueError, match="the url") as raised:
            check_url(url, "the url", example=EXAMPLE, plain_http=plain_http)

        assert str(raised.value) == f"the url {said}"
