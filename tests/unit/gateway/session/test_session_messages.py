"""The protocol of one connection: client events, nonsense, silence and the end."""

import json

import pytest
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.channels import kind_of
from libs.common.config.secret import Secret
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Leave, Ping, Relay, Send
from services.gateway.protocol.keepalive import PONG_NOT_RECEIVED
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe, subscribe_presence
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import client_event, errors, joined


class TestClientEvents:
    """docs/protocol.md, "Client events"."""

    def test_relayed(self, session: Session) -> None:
        """
        It goes to the others as it is, with its data as a string, and without what the sender forged.
        """
        joined(session, "private-1")

        frame = client_event("private-1", data={"a": 1}, user_id="forged", extra=1)
        (relay,) = session.received(frame, now=0)

        assert isinstance(relay, Relay)
        assert json.loads(relay.frame) == {
            "event": "client-typing",
            "channel": "private-1",
            "data": '{"a": 1}',
        }

    def test_member(self, session: Session) -> None:
        """
        On a presence channel it carries the sender's authenticated id.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)
        session.admitted("presence-x", frames.joined("presence-x", {"1": "null"}))

        (relay,) = session.received(client_event("presence-x", data="hi", user_id="2"), now=0)

        assert isinstance(relay, Relay)
        assert json.loads(relay.frame)["user_id"] == "1"
        assert json.loads(relay.frame)["data"] == "hi"

    def test_without_data(self, session: Session) -> None:
        """
        Data may be left out.
        """
        joined(session, "private-1")

        frame = json.dumps({"event": "client-x", "channel": "private-1"})
        (relay,) = session.received(frame, now=0)

        assert isinstance(relay, Relay)
        assert "data" not in json.loads(relay.frame)

    @pytest.mark.parametrize(
        "channel", ["news", "private-encrypted-1", "private-2", "#server-to-user-1"]
    )
    def test_where_it_may_not(self, session: Session, channel: str) -> None:
        """
        Public, encrypted and unjoined channels take none.
        """
        session.received(subscribe("news"), now=0)
        session.admitted("news", None)

        assert errors(session.received(client_event(channel), now=0)) == [4301]

    def test_switched_off(self, settings: GatewaySettings) -> None:
        """
        An app may have none.
        """
        app = App(id="1", key="app-key", secrets=(Secret("s"),), client_events=False)
        session = joined(Session(app, SOCKET_ID, settings, now=0, verifier=verifier()), "private-1")

        assert errors(session.received(client_event("private-1"), now=0)) == [4301]

    def test_rate(self, session: Session) -> None:
        """
        Above the rate they are refused with 4301; a second later they flow again.
        """
        joined(session, "private-1")
        outcomes = [
            bool(errors(session.received(client_event("private-1"), now=0.0))) for _ in range(3)
        ]

        assert outcomes == [False, False, True]
        assert errors(session.received(client_event("private-1"), now=1.0)) == []

    def test_another_rate(self, session: Session) -> None:
        """
        A limit of the app that was changed counts for connections that are open.
        """
        joined(session, "private-1")
        first = [errors(session.received(client_event("private-1"), now=0.0)) for _ in range(3)]
        session.app = structs.replace(session.app, limits=Limits(client_events=5))

        more = [errors(session.received(client_event("private-1"), now=0.0)) for _ in range(6)]

        assert first == [[], [], [4301]]
        assert more == [[], [], [], [], [], [4301]]

    @pytest.mark.parametrize("limit", [0, -1])
    def test_without_limits(self, session: Session, limit: int) -> None:
        """
        Where the app has no limits of rate and size, any number and size will do; names keep a ceiling.
        """
        free = Limits(client_events=limit, client_event_bytes=limit, event_name=limit)
        session.app = structs.replace(session.app, limits=free)
        joined(session, "private-1")
        longest = "client-" + "x" * 193

        for _ in range(50):
            event = client_event("private-1", longest, data="x" * 20_000)
            assert errors(session.received(event, now=0)) == []
        assert errors(session.received(client_event("private-1", longest + "x"), now=0)) == [4300]

    def test_too_long(self, session: Session) -> None:
        """
        Names and data have bounds.
        """
        joined(session, "private-1")

        assert errors(session.received(client_event("private-1", "client-" + "x" * 200), now=0))
        assert errors(session.received(client_event("private-1", data="x" * 10_240), now=0))

    @pytest.mark.parametrize("data", [b'"\xff"', b'{"a":"\xff"}', b'"\xed\xa0\x80"'])
    def test_not_text(self, session: Session, data: bytes) -> None:
        """
        Data that is not UTF-8 is a fault of the client, told like any other.
        """
        joined(session, "private-1")

        frame = b'{"event":"client-x","channel":"private-1","data":' + data + b"}"

        assert errors(session.received(frame, now=0)) == [4300]

    def test_unbounded_name(self, session: Session) -> None:
        """
        The name of a channel that was not joined is not kept anywhere, however long it is.
        """
        known = kind_of.cache_info().currsize

        assert errors(session.received(client_event("private-" + "x" * 10_000), now=0)) == [4301]
        assert kind_of.cache_info().currsize == known

    def test_null_channel(self, session: Session) -> None:
        """
        A client event without a channel is a fault that is told.
        """
        assert errors(session.received('{"event":"client-x","data":{}}', now=0)) == [4301]


class TestBadInput:
    """What is no message, or not the client's to send: told, and survived."""

    @pytest.mark.parametrize(
        "frame",
        [
            "",
            "nonsense",
            "[]",
            "null",
            "{}",
            '{"event":1}',
            '{"event":"pusher:subscribe"}',
            '{"event":"pusher:subscribe","data":""}',
            '{"event":"pusher:subscribe","data":[]}',
            '{"event":"pusher:subscribe","data":{"channel":1}}',
            '{"event":"pusher:unsubscribe"}',
            '{"event":"pusher:nonsense","data":{}}',
            '{"event":"pusher_internal:subscription_succeeded","data":{}}',
            '{"event":"fanfare:resync","data":{}}',
            '{"event":"hello"}',
            "[" * 100_000,
            '{"event":"client-x","channel":"private-x","data":' + "[" * 100_000,
        ],
    )
    def test_told(self, session: Session, frame: str) -> None:
        """
        The answer is an error of the 4300 range: the client stays, and may go on.
        """
        (code,) = errors(session.received(frame, now=0))

        assert 4300 <= code <= 4399


