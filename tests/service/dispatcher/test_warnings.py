"""What a back end that posts CloudEvents is told at once: that one will reach nobody, and why."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.dispatcher.routing import outlook
from services.dispatcher.settings import Route
from tests.service.dispatcher.test_api import AUTHORIZED, STRUCTURED, posted
from tests.support.clients.back_ends import cloudevent
from tests.support.services.dispatcher import served_dispatcher

ROUTE = Route(name="low", app="1", type="step.*", channels=("rooms.{data.room}",), event="step")


@pytest.mark.parametrize(
    "routes,changes,answer",
    [
        ((ROUTE,), {"data": {"room": "a"}}, {"accepted": 1}),
        (
            (ROUTE,),
            {"type": "other"},
            {
                "accepted": 1,
                "warnings": ["nobody gets it: no route of the topic 'posted' is for its type"],
            },
        ),
        (
            (ROUTE,),
            {"data": {"n": 1}},
            {
                "accepted": 1,
                "warnings": [
                    "it becomes a dead letter: route 'low', channels[0] = 'rooms.{data.room}': 'data.room': 'room' is absent"
                ],
            },
        ),
        (
            (),
            {},
            {"accepted": 1, "warnings": ["nobody gets it: no route reads the topic 'posted'"]},
        ),
    ],
)
async def test_answer(
    routes: Sequence[Route], changes: dict[str, Any], answer: dict[str, Any]
) -> None:
    async with served_dispatcher(routes=routes) as here:
        body = json.dumps(cloudevent(None) | changes).encode()
        got = await posted(here.url + "/events", body, **AUTHORIZED, **{"Content-Type": STRUCTURED})
        stored = await here.events.records("posted", 1)

    assert (got.status, got.body) == (202, answer)
    assert stored[0].value == body


async def test_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is accepted, whatever becomes of the look at it: else it would be sent again."""

    def trips(*_: object, **__: object) -> list[str]:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(outlook, "warnings", trips)
    with capture_logs() as logs:
        async with served_dispatcher(routes=[ROUTE]) as here:
            body = json.dumps(cloudevent({"room": "a"})).encode()
            got = await posted(
                here.url + "/events", body, **AUTHORIZED, **{"Content-Type": STRUCTURED}
            )

    assert (got.status, got.body) == (202, {"accepted": 1})
    assert [each["log_level"] for each in logs if each["event"] == "warnings.failed"] == ["error"]
