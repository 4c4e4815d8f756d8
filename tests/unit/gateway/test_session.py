"""The protocol of one connection, without a socket and without a clock."""

import json
from typing import Any

import pytest

from libs.common.apps import App
from libs.common.channels import kind_of
from libs.common.secret import Secret
from services.gateway.frames import Member
from services.gateway.session import (
    PONG_NOT_RECEIVED,
    Ask,
    Effect,
    Leave,
    Ping,
    Refusal,
    Relay,
    Send,
    Session,
)
from services.gateway.settings import GatewaySettings
from tests.support.pusher import (
    read,
    subscribe,
    subscribe_presence,
    subscribe_private,
    unsubscribe,
)
from tests.unit.gateway.conftest import SOCKET_ID


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [read(effect.frame) for effect in effects if isinstance(effect, Send)]


def errors(effects: list[Effect]) -> list[int]:
    return [frame["data"]["code"] for frame in sent(effects) if frame["event"] == "pusher:error"]


def refusal(effects: list[Effect]) -> dict[str, Any]:
    (frame,) = sent(effects)
    assert frame["event"] == "pusher:subscription_error"
    data: dict[str, Any] = frame["data"]
    return data


def joined(session: Session, channel: str) -> Session:
    session.received(subscribe_private(session.app, SOCKET_ID, channel), now=0)
    session.admitted(channel, None)
    return session


def client_event(channel: str, event: str = "client-typing", data: Any = None, **extra: Any) -> str:
    return json.dumps({"event": event, "channel": channel, "data": data, **extra})


class TestOpened:
    """docs/protocol.md, "Handshake"."""

    def test_greeting(self, session: Session) -> None:
        """
        The first frame names the socket and a timeout above 0, as a string of JSON.
        """
        (effect,) = session.opened()

        assert isinstance(effect, Send)
        message = json.loads(effect.frame)
        assert message["event"] == "pusher:connection_established"
        assert json.loads(message["data"]) == {"socket_id": SOCKET_ID, "activity_timeout": 30}


class TestSubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    def test_public(self, session: Session) -> None:
        """
        A public channel needs no token.
        """
        assert session.received(subscribe("news"), now=0) == [Ask("news", None)]

        assert sent(session.admitted("news", None)) == [
            {
                "event": "pusher_internal:subscription_succeeded",
                "channel": "news",
                "data": {},
            }
        ]

    def test_data_as_text(self, session: Session) -> None:
        """
        Some SDKs send the data as a string of JSON.
        """
        frame = json.dumps({"event": "pusher:subscribe", "data": json.dumps({"channel": "news"})})

        assert session.received(frame, now=0) == [Ask("news", None)]

    def test_null_auth(self, session: Session) -> None:
        """
        A null token on a public channel counts as none.
        """
        frame = json.dumps({"event": "pusher:subscribe", "data": {"channel": "n", "auth": None}})

        assert session.received(frame, now=0) == [Ask("n", None)]

    def test_private(self, session: Session) -> None:
        """
        A private channel is asked for with a valid token.
        """
        frame = subscribe_private(session.app, SOCKET_ID, "private-42")

        assert session.received(frame, now=0) == [Ask("private-42", None)]

    @pytest.mark.parametrize("channel", ["private-42", "private-encrypted-42", "presence-42"])
    def test_bad_token(self, session: Session, channel: str) -> None:
        """
        A wrong token is refused with 401 on the channel, and the connection stays.
        """
        frame = subscribe(channel, auth=f"app-key:{'0' * 64}", channel_data='{"user_id":"1"}')

        assert refusal(session.received(frame, now=0)) == {
            "type": "AuthError",
            "error": "the signature does not match",
            "status": 401,
        }

    def test_token_of_another_socket(self, session: Session) -> None:
        """
        A token is good for the socket that it was made for, alone.
        """
        frame = subscribe_private(session.app, "9.9", "private-42")

        assert refusal(session.received(frame, now=0))["status"] == 401

    def test_second_secret(self, settings: GatewaySettings) -> None:
        """
        While a secret is rotated, tokens of the old one are good.
        """
        old = App(id="1", key="app-key", secrets=(Secret("old"),))
        app = App(id="1", key="app-key", secrets=(Secret("new"), Secret("old")))
        session = Session(app, SOCKET_ID, settings, now=0)

        effects = session.received(subscribe_private(old, SOCKET_ID, "private-1"), now=0)

        assert effects == [Ask("private-1", None)]

    @pytest.mark.parametrize(
        "name", ["", "with blank", "x" * 165, "#x", "ü", "a/b", "#server-to-user-"]
    )
    def test_bad_name(self, session: Session, name: str) -> None:
        """
        A name out of bounds is refused, and the answer says which rule.
        """
        data = refusal(session.received(subscribe(name), now=0))

        assert data["type"] == "InvalidChannel"
        assert "invalid channel name" in data["error"]

    def test_another_users_channel(self, session: Session) -> None:
        """
        The channel of a user is not open to who is not signed in as that user.
        """
        data = refusal(session.received(subscribe("#server-to-user-7"), now=0))

        assert data["type"] == "AuthError"

    def test_anchored_prefixes(self, session: Session) -> None:
        """
        Only a prefix makes a channel private: other servers treat these as private, or not at all.
        """
        assert session.received(subscribe("my-private-x"), now=0) == [Ask("my-private-x", None)]
        assert session.received(subscribe("privatex"), now=0) == [Ask("privatex", None)]

    def test_twice(self, session: Session) -> None:
        """
        A second subscribe is confirmed again, and asks nothing.
        """
        joined(session, "private-42")

        effects = session.received(subscribe_private(session.app, SOCKET_ID, "private-42"), now=1)

        assert [frame["event"] for frame in sent(effects)] == [
            "pusher_internal:subscription_succeeded"
        ]
        assert len(effects) == 1

    def test_twice_while_joining(self, session: Session) -> None:
        """
        A second subscribe while the first is under way is answered by the first answer.
        """
        session.received(subscribe("news"), now=0)

        assert session.received(subscribe("news"), now=0) == []

    def test_leaving_while_joining(self, session: Session) -> None:
        """
        A client that unsubscribes before it is admitted ends up not subscribed.
        """
        session.received(subscribe("news"), now=0)
        session.received(unsubscribe("news"), now=1)

        assert session.admitted("news", None) == [Leave("news")]

    def test_leaving_and_returning_while_joining(self, session: Session) -> None:
        """
        Who unsubscribes and subscribes again before the answer is subscribed by it.
        """
        session.received(subscribe("news"), now=0)
        session.received(unsubscribe("news"), now=1)
        session.received(subscribe("news"), now=2)

        assert len(sent(session.admitted("news", None))) == 1

    def test_refused(self, session: Session) -> None:
        """
        A refusal reaches the client, who may ask again.
        """
        session.received(subscribe("news"), now=0)

        effects = session.refused("news", Refusal("LimitReached", "full", 4100))

        assert refusal(effects) == {"type": "LimitReached", "error": "full", "status": 4100}
        assert session.received(subscribe("news"), now=1) == [Ask("news", None)]

    def test_refused_while_joined(self, session: Session) -> None:
        """
        A client that asks anew for a channel and is refused is off that channel, for its session and for the hub.
        """
        session.received(
            subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1"), now=0
        )
        session.admitted("presence-x", {"1": "null"})

        effects = session.refused("presence-x", Refusal("LimitReached", "full", 4100))

        assert effects[0] == Leave("presence-x")
        assert refusal(effects[1:])["type"] == "LimitReached"
        assert session.closed() == []

    def test_refused_after_leaving(self, session: Session) -> None:
        """
        Who left while joining hears nothing of the refusal.
        """
        session.received(subscribe("news"), now=0)
        session.received(unsubscribe("news"), now=0)

        assert session.refused("news", Refusal("LimitReached", "full", 4100)) == []

    def test_too_many(self, session: Session) -> None:
        """
        One channel above the limit is refused; those below stay.
        """
        for name in ("a", "b", "c"):
            session.received(subscribe(name), now=0)

        assert refusal(session.received(subscribe("d"), now=0))["type"] == "LimitReached"
        assert session.received(subscribe("a"), now=0) == []


