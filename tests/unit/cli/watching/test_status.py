"""What `fanfare status` needs of the settings."""

import pytest

from libs.common.errors import Misconfigured
from services.cli.watching.status import check_shared, unread
from services.settings import load

REDIS = {"FANFARE_BACKENDS_CONTROL": "redis://u:hush@h"}


def test_without_apps() -> None:
    """Who looks on from elsewhere needs no app; everybody else does."""
    settings = load(path=None, environ=REDIS, needs_apps=False)

    assert settings.apps == ()
    check_shared(settings)
    with pytest.raises(Misconfigured, match="so there are no apps: try"):
        load(path=None, environ=REDIS)


def test_memory() -> None:
    with pytest.raises(Misconfigured, match=r"backends\.control is memory:"):
        check_shared(load(path=None, environ={}, needs_apps=False))


@pytest.mark.parametrize(
    "error,said", [(TimeoutError(), "no answer within 8 s"), (OSError("refused"), "refused")]
)
def test_unread(error: Exception, said: str) -> None:
    """Where Redis is away it is named, without the password."""
    settings = load(path=None, environ=REDIS, needs_apps=False)

    assert unread(settings, error) == f"backends.control: redis://h cannot be used: {said}"