class TestLiveness:
    """docs/protocol.md, "Liveness"."""

    def test_ping(self, session: Session) -> None:
        """
        The client's ping is answered.
        """
        (effect,) = session.received('{"event":"pusher:ping","data":{}}', now=0)

        assert effect == Send(b'{"event":"pusher:pong","data":"{}"}')

    def test_pong(self, session: Session) -> None:
        """
        The client's pong needs no answer.
        """
        assert session.received('{"event":"pusher:pong","data":{}}', now=0) == []

    def test_silence(self, session: Session) -> None:
        """
        Silence is met with a ping, and further silence with 4201, after which clients return at once.
        """
        assert session.ticked(29.9) == []
        assert session.ticked(30.0) == [Ping()]
        assert session.ticked(59.9) == []
        assert session.ticked(60.0) == [PONG_NOT_RECEIVED]
        assert PONG_NOT_RECEIVED.code == 4201

    def test_sign_of_life(self, session: Session) -> None:
        """
        Whatever comes after the ping is a sign of life.
        """
        session.ticked(30.0)
        session.heard(40.0)

        assert session.ticked(60.0) == []
        assert session.next_tick == 70.0

    def test_next_tick(self, session: Session) -> None:
        """
        The shell is told when to look again.
        """
        assert session.next_tick == 30.0
        session.ticked(31.0)
        assert session.next_tick == 61.0


class TestClosed:
    """What a connection that ended leaves behind."""

    def test_leaves_everything(self, session: Session) -> None:
        """
        It leaves all that it had joined, and may return.
        """
        joined(session, "private-1")
        session.received(subscribe("joining"), now=0)

        assert session.closed() == [Leave("private-1", returns=True)]

    def test_answer_after_the_end(self, session: Session) -> None:
        """
        An answer that comes after the end is undone, as for any client that may come back.
        """
        session.received(subscribe("news"), now=0)
        session.closed()

        assert session.admitted("news", None) == [Leave("news", returns=True)]
