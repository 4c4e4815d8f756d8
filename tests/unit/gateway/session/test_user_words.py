"""What a client says of its user: that it types, has sent, or has read."""

import json
from typing import Any

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from libs.common.marks.mark import Mark
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule
from services.gateway.access.verifier import Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Effect, HasRead, HasSent, Relay, Types
from services.gateway.session.rules import SessionRules
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe_presence
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import client_event, errors, joined, sent
from tests.unit.gateway.prompt import PromptSession

CHAT, LOG, OTHER = "private-chat", "private-log", "private-other"
ROOM = "presence-room"
RULES = SessionRules(
    typing_ttl=6.0,
    typing=SelectedChannels([TypingRule(pattern=CHAT, app="1")]),
    receipts=SelectedChannels(
        [
            ReceiptRule(pattern=CHAT, app="1"),
            ReceiptRule(pattern=LOG, app="1", marks="positions"),
            ReceiptRule(pattern=ROOM, app="1"),
        ]
    ),
)


@pytest.fixture
def nobody(app: App, settings: GatewaySettings, known: Verifier) -> Session:
    """Return one that is in two private channels, and nobody's."""
    roomy = msgspec.structs.replace(app.limits, channels=0)
    app = msgspec.structs.replace(app, limits=roomy)
    session = PromptSession(app, SOCKET_ID, settings, now=0.0, verifier=known, rules=RULES)
    for channel in (CHAT, LOG, OTHER):
        joined(session, channel)
    return session


@pytest.fixture
def ann(nobody: Session) -> Session:
    """Return one that is signed in as Ann, and is Bob in a presence channel."""
    data = json.dumps({"id": "ann"})
    auth = token(nobody.app, user_text(SOCKET_ID, data))
    message = {"event": "pusher:signin", "data": {"auth": auth, "user_data": data}}
    nobody.received(json.dumps(message), now=0)
    nobody.received(subscribe_presence(nobody.app, SOCKET_ID, ROOM, user_id="bob"), now=0)
    nobody.admitted(ROOM, frames.joined(ROOM, {"bob": "null"}))
    return nobody


def mute(session: Session) -> Session:
    session.app = msgspec.structs.replace(session.app, client_events=False)
    return session


def says(session: Session, event: str, channel: str = CHAT, data: Any = None) -> list[Effect]:
    """Say something while the rate allows it."""
    return session.received(client_event(channel, event, data=data), now=100.0)


def words(effects: list[Effect]) -> list[Effect]:
    return [each for each in effects if not isinstance(each, Relay)]


class TestTyping:
    """``client-typing``."""

    @pytest.mark.parametrize(
        "data", [None, True, "x", {}, {"typing": True}, {"typing": 0}, {"user_id": "eve"}, [1], 1e9]
    )
    def test_types(self, ann: Session, data: Any) -> None:
        """
        Whatever it says but the one thing, the user whose the connection is types; it is passed on.
        """
        first, relay = says(ann, "client-typing", data=data)

        assert first == Types(CHAT, "ann", is_typing=True)
        assert isinstance(relay, Relay)

    @pytest.mark.parametrize("data", [{"typing": False}, '{"typing":false}'])
    def test_stops(self, ann: Session, data: Any) -> None:
        assert words(says(ann, "client-typing", data=data)) == [Types(CHAT, "ann", is_typing=False)]

    def test_member(self, ann: Session) -> None:
        """
        In a presence channel it is the member that types.
        """
        assert words(says(ann, "client-typing", ROOM)) == [Types(ROOM, "bob", is_typing=True)]

    def test_rate(self, ann: Session) -> None:
        """
        What comes too fast counts, and is not passed on; nobody complains.
        """
        effects = [says(ann, "client-typing") for _ in range(4)]

        assert [len(each) for each in effects] == [2, 2, 1, 1]
        assert all(isinstance(each[0], Types) for each in effects)

    def test_nobody(self, nobody: Session) -> None:
        """
        A connection that is nobody's is told so once, whatever it says of its user, and is relayed.
        """
        complaint, relay = says(nobody, "client-typing")

        assert errors([complaint]) == [4303]
        assert isinstance(relay, Relay)
        assert words(says(nobody, "client-typing")) == []
        assert words(says(nobody, "client-read", data={"upto": 1})) == []

    def test_no_client_events(self, ann: Session) -> None:
        """
        Where the app has none it counts in channels that are selected, and goes to nobody.
        """
        mute(ann)

        assert says(ann, "client-typing") == [Types(CHAT, "ann", is_typing=True)]
        assert errors(says(ann, "client-typing", OTHER)) == [4301]
        assert errors(says(ann, "client-typing", "private-nowhere")) == [4301]

    def test_off(self, session: Session) -> None:
        """
        Where nobody ever types it is a client event like others.
        """
        joined(session, CHAT)

        (relay,) = says(session, "client-typing")
        assert isinstance(relay, Relay)
        assert errors(says(mute(session), "client-typing")) == [4301]


