"""PostgreSQL's URLs are checked before anything connects, and no message repeats a password."""

import pytest

from libs.common.errors import Misconfigured
from libs.common.postgres.address import options


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgres://user:pass%40word@host:5432/db",
        "postgresql:///db",
        "postgresql://%2Frun%2Fpostgresql/db",
        "postgresql://[::1]:5432/db?sslmode=require",
        "postgresql://a:5432,b:5433/db?target_session_attrs=read-write",
        "postgresql://host/db?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://host/db?options=-csearch_path%3Dfanfare",
    ],
)
def test_accepted(url: str) -> None:
    """What libpq understands is accepted."""
    assert isinstance(options(url), dict)


def test_options() -> None:
    """The options are returned."""
    url = "postgresql://host/db?sslmode=verify-ca&sslrootcert=/a%20b.pem"

    assert options(url) == {"sslmode": "verify-ca", "sslrootcert": "/a b.pem"}


@pytest.mark.parametrize(
    "url,why",
    [
        ("hush", "begins with postgresql://"),
        ("mysql://hush@host/db", "begins with postgresql://"),
        ("postgresql://u:hush@host:x/db", "port"),
        ("postgresql://u:hush@host:99999/db", "port"),
        ("postgresql://u:hu/sh@host/db", "percent-encoded"),
        ("postgresql://u:hu#sh@host/db", "percent-encoded"),
        ("postgresql://u:hush@host/db?sslmode=yes", "sslmode is one of disable"),
        ("postgresql://u:hush@host/db?sslmode=verify-full", "needs sslrootcert"),
        ("postgresql://u:hush@host/db?ssl=true", "no option 'ssl'"),
        ("postgresql://u:hush@host/db?sslmode", "malformed"),
        ("postgresql://u:hu?hush=sh@host/db", "percent-encoded"),
        ("postgresql://u/hush:5432/db", "percent-encoded"),
        ("postgresql://u/hush/db", "percent-encoded"),
        ("postgresql://u;hush;host/db", "name or an address"),
        ("postgresql://host/db?hush2=1", "no such option"),
        ("postgresql://u:hush@[host/db", "malformed"),
    ],
)
def test_refused(url: str, why: str) -> None:
    """What cannot work is refused with the reason, and without the password."""
    with pytest.raises(Misconfigured, match=why) as raised:
        options(url)

    assert "hush" not in str(raised.value)
    assert "sh@" not in str(raised.value)
