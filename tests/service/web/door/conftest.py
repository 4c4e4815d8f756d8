"""What tests of the front door begin with: it is quiet, whatever peers do."""

import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.fakes.logs import Logs


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Logs]:
    """Yield the lines of the log; none may be an error's, nor any of another library's a warning."""
    caplog.set_level(logging.DEBUG, "aiohttp")
    with capture_logs() as lines:
        yield lines
    assert [line for line in lines if line["log_level"] == "error"] == []
    foreign = [*caplog.get_records("call"), *caplog.records]
    assert [each.getMessage() for each in foreign if each.levelno >= logging.WARNING] == []
