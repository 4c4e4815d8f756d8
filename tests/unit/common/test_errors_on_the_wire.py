"""The exception tree."""

import pytest

from libs.common.errors import Denied, Forbidden, Invalid, Misconfigured, Unavailable


@pytest.mark.parametrize(
    "error,code,status,retry_after",
    [
        (Invalid, 4300, 400, 0),
        (Denied, 4009, 401, 0),
        (Forbidden, 4009, 403, 0),
        (Unavailable, 4100, 503, 1),
    ],
)
def test_on_the_wire(error: type[Invalid], code: int, status: int, retry_after: float) -> None:
    """Codes tell a Pusher client whether to come back, statuses an HTTP client; only what is away may be tried again."""
    assert (error.code, error.status, error.retry_after) == (code, status, retry_after)


def test_branches() -> None:
    """The four branches are apart: whoever catches one does not catch another."""
    branches = [Invalid, Denied, Unavailable, Misconfigured]

    for branch in branches:
        others = tuple(each for each in branches if each is not branch)
        assert not issubclass(branch, others)


def test_unavailable() -> None:
    """It says which backend."""
    error = Unavailable("bus")

    assert (error.backend, str(error)) == ("bus", "the bus backend is unavailable")
