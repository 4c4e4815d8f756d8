"""HTTP in numbers: each answer is counted, a WebSocket is none."""

from typing import Any

from aiohttp import hdrs, web
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
