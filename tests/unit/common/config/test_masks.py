"""What is shown of values that may be secrets, and of those that are none."""

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.address import Address, Url
from libs.common.config.masks import masked, place_of, shown_path
from libs.common.config.secret import Secret


class Specimen(msgspec.Struct):
    """A table with a secret."""

    name: str
    secret: Secret


class TestUrls:
    """Of a URL the place is shown, and neither password nor what its query gives."""

    @pytest.mark.parametrize(
        "text,shown",
        [
            ("", ""),
            ("none", "none"),
            ("memory://", "memory://"),
            ("redis://h:6379/2", "redis://h:6379/2"),
            ("redis://u:hush@h:6379/2", "redis://u:…@h:6379/2"),
            ("redis://:hush@h", "redis://:…@h"),
            ("redis://hush@h", "redis://…@h"),  # Somebody may have forgotten the colon.
            (
                "redis+sentinel://u:hush@a,b/m?sentinel_user=x&sentinel_password=hush",
                "redis+sentinel://u:…@a,b/m?sentinel_user=…&sentinel_password=…",
            ),
            ("rediss://h?ca=/ca.pem", "rediss://h?ca=/ca.pem"),
            (
                "postgresql://u:hush@h/db?sslmode=require&options=hush&hush",
                "postgresql://u:…@h/db?sslmode=require&options=…&…",
            ),
            ("redis://u:hu/sh@h", "redis://…"),  # Not percent-encoded.
            ("redis://u:hu?sh@h", "redis://…"),
            ("redis://u:hu#sh@h", "redis://…"),
            ("hush", "…"),
        ],
    )
    def test_backend(self, text: str, shown: str) -> None:
        assert masked(Url(text)) == shown

    @pytest.mark.parametrize(
        "text,shown",
        [
            ("https://x.example/a?token=hush", "https://x.example/a?token=…"),
            ("https://x.example/keys", "https://x.example/keys"),
            ("https://*.example.org", "https://*.example.org"),
            ("user.url == 'http://a/?b=c' && true", "user.url == 'http://a/?b=c' && true"),
            ("plain?x=y", "plain?x=y"),
            ("https://u:hush@x.example/", "https://u:…@x.example/"),
            ("https://u:hu sh@x.example/", "https://u:…@x.example/"),
            ("https:/u:hush@x.example/", "…"),
            ("SELECT 'https://u:hush@x.example/'", "…"),
            ("user.email == 'a@b' ? 'c' : 'd'", "user.email == 'a@b' ? 'c' : 'd'"),
        ],
    )
    def test_text(self, text: str, shown: str) -> None:
        """So it is of one that is a text; a sentence with one is none."""
        assert masked(text) == shown

    @given(st.text("hush:/@?#&=%", min_size=1))
    def test_any_password(self, text: str) -> None:
        """However a password is written, nothing of it that is more than a sign is shown."""
        assert "XYZZY" not in masked(Url(f"redis://u:XYZZY{text}@h/0"))
        assert "XYZZY" not in masked(Url(f"redis://u:{text}XYZZY@h/0"))


@pytest.mark.parametrize(
    "url,shown",
    [
        ("https://hooks.example/services/T0/hush", "https://hooks.example/…"),
        ("https://hooks.example:8443/hush?a=hush", "https://hooks.example:8443/…"),
        ("https://hooks.example?hush", "https://hooks.example/…"),
        ("https://hooks.example", "https://hooks.example"),
        ("https://hu@sh@hooks.example/", "https://…@hooks.example/…"),
        ("https://hooks.example/hu@sh", "https://…"),
    ],
)
def test_permit(url: str, shown: str) -> None:
    """Of a URL that is a permission the server is shown."""
    assert place_of(url) == shown


@pytest.mark.parametrize(
    "path,shown",
    [
        ("/run/secrets/bus", "/run/secrets/bus"),
        ("/run/credentials/fanfare-gateway@1.service/bus", "/run/credentials/fanfare-gateway@1.service/bus"),
        ("redis://:hush@h", "…"),
        ("//u:hush@h", "…"),
        ("/u:hush@h", "…"),
        ("hush", "…"),
        ("", "…"),
    ],
)  # fmt: skip
def test_path(path: str, shown: str) -> None:
    """A file is shown that is named in full; anything else may be what should stand in the file."""
    assert shown_path(path) == shown


@pytest.mark.parametrize(
    "value,shown",
    [
        (Secret("hush"), "…"),
        (Secret(""), ""),
        ("-----BEGIN PRIVATE KEY-----\nhush", "…"),
        ("-----BEGIN PUBLIC KEY-----\nx", "-----BEGIN PUBLIC KEY-----\nx"),
        ((Secret("hush"), Secret("hush")), ["…", "…"]),
        ({"Authorization": Secret("hush")}, {"Authorization": "…"}),
        (Specimen("n", Secret("hush")), {"name": "n", "secret": "…"}),
        (Address("::1", 80), "[::1]:80"),
        (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (True, True),
        (1.5, 1.5),
        (None, None),
    ],
)
def test_kinds(value: Any, shown: Any) -> None:
    assert masked(value) == shown