class TestPresence:
    """docs/protocol.md, "Presence"."""

    def test_member(self, session: Session) -> None:
        """
        The question carries who joins; a numeric id becomes text.
        """
        frame = subscribe_presence(
            session.app, SOCKET_ID, "presence-x", user_id=10, user_info={"name": "A"}
        )

        (ask,) = session.received(frame, now=0)

        assert isinstance(ask, Ask)
        assert ask.member == Member("10", '{"name": "A"}')

    def test_snapshot(self, session: Session) -> None:
        """
        The newcomer is shown everybody, itself included; an absent user_info is null, the hash an object.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)

        (message,) = sent(session.admitted("presence-x", {"1": "null", "2": '{"name":"B"}'}))

        assert message["data"] == {
            "presence": {"ids": ["1", "2"], "hash": {"1": None, "2": {"name": "B"}}, "count": 2}
        }

    @pytest.mark.parametrize(
        "channel_data",
        [
            "",
            "[]",
            "{}",
            '{"user_id":""}',
            '{"user_id":null}',
            '{"user_id":true}',
            '{"user_id":1.5}',
        ],
    )
    def test_bad_member(self, session: Session, channel_data: str) -> None:
        """
        Signed nonsense is refused all the same.
        """
        from libs.common.signing import channel_text, token  # noqa: PLC0415

        auth = token(session.app, channel_text(SOCKET_ID, "presence-x", channel_data))

        effects = session.received(
            subscribe("presence-x", auth=auth, channel_data=channel_data), now=0
        )

        assert refusal(effects)["type"] == "InvalidChannel"

    def test_without_member(self, session: Session) -> None:
        """
        A token alone does not say who joins.
        """
        data = refusal(
            session.received(subscribe_private(session.app, SOCKET_ID, "presence-x"), now=0)
        )

        assert data["type"] == "InvalidChannel"
        assert "needs channel_data" in data["error"]

    def test_members(self, session: Session) -> None:
        """
        A session knows as whom it is where, for when the roster has lost it.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)
        assert session.members() == []

        session.admitted("presence-x", {"1": "null"})

        assert session.members() == [("presence-x", Member("1", "null"))]

    def test_twice(self, session: Session) -> None:
        """
        A second subscribe to a presence channel asks for a fresh view of its members.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)
        session.admitted("presence-x", {"1": "null"})

        assert session.received(frame, now=1) == [Ask("presence-x", Member("1", "null"))]
        assert session.received(frame, now=2) == []
        assert len(sent(session.admitted("presence-x", {"1": "null"}))) == 1
        assert session.received(frame, now=3) == [Ask("presence-x", Member("1", "null"))]

    def test_returning_as_another_while_joining(self, session: Session) -> None:
        """
        Who leaves while joining, and returns as somebody else, is asked for as the latter.
        """
        first = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        second = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="2")
        session.received(first, now=0)
        session.received(unsubscribe("presence-x"), now=0)

        assert session.received(second, now=0) == [Ask("presence-x", Member("2", "null"))]


class TestUnsubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    def test_leaves(self, session: Session) -> None:
        """
        It leaves at once, without an answer.
        """
        joined(session, "private-1")

        assert session.received(unsubscribe("private-1"), now=1) == [Leave("private-1")]

    def test_of_what_was_not_joined(self, session: Session) -> None:
        """
        Leaving what one is not in is no fault.
        """
        assert session.received(unsubscribe("private-1"), now=1) == []


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
        session.admitted("presence-x", {"1": "null"})

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
        session = joined(Session(app, SOCKET_ID, settings, now=0), "private-1")

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
