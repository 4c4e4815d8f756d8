"""Paths below a proxy's prefix."""

from contextlib import nullcontext

import pytest

from libs.common.web.paths import OddPath, check_path, meant, spellings


class TestCheckPath:
    """What stands after the prefix is read by proxies and by us alike."""

    @pytest.mark.parametrize(
        "raw,prefix",
        [
            ("/apps/1/events", ""),
            ("//apps/1/events", "/"),
            ("///apps/1/events", "//"),
            ("/ws//apps/1/events", "ws//"),
            ("/some/prefix/apps/1/events", "some/prefix/"),
            ("/p%C3%A9/apps/1/channels/a%3Bb", "p\u00e9/"),
            ("/app/apps/1/events", "app/"),
            ("/xapps/apps/1/events", "xapps/"),
            ("/.../apps/1/channels/a..b", ".../"),
            ("/apps/1/channels/apps/users", ""),
        ],
    )
    def test_plain(self, raw: str, prefix: str) -> None:
        check_path(raw, prefix, "apps", once=True)

    @pytest.mark.parametrize(
        "raw,prefix",
        [
            ("/../apps/1/events", "../"),
            ("/x/../apps/1/events", "x/../"),
            ("/./apps/1/events", "./"),
            ("/x/%2e%2E/apps/1/x", "x/../"),
            ("/apps/1/..", ""),
            ("/apps/1/%2e/events", ""),
            ("/%61pps/1/events", ""),
            ("/ap%70s/1/channels/apps/users", ""),
            ("/x%2Fapps/1/events", "x/"),
            ("/x%2Fy/apps/1/events", "x/y/"),
            ("/apps/1/apps/2/events", "apps/1/"),
            ("/apps/apps/1/events", "apps/"),
        ],
    )
    def test_odd(self, raw: str, prefix: str) -> None:
        with pytest.raises(OddPath):
            check_path(raw, prefix, "apps", once=True)

    @pytest.mark.parametrize(
        "raw,prefix,is_plain",
        [
            ("/presence/apps/1/online", "", True),
            ("/ws//presence/apps/1/online", "ws//", True),
            ("/apps/2/presence/apps/1/online", "apps/2/", True),
            ("/presence/presence/apps/1/online", "presence/", True),
            ("/presence/%61pps/1/online", "", False),
            ("/presence%2Fapps/1/online", "", False),
            ("/presence/apps/2/presence/apps/1/online", "presence/apps/2/", False),
            ("/../presence/apps/1/online", "../", False),
        ],
    )
    def test_two_words(self, raw: str, prefix: str, *, is_plain: bool) -> None:
        """Two words together are found as one is."""
        with nullcontext() if is_plain else pytest.raises(OddPath):
            check_path(raw, prefix, "presence/apps", once=True)

    def test_twice(self) -> None:
        """A prefix may be called as what follows it, where nothing is signed."""
        check_path("/app/app/key", "app/", "app")
        with pytest.raises(OddPath):
            check_path("/app/../app/key", "app/../", "app")


@pytest.mark.parametrize(
    "raw,expected",
    [
        ("/apps/1/events", {"/apps/1/events"}),
        ("//apps/1/events", {"//apps/1/events", "/apps/1/events"}),
        (
            "/p%C3%A9/apps/1/channels/a%3Bb",
            {
                "/p%C3%A9/apps/1/channels/a%3Bb",
                "/p\u00e9/apps/1/channels/a;b",
                "/apps/1/channels/a%3Bb",
                "/apps/1/channels/a;b",
            },
        ),
    ],
)
def test_spellings(raw: str, expected: set[str]) -> None:
    """As sent or decoded, with the prefix or without it: all four."""
    assert set(spellings(raw, "apps")) == expected


def test_spellings_of_two_words() -> None:
    """Without the prefix, but never without the first of the words."""
    assert set(spellings("/ws/presence/apps/1/users/a%3Bb", "presence/apps")) == {
        "/ws/presence/apps/1/users/a%3Bb",
        "/ws/presence/apps/1/users/a;b",
        "/presence/apps/1/users/a%3Bb",
        "/presence/apps/1/users/a;b",
    }


@pytest.mark.parametrize(
    "path,expected",
    [
        ("/broadcastingauth", "/broadcasting/auth"),
        ("/pusher/authh", "/pusher/auth"),
        ("/v1/pusher/auth", "/pusher/auth"),
        ("/apps/0123456789abcdef/event", "/apps/{app_id}/events"),
        ("/app/", "/app/{key}"),
        ("/favicon.ico", ""),
        ("/x", ""),
        ("/apps/1/nothing", ""),
        ("/pusher/auth" + "h" * 100, ""),
    ],
)
def test_meant(path: str, expected: str) -> None:
    """The likest of all that are known is meant, or none, and never one that takes all paths."""
    users = "/presence/apps/{app_id}/users"
    known = ["/", "/{path}", "/{prefix}app/{key}", "/{prefix}apps/{app_id}/events"]

    assert meant(path, [*known, "/pusher/auth", "/broadcasting/auth", users]) == expected
