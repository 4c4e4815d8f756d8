"""Paths below a proxy's prefix."""

import pytest

from libs.common.web.paths import OddPath, check_path, spellings


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
