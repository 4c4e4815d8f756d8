"""The protocol of one connection, without a socket and without a clock: coming, and joining."""

import json

import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.config.secret import Secret
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Ask, BelongsTo, KnownAs, Leave, Refusal, Send
from services.gateway.protocol.frames import Member
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import (
    subscribe,
    subscribe_presence,
    subscribe_private,
    unsubscribe,
)
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import joined, refusal, sent

LAST = b'{"event":"news","channel":"presence-cache-x","data":"1"}'


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
        session = Session(app, SOCKET_ID, settings, now=0, verifier=verifier())

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
        session.admitted("presence-x", frames.joined("presence-x", {"1": "null"}))

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

    @pytest.mark.parametrize("limit", [0, -1])
    def test_any_number(self, settings: GatewaySettings, limit: int) -> None:
        """
        Where the app has no limit a connection may subscribe to any number of channels.
        """
        app = App(id="1", key="k", secrets=(Secret("s"),), limits=Limits(channels=limit))
        session = Session(app, SOCKET_ID, settings, now=0, verifier=verifier())

        asked = [session.received(subscribe(str(number)), now=0) for number in range(150)]

        assert asked == [[Ask(str(number), None)] for number in range(150)]

    def test_long_name(self, settings: GatewaySettings) -> None:
        """
        How long a channel's name may be is the app's to say.
        """
        app = App(id="1", key="k", secrets=(Secret("s"),), limits=Limits(channel_name=5))
        session = Session(app, SOCKET_ID, settings, now=0, verifier=verifier())

        assert session.received(subscribe("abcde"), now=0) == [Ask("abcde", None)]
        assert "longer than 5" in refusal(session.received(subscribe("abcdef"), now=0))["error"]


class TestPresence:
    """docs/protocol.md, "Presence"."""

    def test_member(self, session: Session) -> None:
        """
        The question carries who joins; a numeric id becomes text.
        """
        frame = subscribe_presence(
            session.app, SOCKET_ID, "presence-x", user_id=10, user_info={"name": "A"}
        )

        ask, *_ = session.received(frame, now=0)

        assert isinstance(ask, Ask)
        assert ask.member == Member("10", '{"name": "A"}')

    def test_snapshot(self, session: Session) -> None:
        """
        The newcomer is shown everybody, itself included; an absent user_info is null, the hash an object.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)

        (message,) = sent(
            session.admitted(
                "presence-x", frames.joined("presence-x", {"1": "null", "2": '{"name":"B"}'})
            )
        )

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
        from libs.common.apps.signatures import channel_text, token  # noqa: PLC0415

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

        session.admitted("presence-x", frames.joined("presence-x", {"1": "null"}))

        assert session.members() == [("presence-x", Member("1", "null"))]

    def test_twice(self, session: Session) -> None:
        """
        A second subscribe to a presence channel asks for a fresh view of its members.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        session.received(frame, now=0)
        session.admitted("presence-x", frames.joined("presence-x", {"1": "null"}))

        assert session.received(frame, now=1) == [Ask("presence-x", Member("1", "null"))]
        assert session.received(frame, now=2) == []
        assert (
            len(sent(session.admitted("presence-x", frames.joined("presence-x", {"1": "null"}))))
            == 1
        )
        assert session.received(frame, now=3) == [Ask("presence-x", Member("1", "null"))]

    def test_twice_where_events_are_kept(self, session: Session) -> None:
        """
        Who subscribes to a cache channel a second time has the last event, and is not sent it again.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-cache-x", user_id="1")
        session.received(frame, now=0)
        first = session.admitted(
            "presence-cache-x", frames.joined("presence-cache-x", {"1": "null"}), [LAST]
        )
        session.received(frame, now=1)

        again = session.admitted(
            "presence-cache-x", frames.joined("presence-cache-x", {"1": "null"}), [LAST]
        )

        assert first[1:] == [Send(LAST)]
        assert again == first[:1]

    def test_returning_as_another_while_joining(self, session: Session) -> None:
        """
        Who leaves while joining, and returns as somebody else, is asked for as the latter.
        """
        first = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="1")
        second = subscribe_presence(session.app, SOCKET_ID, "presence-x", user_id="2")
        session.received(first, now=0)
        session.received(unsubscribe("presence-x"), now=0)

        asked = Ask("presence-x", Member("2", "null"))
        assert session.received(second, now=0) == [asked, KnownAs("2"), BelongsTo("2", "")]


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
