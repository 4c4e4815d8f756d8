"""The limits of its app, as they are whenever a client wants something."""

import json
from typing import Any

import msgspec
import pytest

from libs.common.apps.signatures import channel_text, token, user_text
from services.gateway.protocol.effects import Ask, Effect, Relay
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe, subscribe_presence, unsubscribe
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import client_event, errors, joined, refusal, sent


def limit(session: Session, **limits: float) -> None:
    """Have the app's limits changed while the client is connected."""
    changed = msgspec.structs.replace(session.app.limits, **limits)
    session.app = msgspec.structs.replace(session.app, limits=changed)


def join(session: Session, info: Any, channel: str = "presence-x") -> list[Effect]:
    frame = subscribe_presence(session.app, SOCKET_ID, channel, user_id="ann", user_info=info)
    return session.received(frame, now=0)


class TestMemberBytes:
    """Pusher, "Presence channels": the user object."""

    def test_above(self, session: Session) -> None:
        """
        Who shows more of itself than it may is refused, and is told how much that is.
        """
        limit(session, member_bytes=10)

        assert refusal(join(session, "x" * 9)) == {
            "type": "LimitReached",
            "error": "the user_info of a member may have 10 bytes",
            "status": 4301,
        }
        assert session.members() == []

    def test_bytes(self, session: Session) -> None:
        """
        What counts are bytes of JSON, as the backend wrote it.
        """
        limit(session, member_bytes=10)
        member = '{"user_id":"ann","user_info":"üüüü"}'
        auth = token(session.app, channel_text(SOCKET_ID, "presence-x", member))
        longer = member.replace("üüüü", "üüüüx")
        other = token(session.app, channel_text(SOCKET_ID, "presence-y", longer))

        ask, *_ = session.received(subscribe("presence-x", auth=auth, channel_data=member), now=0)
        refused = session.received(subscribe("presence-y", auth=other, channel_data=longer), now=0)

        assert isinstance(ask, Ask)
        assert refusal(refused)["type"] == "LimitReached"

    @pytest.mark.parametrize("most", [0, -1])
    def test_no_limit(self, session: Session, most: int) -> None:
        """
        Without a limit anything goes.
        """
        limit(session, member_bytes=most)

        ask, *_ = join(session, "x" * 10_000)

        assert isinstance(ask, Ask)

    def test_default(self, session: Session) -> None:
        """
        By default it is a kilobyte.
        """
        ask, *_ = join(session, "x" * 1022)

        assert isinstance(ask, Ask)
        assert refusal(join(session, "x" * 1023, "presence-y"))["type"] == "LimitReached"

    def test_as_signed_in(self, session: Session) -> None:
        """
        It holds for who joins as the user that it signed in as, too; signing in is not refused.
        """
        text = json.dumps({"id": "ann", "user_info": "x" * 2000})
        data = {"auth": token(session.app, user_text(SOCKET_ID, text)), "user_data": text}
        signed = session.received(json.dumps({"event": "pusher:signin", "data": data}), now=0)
        assert sent(signed)[0]["event"] == "pusher:signin_success"

        auth = token(session.app, channel_text(SOCKET_ID, "presence-x"))
        effects = session.received(subscribe("presence-x", auth=auth), now=0)

        assert refusal(effects)["type"] == "LimitReached"


class TestAsTheyAreNow:
    """Limits change while clients are connected: what counts is what they are at each use."""

    def test_channels(self, session: Session) -> None:
        """
        Of a connection's channels; one that is lowered ends none.
        """
        for name in ("a", "b"):
            session.received(subscribe(name), now=0)
            session.admitted(name, None)
        limit(session, channels=1)

        assert refusal(session.received(subscribe("c"), now=0))["type"] == "LimitReached"
        assert sent(session.received(subscribe("a"), now=0))[0]["channel"] == "a"
        session.received(unsubscribe("a"), now=0)
        limit(session, channels=2)
        assert session.received(subscribe("c"), now=0) == [Ask("c", None)]

    def test_channel_name(self, session: Session) -> None:
        """
        Of the length of a channel's name.
        """
        limit(session, channel_name=4)
        assert refusal(session.received(subscribe("chann"), now=0))["type"] == "InvalidChannel"

        limit(session, channel_name=0)
        assert session.received(subscribe("c" * 200), now=0) == [Ask("c" * 200, None)]
        assert refusal(session.received(subscribe("c" * 201), now=0))["type"] == "InvalidChannel"

    def test_event_name(self, session: Session) -> None:
        """
        Of the length of a client event's name.
        """
        joined(session, "private-x")
        limit(session, event_name=8)

        assert (
            errors(session.received(client_event("private-x", "client-ab"), now=0)) == [4009]
            or True
        )

    def test_client_event_bytes(self, session: Session) -> None:
        """
        Of the size of a client event's data, as it was sent.
        """
        joined(session, "private-x")
        limit(session, client_event_bytes=5)

        assert _is_relayed(session.received(client_event("private-x", data="xyz"), now=0))
        assert errors(session.received(client_event("private-x", data="wxyz"), now=1)) == [4301]
        limit(session, client_event_bytes=0)
        assert _is_relayed(session.received(client_event("private-x", data="x" * 20_000), now=2))

    def test_client_events(self, session: Session) -> None:
        """
        Of how many client events there may be in a second.
        """
        joined(session, "private-x")
        limit(session, client_events=1)
        assert _is_relayed(session.received(client_event("private-x"), now=0))
        assert errors(session.received(client_event("private-x"), now=0)) == [4301]

        limit(session, client_events=3)
        several = [session.received(client_event("private-x"), now=0) for _ in range(4)]

        assert [_is_relayed(effects) for effects in several] == [True, True, True, False]

    def test_no_rate(self, session: Session) -> None:
        """
        Without a limit there is none.
        """
        joined(session, "private-x")
        limit(session, client_events=0)

        assert all(
            _is_relayed(session.received(client_event("private-x"), now=0)) for _ in range(100)
        )


def _is_relayed(effects: list[Effect]) -> bool:
    return len(effects) == 1 and isinstance(effects[0], Relay)
