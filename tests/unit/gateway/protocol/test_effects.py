"""What sessions want done, and what clients are told then."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from libs.common.errors import Denied, Forbidden, Invalid
from services.gateway.protocol.effects import Refuse, Send, error_told, refusal_of, refusal_told
from services.gateway.protocol.limits import (
    TooManyChannels,
    TooManyClientEvents,
    TooMuchUserInfo,
)


class Secretive(Forbidden):
    """A refusal of which operators are told more."""

    detail = "the second policy"
    facts = MappingProxyType({"hint": "a policy's", "more": "not for a line about channels"})


def told(frame: bytes) -> dict[str, Any]:
    """Read a frame, and its data if they are a text."""
    read: dict[str, Any] = json.loads(frame)
    data = read["data"]
    return read | {"data": json.loads(data) if isinstance(data, str) else data}


class TestRefusal:
    """Pusher, ``pusher:subscription_error``."""

    @pytest.mark.parametrize(
        "error,kind,status",
        [
            (Denied("no"), "AuthError", 401),
            (Forbidden("no"), "AuthError", 403),
            (TooMuchUserInfo(10), "LimitReached", 4301),
            (TooManyChannels(10), "LimitReached", 400),
            (Invalid("no"), "InvalidChannel", 400),
        ],
    )
    def test_kinds(self, error: Denied | Invalid, kind: str, status: int) -> None:
        refusal = refusal_of(error)

        assert (refusal.kind, refusal.status, refusal.detail) == (kind, status, "")
        assert refusal.message == str(error)

    def test_limit(self) -> None:
        """It says which limit was reached; the size of an object is none of those counted."""
        assert refusal_of(TooManyChannels(10)).limit == "channels"
        assert refusal_of(TooMuchUserInfo(10)).limit == refusal_of(Invalid("no")).limit == ""
        assert error_told(TooManyClientEvents(10)).limit == "client_events"
        assert error_told(Invalid("no")).limit == ""

    def test_detail(self) -> None:
        """What operators alone are told is not in the frame."""
        refuse = refusal_told("private-a", Secretive("no"))

        assert (refuse.refusal.detail, refuse.refusal.hint) == ("the second policy", "a policy's")
        assert b"policy" not in refuse.frame

    def test_frame(self) -> None:
        refuse = refusal_told("private-a", Denied("no"))

        assert isinstance(refuse, Refuse)
        assert told(refuse.frame) == {
            "event": "pusher:subscription_error",
            "channel": "private-a",
            "data": {"type": "AuthError", "error": "no", "status": 401},
        }


class TestError:
    """Pusher, ``pusher:error``."""

    def test_frame(self) -> None:
        """The code says what kind of mistake it was."""
        effect = error_told(Denied("no"))

        assert isinstance(effect, Send)
        assert told(effect.frame) == {
            "event": "pusher:error",
            "data": {"code": 4009, "message": "no"},
        }
