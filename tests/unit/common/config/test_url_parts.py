"""URLs are taken apart only where nothing of them can be something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.url_parts import UrlParts, is_host, parts_of, scheme_of


@pytest.mark.parametrize(
    "text,parts",
    [
        ("memory://", UrlParts("memory", None, "", "", "")),
        ("redis://h:6379/2", UrlParts("redis", None, "h:6379", "/2", "")),
        (
            "rediss+cluster://u:p@a,[::1]:7?ca=/x",
            UrlParts("rediss+cluster", "u:p", "a,[::1]:7", "", "?ca=/x"),
        ),
        ("kafka://a:1, b:2", UrlParts("kafka", None, "a:1, b:2", "", "")),
        ("https://*.example.org/a/b", UrlParts("https", None, "*.example.org", "/a/b", "")),
        ("postgresql:///db", UrlParts("postgresql", None, "", "/db", "")),
    ],
)
def test_parts(text: str, parts: UrlParts) -> None:
    """Each part as it is written."""
    assert parts_of(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        *("", "h", "h:1", "redis:/h", "redis2://h", "redis+://h", "u:p@redis://h", " redis://h"),
        *("redis://u:p", "redis://u:p:h:1", "redis://u:p@", "redis://h:65536", "redis://h:"),
        *("redis://h/u:p", "redis://h/a@b", "redis://h?a@b", "redis://h#p", "redis://h p"),
        *("redis://[h]", "redis://[::1", "redis://a,,b", "redis://h\n", "redis://h?a\n"),
    ],
)
def test_none(text: str) -> None:
    """Where a sign too many or too few stands nothing is taken for a part."""
    assert parts_of(text) is None


@pytest.mark.parametrize(
    "login,user", [("u:p", "u"), ("u", ""), ("u:", ""), (":p", ""), ("u@v:p", ""), ("u:p:q", "u")]
)
def test_user(login: str, user: str) -> None:
    """A user is one who has a password; else it may be the password."""
    parts = parts_of(f"redis://{login}@h")

    assert parts is not None
    assert parts.user == user


@pytest.mark.parametrize(
    "text,is_good",
    [
        *((text, True) for text in ("h", "h:1", "h:65535", "a-b.c_d.", "10.0.0.1", "[::1]:7")),
        *((text, False) for text in ("", "h:", "h:x", "h:65536", "::1", "[h]", "a b", "a;b", "a:b:1")),
    ],
)  # fmt: skip
def test_host(text: str, *, is_good: bool) -> None:
    """A name or an address, and a port if any."""
    assert is_host(text) is is_good


@pytest.mark.parametrize(
    "text,scheme",
    [("redis://h", "redis"), ("redis+cluster:// h", "redis+cluster"), ("a:b@c://h", ""), ("h", "")],
)
def test_scheme(text: str, scheme: str) -> None:
    """Letters before ``://``, and nothing else."""
    assert scheme_of(text) == scheme


@given(st.text(":/@?#, []ab1%", max_size=30))
def test_any_text(text: str) -> None:
    """What reads as a URL is written the same way from its parts."""
    parts = parts_of(f"redis://{text}")

    if parts is not None:
        login = "" if parts.login is None else f"{parts.login}@"
        assert f"redis://{login}{parts.hosts}{parts.path}{parts.query}" == f"redis://{text}"
