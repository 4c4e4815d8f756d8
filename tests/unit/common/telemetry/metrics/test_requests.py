"""HTTP in numbers: each answer is counted, a WebSocket is none."""

import logging
from typing import Any

import pytest
from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod
from aiohttp.test_utils import make_mocked_request

from libs.common.telemetry.metrics.requests import RequestMetrics


async def told(*answers: web.StreamResponse, **headers: str) -> dict[str, Any]:
    """Give these answers, and return what is counted."""
    measured = RequestMetrics()
    count = measured.counting()
    for answer in answers:

        async def handler(_: web.Request, given: web.StreamResponse = answer) -> web.StreamResponse:
            return given

        assert await count(make_mocked_request("GET", "/", headers=headers), handler) is answer
    return {each.family.name: dict(each.values) for each in measured.metrics()}


async def test_answers() -> None:
    values = await told(web.Response(), web.Response(status=503), web.Response())

    counted = values["fanfare_http_requests_total"]
    assert {key: value for key, value in counted.items() if value} == {("200",): 2, ("503",): 1}
    assert counted["500",] == 0
    assert values["fanfare_http_request_seconds"][()].count == 3


async def test_websocket() -> None:
    """
    It lasts for hours, and says nothing of how long answers take.
    """
    values = await told(web.WebSocketResponse(), **{hdrs.UPGRADE: "websocket"})

    assert not any(values["fanfare_http_requests_total"].values())
    assert values["fanfare_http_request_seconds"][()].count == 0


async def test_other_upgrade() -> None:
    """
    A client that offers HTTP/2 is answered in HTTP/1.1, and counted.
    """
    values = await told(web.Response(), **{hdrs.UPGRADE: "h2c"})

    assert values["fanfare_http_requests_total"]["200",] == 1


class TestFrameworkLog:
    """What aiohttp says of requests is told or counted."""

    def test_malformed(self, caplog: pytest.LogCaptureFixture) -> None:
        """A request that is no HTTP is counted, and said nowhere, at no level."""
        caplog.set_level(logging.DEBUG)
        measured = RequestMetrics()
        log = measured.framework_log()

        log.error("Error handling request", exc_info=BadHttpMessage("hush"))
        log.debug("Error handling request", exc_info=BadHttpMethod("hush"))

        requests, _ = measured.metrics()
        assert requests.values["400",] == 2
        assert caplog.records == []

    def test_faults(self, caplog: pytest.LogCaptureFixture) -> None:
        """What else it complains of is written, as aiohttp's."""
        log = RequestMetrics().framework_log()

        log.error("a handler failed", exc_info=RuntimeError("ours"))
        log.debug("it goes on")

        assert [(each.name, each.getMessage()) for each in caplog.records] == [
            ("aiohttp.server", "a handler failed")
        ]
