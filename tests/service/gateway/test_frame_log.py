"""Frames of a real gateway in the log, while somebody wants to see them."""

from structlog.testing import capture_logs

from libs.common.debugging.orders import Watched
from tests.support.fakes.logs import events
from tests.support.services.gateway import place


async def test_both_ways() -> None:
    """
    What a client says, what it is told alone, and what all subscribers are told: the last once, with their number.
    """
    async with place() as here:
        here.gateway.frames.watch([Watched("1", "room")])
        with capture_logs() as logs:
            first = await here.join("room")
            second = await here.join("room")
            await here.publish("room", '{"n":1}')
            await second.expect("news", "room")
            await first.expect("news", "room")
            here.gateway.frames.watch([])
            await here.publish("room", '{"n":2}')
            await second.expect("news", "room")

    assert [line["frame"] for line in events(logs, "frame.received")] == [
        '{"event":"pusher:subscribe","data":{"channel":"room","auth":"***"}}'
    ] * 2
    *alone, shared = events(logs, "frame.sent")
    assert ["succeeded" in line["frame"] for line in alone] == [True, True]
    assert (shared["recipients"], shared["channel"]) == (2, "room")
    assert "socket_id" not in shared