class TestMessage:
    """``client-message``."""

    def test_sent(self, ann: Session) -> None:
        """
        Who sends types no more, whatever it sends.
        """
        assert words(says(ann, "client-message", data="hello")) == [HasSent(CHAT, "ann")]
        assert words(says(ann, "client-message", ROOM)) == [HasSent(ROOM, "bob")]

    def test_as_ever(self, ann: Session) -> None:
        """
        It is a client event like others: of an app that has them, and not too many.
        """
        for _ in range(2):
            says(ann, "client-message")
        assert errors(says(ann, "client-message")) == [4301]
        assert errors(says(mute(ann), "client-message")) == [4301]

    def test_nobody(self, nobody: Session) -> None:
        """
        Of nobody's message there is nothing to say.
        """
        assert words(says(nobody, "client-message")) == []


class TestRead:
    """``client-read``."""

    @pytest.mark.parametrize("upto", [7, "7"])
    def test_number(self, ann: Session, upto: Any) -> None:
        first, relay = says(ann, "client-read", data={"upto": upto, "user_id": "eve"})

        assert first == HasRead(CHAT, "ann", Mark(7))
        assert isinstance(relay, Relay)

    def test_position(self, ann: Session) -> None:
        data = {"upto": "abc:7"}

        assert words(says(ann, "client-read", LOG, data)) == [HasRead(LOG, "ann", Mark(7, "abc"))]

    def test_member(self, ann: Session) -> None:
        data = {"upto": 1}

        assert words(says(ann, "client-read", ROOM, data)) == [HasRead(ROOM, "bob", Mark(1))]

    @pytest.mark.parametrize(
        "channel, data",
        [
            (CHAT, None),
            (CHAT, 7),
            (CHAT, {}),
            (CHAT, {"upto": -1}),
            (CHAT, {"upto": "abc:7"}),
            (CHAT, {"upto": True}),
            (LOG, {"upto": 7}),
        ],
    )
    def test_bad(self, ann: Session, channel: str, data: Any) -> None:
        """
        What is no mark is passed on to nobody, and the client told what one is.
        """
        (told,) = sent(says(ann, "client-read", channel, data))

        assert told["data"]["code"] == 4304
        assert told["data"]["message"].startswith("upto: expected a ")

    def test_not_selected(self, ann: Session) -> None:
        """
        Elsewhere it is a client event like others.
        """
        assert words(says(ann, "client-read", OTHER, {"upto": "x"})) == []
        assert errors(says(mute(ann), "client-read", OTHER)) == [4301]

    def test_no_client_events(self, ann: Session) -> None:
        mute(ann)

        assert says(ann, "client-read", data={"upto": 7}) == [HasRead(CHAT, "ann", Mark(7))]

    def test_rate(self, ann: Session) -> None:
        effects = [says(ann, "client-read", data={"upto": number}) for number in range(4)]

        assert [len(each) for each in effects] == [2, 2, 1, 1]
        assert errors([effect for each in effects for effect in each]) == []
