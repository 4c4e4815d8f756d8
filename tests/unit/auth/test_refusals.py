"""Refusals of auth in the log."""

import pytest
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from libs.common.errors import Denied, Forbidden, Unavailable, kind_of_refusal
from libs.common.web.entrance import name_app
from libs.common.web.http import Refusable
from services.auth.refusals import note_refusal


class Known(Forbidden):
    """A refusal with something for operators alone."""

    facts = {"reason": "left", "user": "7"}  # noqa: RUF012 - as the class has it.


@pytest.mark.parametrize(
    "error, told",
    [
        (Known("you may not"), {"status": 403, "reason": "left", "user": "7"}),
        (Denied("no"), {"status": 401, "reason": "no"}),
        (Unavailable("bus"), {"status": 503, "reason": "the bus backend is unavailable"}),
    ],
)
def test_told(error: Refusable, told: dict[str, object]) -> None:
    """
    Operators are told what peers are, and by name what those are not.
    """
    with capture_logs() as logs:
        note_refusal(make_mocked_request("POST", "/x"), error)

    (line,) = logs
    assert line == {
        "event": "auth.refused",
        "log_level": "info",
        "path": "/x",
        "address": "",
        "pace_by": kind_of_refusal(error),
        **told,
    }


def test_told_who() -> None:
    """The app that a request names is told with what it is refused, if that names none."""
    request = make_mocked_request("POST", "/x")
    name_app(request, "1")
    with capture_logs() as logs:
        note_refusal(request, Denied("no"))

    assert logs[0]["app"] == "1"
