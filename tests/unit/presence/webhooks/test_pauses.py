"""For how long a receiver asks not to be called: RFC 9110, 10.2.3."""

import pytest

from services.presence.webhooks.pauses import LONGEST, asked_pause

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, as in RFC 9110, 5.6.7.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
def test_statuses(status: int) -> None:
    assert asked_pause(status, "120", now=NOW) == 120.0


@pytest.mark.parametrize("status", [200, 302, 400, 408, 410])
def test_other_statuses(status: int) -> None:
    """They say nothing of a load, and where it belongs to a redirection, none is followed."""
    assert asked_pause(status, "120", now=NOW) == 0.0


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("31536000", LONGEST),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:49:38 1994", 1.0),
    ],
)
def test_said(text: str, seconds: float) -> None:
    """Seconds, or a date in any form that RFC 9110 has."""
    assert asked_pause(503, text, now=NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "1.5",
        "soon",
        "\u0664",  # A digit, to Python.
        "31536001",
        "9" * 8000,
        "Sun, 06 Nov 1994 08:49:27 GMT",
        "Sun, 99 Nov 1994 08:49:27 GMT",
        "Sun, 06 Nov 1994 08:49:37 +99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "x" * 8000,
    ],
)
def test_mad(text: str) -> None:
    """What is no pause, over already, or longer than a year, is as if nothing was said."""
    assert asked_pause(503, text, now=NOW) == 0.0
