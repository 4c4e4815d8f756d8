"""Frames in the log."""

import pytest
from structlog.testing import capture_logs

from libs.common.channels import Channel
from libs.common.debugging.orders import Watched
from services.gateway.frame_log import RATE, FrameLog
from tests.support.fakes.logs import Logs

ROOM = Channel("1", "room")
EVENT = b'{"event":"news","channel":"room","data":"{}"}'
SUBSCRIBE = b'{"event":"pusher:subscribe","data":{"channel":"room","auth":"opaque"}}'


@pytest.fixture
def frames() -> FrameLog:
    """A frame log whose clock stands still."""
    return FrameLog(lambda: 100.0)


def shown(frames: FrameLog) -> Logs:
    """Let some frames pass, and return what was shown."""
    with capture_logs() as logs:
        frames.received("1", "1.1", SUBSCRIBE)
        frames.received("1", "1.1", b'{"event":"pusher:ping"}')
        frames.answered("1", "1.1", b'{"event":"x","channel":"other","data":"room"}')
        frames.received("2", "2.2", SUBSCRIBE)
        frames.fanned_out(ROOM, EVENT, recipients=3)
        frames.fanned_out(Channel("1", "other"), EVENT, recipients=4)
    return logs


def test_nothing(frames: FrameLog) -> None:
    assert not frames.is_on
    assert shown(frames) == []


def test_channel(frames: FrameLog) -> None:
    """
    Of a channel those are shown that are about it: from and to one client, and to all subscribers in one line.
    """
    frames.watch([Watched("1", "room")])
    received, sent = shown(frames)

    assert frames.is_on
    assert received == {
        "event": "frame.received",
        "log_level": "info",
        "app": "1",
        "channel": "room",
        "socket_id": "1.1",
        "size": len(SUBSCRIBE),
        "frame": '{"event":"pusher:subscribe","data":{"channel":"room","auth":"***"}}',
    }
    assert (sent["event"], sent["recipients"], sent["channel"]) == ("frame.sent", 3, "room")
    assert sent["frame"] == EVENT.decode()


def test_app(frames: FrameLog) -> None:
    """
    Of an app all frames are shown, and none of another.
    """
    frames.watch([Watched("1", "")])
    logs = shown(frames)

    assert [line["event"] for line in logs] == [
        "frame.received",
        "frame.received",
        "frame.sent",
        "frame.sent",
        "frame.sent",
    ]
    assert {line["app"] for line in logs} == {"1"}


def test_no_more(frames: FrameLog) -> None:
    frames.watch([Watched("1", "room")])
    frames.watch([])

    assert not frames.is_on
    assert shown(frames) == []


def test_paced() -> None:
    """
    Of many frames only so many are shown in a second; the next line tells how many were not.
    """
    now = 100.0
    frames = FrameLog(lambda: now)
    frames.watch([Watched("1", "")])
    with capture_logs() as logs:
        for _ in range(round(RATE) + 5):
            frames.fanned_out(ROOM, EVENT, recipients=1)
        now += 1.0
        frames.received("1", "1.1", SUBSCRIBE)
        frames.received("1", "1.1", SUBSCRIBE)

    assert len(logs) == RATE + 2
    assert [line.get("skipped") for line in logs[-3:]] == [None, 5, None]
