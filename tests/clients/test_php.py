"""Requests of pusher-http-php, replayed as its own tests and Laravel send them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.clients.php import NAMES, Recorded, recorded, replay
from tests.clients.sdks import eventually
from tests.support.clients.visitors import Visitor
from tests.support.deployments.deployment import Deployment


@pytest.fixture(params=NAMES)
def request_of_php(request: pytest.FixtureRequest) -> Recorded:
    """Return each recorded request in its turn."""
    return recorded(request.param)


async def test_replayed(
    deployment: Deployment, guests: tuple[Visitor, Visitor], request_of_php: Recorded
) -> None:
    """
    The answer is the one that the SDK expects, and clients get the data byte for byte, on each gateway.
    """
    ann, bob = guests
    for place in request_of_php.joined:
        await ann.join(place["channel"], user=place["user"])
    for guest in guests:
        for channel in request_of_php.channels:
            await guest.join(channel)
    host = deployment.dispatcher.url

    await _check_answer(host, request_of_php, ann.socket_id)
    if request_of_php.excludes:  # What comes of this one tells that nothing came of the other.
        await _check_answer(host, request_of_php, "1.1")

    for guest, times in ((ann, 1), (bob, 1 + request_of_php.excludes)):
        for event in request_of_php.heard:
            await _check_heard(guest, event, times)


async def test_repeated(deployment: Deployment, guests: tuple[Visitor, Visitor], room: str) -> None:
    """
    What is sent again under its `X-Idempotency-Key` is answered alike, and heard once.
    """
    plain = recorded("trigger")
    request = replace(plain, headers={**plain.headers, "X-Idempotency-Key": room})
    other = replace(request, body=request.body.replace("moved", "left"))
    for guest in guests:
        await guest.join("php-trigger")

    answers = [
        await replay(deployment.dispatcher.url, each) for each in (request, request, other, plain)
    ]

    assert [status for status, _ in answers] == [200, 200, 409, 200]
    assert answers[0] == answers[1]
    for guest in guests:
        await guest.until_number("php-trigger", 2)
        assert len(guest.heard("php-trigger")) == 2


async def _check_answer(host: str, request: Recorded, socket_id: str) -> None:
    if isinstance(request.answer, str):
        status, text = await replay(host, request, socket_id=socket_id)
        assert status == request.status
        assert request.answer in text
        return

    async def ask() -> tuple[int, Any]:
        status, text = await replay(host, request, socket_id=socket_id)
        return status, json.loads(text)

    if request.joined:
        await eventually(ask, (request.status, request.answer))
    else:
        assert await ask() == (request.status, request.answer)


async def _check_heard(guest: Visitor, event: dict[str, str], times: int) -> None:
    channel = event["channel"]
    await guest.until_number(channel, times)
    assert guest.texts(channel) == [event["data"]] * times
    names = {frame["event"] for frame in guest.frames if frame.get("channel") == channel}
    assert event["event"] in names
