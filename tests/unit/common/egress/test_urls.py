"""URLs of servers that are called with something to keep."""

import pytest

from libs.common.egress.urls import check_url


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
        check_url(url, "the url")

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
            check_url(url, "the url")

    def test_plain_http(self) -> None:
        """Inside a private network an operator may do without TLS, having said so."""
        check_url("http://laravel:8000/api/user", "the url", plain_http=True)
        with pytest.raises(ValueError, match="https"):
            check_url("ftp://laravel/", "the url", plain_http=True)
