"""Pusher messages: what is read from clients, and what is written to them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.signatures import channel_text, token
from libs.common.config.secret import Secret
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Ask, Close, Effect, Refuse, Relay, Send
from services.gateway.protocol.frames import BadMessage, Member, Message, Subscribe, Unsubscribe
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import SOCKET_ID

APP = App(
    id="1",
    key="app-key",
    secrets=(Secret("app-secret"),),
    client_events=True,
    limits=Limits(client_events=0, channels=0),
)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


class TestParse:
    """docs/protocol.md, "Envelope and double encoding"."""

    @pytest.mark.parametrize("as_text", [True, False])
    def test_message(self, as_text: bool) -> None:  # noqa: FBT001
        """
        A message is read from text and from bytes; keys that nobody asked for are dropped.
        """
        text = '{"event":"client-x","channel":"private-1","data":{"a":1},"user_id":"forged"}'

        message = frames.parse(text if as_text else text.encode())

        assert message.event == "client-x"
        assert message.channel == "private-1"
        assert bytes(message.data) == b'{"a":1}'
        assert not hasattr(message, "user_id")

    def test_without_data(self) -> None:
        """
        Channel and data may be left out.
        """
        message = frames.parse('{"event":"pusher:ping"}')

        assert message == Message("pusher:ping", None, msgspec.Raw(b"null"))

    @pytest.mark.parametrize(
        "text", [b"", b"nonsense", b"[]", b"{}", b'{"event":1}', b'{"event":"\xff"}', b"[" * 99_999]
    )
    def test_no_message(self, text: bytes) -> None:
        """
        What is no object with an event is told as such.
        """
        with pytest.raises(BadMessage, match="the message cannot be read"):
            frames.parse(text)


class TestParseSubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    def test_object(self) -> None:
        """
        pusher-js sends an object.
        """
        data = raw({"channel": "presence-x", "auth": "k:s", "channel_data": "{}"})

        assert frames.parse_subscribe(data) == Subscribe("presence-x", "k:s", "{}")

    def test_text(self) -> None:
        """
        Other SDKs send a string that holds one.
        """
        assert frames.parse_subscribe(raw('{"channel":"n"}')) == Subscribe("n", None, None)

    @pytest.mark.parametrize(
        "data", [None, 1, [], {}, "", "x", {"channel": None}, {"channel": "x", "auth": 1}]
    )
    def test_bad(self, data: Any) -> None:
        """
        Anything else is told, and whose data it was.
        """
        with pytest.raises(BadMessage, match="pusher:subscribe"):
            frames.parse_subscribe(raw(data))


class TestParseUnsubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    @pytest.mark.parametrize("data", [{"channel": "n", "extra": 1}, '{"channel":"n"}'])
    def test_good(self, data: Any) -> None:
        """
        It may be an object, or a string that holds one.
        """
        assert frames.parse_unsubscribe(raw(data)) == Unsubscribe("n")

    def test_bad(self) -> None:
        """
        Without a channel it is told.
        """
        with pytest.raises(BadMessage, match="pusher:unsubscribe"):
            frames.parse_unsubscribe(raw({}))


class TestParseMember:
    """docs/protocol.md, "Presence"."""

    @pytest.mark.parametrize(
        "text,member",
        [
            ('{"user_id":"1"}', Member("1", "null")),
            ('{"user_id":10,"user_info":{"name":"A"}}', Member("10", '{"name":"A"}')),
            ('{"user_id":"1","user_info":"x","more":1}', Member("1", '"x"')),
            ('{"user_id":"' + "x" * 128 + '"}', Member("x" * 128, "null")),
        ],
    )
    def test_good(self, text: str, member: Member) -> None:
        """
        Ids become text, user_info stays as it was written.
        """
        assert frames.parse_member(text) == member

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"user_id":""}',
            '{"user_id":"' + "x" * 129 + '"}',
            '{"user_id":true}',
            '{"user_id":1.5}',
            '{"user_id":' + "9" * 5000 + "}",
        ],
    )
    def test_bad(self, text: str) -> None:
        """
        An id of no characters, of too many, or of another type is told.
        """
        with pytest.raises(BadMessage):
            frames.parse_member(text)


class TestClientData:
    """docs/protocol.md, "Client events"."""

    @pytest.mark.parametrize(
        "data,text",
        [
            (b"null", None),
            (b'""', ""),
            (b'"a \\u00e9"', "a é"),
            (b'{"a": 1}', '{"a": 1}'),
            (b"[1,2]", "[1,2]"),
            (b"7", "7"),
        ],
    )
    def test_text(self, data: bytes, text: str | None) -> None:
        """
        A string is passed on as it is, anything else as its JSON.
        """
        assert frames.client_data(msgspec.Raw(data)) == text

    @pytest.mark.parametrize("data", [b'"\xff"', b'{"a":"\xff"}'])
    def test_bad(self, data: bytes) -> None:
        """
        What is not UTF-8 cannot be passed on.
        """
        with pytest.raises(BadMessage):
            frames.client_data(msgspec.Raw(data))


class TestWritten:
    """What clients are sent."""

    def test_established(self) -> None:
        """
        The data of the greeting is a string of JSON.
        """
        message = json.loads(frames.established("1.2", 30))

        assert message["event"] == "pusher:connection_established"
        assert json.loads(message["data"]) == {"socket_id": "1.2", "activity_timeout": 30}

    def test_error(self) -> None:
        """
        The data of an error is an object.
        """
        assert json.loads(frames.error(4001, "no")) == {
            "event": "pusher:error",
            "data": {"code": 4001, "message": "no"},
        }

    def test_succeeded(self) -> None:
        """
        A subscription is confirmed with empty data.
        """
        assert json.loads(frames.succeeded("news")) == {
            "event": "pusher_internal:subscription_succeeded",
            "data": "{}",
            "channel": "news",
        }

    def test_joined(self) -> None:
        """
        Members come as ids, as a hash of what is known of them, and counted.
        """
        message = json.loads(frames.joined("presence-x", {"1": "null", "2": '{"name": "B"}'}))

        assert message["event"] == "pusher_internal:subscription_succeeded"
        assert message["channel"] == "presence-x"
        assert json.loads(message["data"]) == {
            "presence": {"ids": ["1", "2"], "hash": {"1": None, "2": {"name": "B"}}, "count": 2}
        }

    def test_joined_by_nobody(self) -> None:
        """
        Without members the hash is an object all the same.
        """
        data = json.loads(json.loads(frames.joined("presence-x", {}))["data"])

        assert data == {"presence": {"ids": [], "hash": {}, "count": 0}}

    def test_refused(self) -> None:
        """
        A refusal has the shape of pusher-js' own.
        """
        assert json.loads(frames.refused("private-x", "AuthError", "no", status=401)) == {
            "event": "pusher:subscription_error",
            "channel": "private-x",
            "data": {"type": "AuthError", "error": "no", "status": 401},
        }

    def test_member_added(self) -> None:
        """
        Who comes is announced with what is known of it.
        """
        message = json.loads(frames.member_added("presence-x", "1", '{"name":"A"}'))

        assert message["event"] == "pusher_internal:member_added"
        assert message["channel"] == "presence-x"
        assert json.loads(message["data"]) == {"user_id": "1", "user_info": {"name": "A"}}

    def test_member_removed(self) -> None:
        """
        Who leaves is announced by its id.
        """
        message = json.loads(frames.member_removed("presence-x", "1"))

        assert message["event"] == "pusher_internal:member_removed"
        assert message["channel"] == "presence-x"
        assert json.loads(message["data"]) == {"user_id": "1"}

    def test_cache_miss(self) -> None:
        """
        Its data is a string with an empty object, as every event's is a string.
        """
        assert json.loads(frames.cache_miss("cache-x")) == {
            "event": "pusher:cache_miss",
            "channel": "cache-x",
            "data": "{}",
        }

    @pytest.mark.parametrize(
        "count,ids,data",
        [(0, (), {"user_ids": []}), (1, ("a",), {"user_ids": ["a"]}), (201, None, {"count": 201})],
    )
    def test_typing(self, count: int, ids: tuple[str, ...] | None, data: object) -> None:
        """
        Who types is told by ids, or by number where there are too many.
        """
        message = json.loads(frames.typing("news", count, ids))

        assert (message["event"], message["channel"]) == ("fanfare:typing", "news")
        assert json.loads(message["data"]) == data

    def test_subscription_count(self) -> None:
        """
        The number stands in a string of JSON, as pusher-js reads it.
        """
        message = json.loads(frames.subscription_count("news", 7))

        assert message["event"] == "pusher_internal:subscription_count"
        assert message["channel"] == "news"
        assert json.loads(message["data"]) == {"subscription_count": 7}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
CHANNELS = st.sampled_from(
    ["news", "private-1", "presence-1", "private-encrypted-1", "#server-to-user-1", "", "ü"]
) | st.text(max_size=20)
EVENTS = st.sampled_from(
    [
        *("pusher:ping", "pusher:pong", "pusher:subscribe", "pusher:unsubscribe", "pusher:signin"),
        *("client-x", "client-", "pusher_internal:member_added", "fanfare:resync"),
    ]
)


@st.composite
def channel_data(draw: st.DrawFn) -> str:
    """Compose ``channel_data``, mostly of the right form."""
    member = {"user_id": draw(st.text(max_size=3) | st.integers() | JSON), "user_info": draw(JSON)}
    return draw(st.just(json.dumps(member)) | st.text(max_size=10))


@st.composite
def subscribe_data(draw: st.DrawFn) -> dict[str, Any]:
    """Compose the data of ``pusher:subscribe``, some of it well signed."""
    channel, member = draw(CHANNELS), draw(st.none() | channel_data())
    data: dict[str, Any] = {"channel": channel}
    good = st.just(token(APP, _encodable(channel_text(SOCKET_ID, channel, member))))
    data["auth"] = draw(good | st.text(max_size=20) | JSON)
    if member is not None:
        data["channel_data"] = member
    return data


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


@st.composite
def near_messages(draw: st.DrawFn) -> bytes:
    """Compose what is nearly a Pusher message, and sometimes damage it."""
    data = draw(subscribe_data() | JSON)
    message = {"event": draw(EVENTS | JSON), "channel": draw(CHANNELS | JSON)}
    message["data"] = draw(st.just(data) | st.just(json.dumps(data)))
    text = json.dumps(message, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    if draw(st.booleans()):
        return text
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.binary(max_size=4)) + text[place + draw(st.integers(0, 2)) :]


class TestAnything:
    """Whatever a client sends: told, survived, and never a reason to send it away."""

    @settings(max_examples=150)
    @given(st.lists(st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode), max_size=4))
    def test_bytes(self, texts: list[bytes]) -> None:
        """
        Arbitrary bytes and arbitrary JSON are answered with JSON.
        """
        self._survive(texts)

    @settings(max_examples=150)
    @given(st.lists(near_messages(), max_size=6))
    def test_near_messages(self, texts: list[bytes]) -> None:
        """
        So are messages that are wrong in a detail, or right.
        """
        self._survive(texts)

    def _survive(self, texts: list[bytes]) -> None:
        session = Session(APP, SOCKET_ID, GatewaySettings(), now=0.0, verifier=verifier())
        for name in ("news", "private-1"):
            session.received(json.dumps(_subscribe(name)), now=0.0)
            session.admitted(name, None)

        for text in texts:
            for effect in session.received(text, now=1.0):
                self._check(session, effect)

    def _check(self, session: Session, effect: Effect) -> None:
        assert not isinstance(effect, Close)
        if isinstance(effect, Send | Refuse | Relay):
            assert isinstance(json.loads(effect.frame)["event"], str)
        if isinstance(effect, Ask):
            member = effect.member
            view = frames.joined(effect.channel, {member.user_id: member.info}) if member else None
            for answer in session.admitted(effect.channel, view):
                self._check(session, answer)


def _subscribe(channel: str) -> dict[str, Any]:
    auth = token(APP, channel_text(SOCKET_ID, channel))
    return {"event": "pusher:subscribe", "data": {"channel": channel, "auth": auth}}
