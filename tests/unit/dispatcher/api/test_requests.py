"""Bodies of the Pusher HTTP API."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.bus.messages import Broadcast, Publication
from libs.common.channels import Channel, ChannelUser
from libs.common.config.secret import Secret
from libs.common.errors import Invalid
from services.dispatcher.api import requests
from services.dispatcher.api.requests import Post
from tests.unit.dispatcher.examples import json_values

NOW = 1_700_000_000.0
APP = App(
    id="1",
    key="app-key",
    secrets=(Secret("s"),),
    limits=Limits(event_channels=3, batch=2, payload_bytes=10, channel_name=12, event_name=10),
)
UNBOUNDED = structs.replace(APP, limits=Limits(event_channels=0, batch=-1, payload_bytes=0))
EVENT = {"name": "moved", "data": "text", "channels": ["a", "b"]}
ITEM = {"name": "moved", "data": "text", "channel": "a"}


def body_of(document: Any) -> bytes:
    return document if isinstance(document, bytes) else msgspec.json.encode(document)


def event(document: Any, app: App = APP, *, token: str = "") -> Post:
    return requests.read_event(app, body_of(document), now=NOW, token=token)


def batch(document: Any, app: App = APP, *, token: str = "") -> Post:
    return requests.read_batch(app, body_of(document), now=NOW, token=token)


def read_event(document: Any, app: App = APP) -> tuple[Publication, ...]:
    return event(document, app).publications


def read_batch(document: Any, app: App = APP) -> tuple[Publication, ...]:
    return batch(document, app).publications


def refusal(read: Callable[[Any], object], document: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(document)
    return caught.value


def frames(publications: Iterable[Publication]) -> list[bytes]:
    return [publication.broadcast.frame for publication in publications]


class TestEvent:
    """Pusher, "HTTP API", ``POST /apps/{id}/events``."""

    def test_for_several_channels(self) -> None:
        """
        Each channel gets a frame with its own name, in the order of the request.
        """
        assert read_event(EVENT) == tuple(
            Publication(
                Channel("1", name),
                Broadcast(b'{"event":"moved","channel":"%s","data":"text"}' % name.encode(), NOW),
            )
            for name in ("a", "b")
        )

    def test_for_one_channel(self) -> None:
        (publication,) = read_event({"name": "moved", "data": "text", "channel": "a"})

        assert publication.channel == Channel("1", "a")

    def test_a_channel_named_twice(self) -> None:
        """
        A channel that is named twice gets the event once.
        """
        assert len(read_event(EVENT | {"channels": ["a", "b", "a"]})) == 2

    @pytest.mark.parametrize("socket_id, excluded", [("1.2", ("1.2",)), ("", ()), (None, ())])
    def test_the_originator(self, socket_id: str | None, excluded: tuple[str, ...]) -> None:
        """
        The connection that caused the event is left out in all channels.
        """
        publications = read_event(EVENT | {"socket_id": socket_id})

        assert {publication.broadcast.excluded for publication in publications} == {excluded}

    def test_the_sender(self) -> None:
        """
        The user who has sent an event is known for each of its channels, as far as it is named.
        """
        named = {"user_id": "7"}
        rooms = [ChannelUser(Channel("1", "a"), "7"), ChannelUser(Channel("1", "b"), "7")]

        assert event(EVENT | named).senders == tuple(rooms)
        assert event(EVENT | {"user_id": 7}).senders == tuple(rooms)
        assert batch({"batch": [ITEM, ITEM | named]}).senders == (rooms[0],)
        for nobody in ({}, {"user_id": ""}, {"user_id": None}):
            assert event(EVENT | nobody).senders == ()

    def test_data_are_passed_on_unchanged(self) -> None:
        """
        Data are the publisher's text, whatever it holds; an empty one is as good.
        """
        assert frames(read_event(ITEM | {"data": '{"a"\n'})) == [
            b'{"event":"moved","channel":"a","data":"{\\"a\\"\\n"}'
        ]
        assert frames(read_event(ITEM | {"data": ""})) == [
            b'{"event":"moved","channel":"a","data":""}'
        ]

    def test_unknown_keys(self) -> None:
        """
        What a newer SDK sends besides is no fault.
        """
        assert len(read_event(EVENT | {"tags": {"a": 1}, "expires": None})) == 2

    @pytest.mark.parametrize(
        "info, asked",
        [
            (None, frozenset()),
            ("", frozenset()),
            ("user_count", frozenset({"user_count"})),
            ("subscription_count, user_count,", frozenset({"subscription_count", "user_count"})),
        ],
    )
    def test_what_the_answer_shall_tell(self, info: str | None, asked: frozenset[str]) -> None:
        """
        What is asked of an event is asked of each of its channels.
        """
        assert event(EVENT | {"info": info}).asked == (asked, asked)

    def test_token(self) -> None:
        """
        What the back end calls the request tells its publications apart; without it they have no name.
        """
        named = event(EVENT, token="t").publications

        assert [each.token for each in named] == ["t/0", "t/1"]
        assert [each.token for each in read_event(EVENT)] == ["", ""]

    def test_without_limits(self) -> None:
        """
        Where the app has none, any number of channels and any size will do; names keep the protocol's bounds.
        """
        names = [f"room-{number}" for number in range(500)]

        assert len(read_event(EVENT | {"channels": names, "data": "x" * 99_999}, UNBOUNDED)) == 500
        for change in ({"channels": ["n" * 165]}, {"name": "n" * 201}):
            with pytest.raises(Invalid, match="longer than"):
                read_event(EVENT | change, UNBOUNDED)

    @pytest.mark.parametrize(
        "change, sentence",
        [
            ({"name": ""}, "invalid event name '': it is empty"),
            ({"name": "n" * 11}, "longer than 10 characters"),
            ({"name": "pusher:x"}, "begin with pusher: are reserved"),
            ({"name": "fanfare:x"}, "begin with fanfare: are reserved"),
            ({"name": None}, "Expected `str`, got `null` - at `$.name`"),
            ({"data": {}}, "Expected `str`, got `object` - at `$.data`"),
            ({"channels": []}, "an event needs a channel"),
            ({"channels": ["a", "b", "c", "d"]}, "an event may go to 3 channels at once"),
            ({"channels": None}, "an event needs a channel"),
            ({"channels": "a"}, "at `$.channels`"),
            ({"channels": ["a", "b c"]}, "invalid channel name 'b c'"),
            ({"channels": [""]}, "it is empty"),
            ({"channels": ["n" * 13]}, "longer than 12 characters"),
            ({"info": "users"}, "info: there is no attribute 'users'"),
            # Of several faults one is told, always the same.
            ({"info": "users", "channels": ["b c", "a"]}, "invalid channel name 'b c'"),
            ({"info": "users", "channels": ["a", "b c"]}, "info: there is no attribute 'users'"),
            ({"socket_id": "1", "channels": ["b c"]}, "invalid socket_id '1'"),
            ({"socket_id": "1"}, "invalid socket_id '1'"),
            ({"socket_id": "1.2:x"}, "invalid socket_id '1.2:x'"),
            ({"user_id": "u" * 129}, "a user's id must have 1 to 128 printable characters"),
            ({"user_id": "a\n"}, "printable"),
            ({"user_id": 7.5}, "at `$.user_id`"),
            ({"user_id": True}, "at `$.user_id`"),
        ],
    )
    def test_refused(self, change: dict[str, Any], sentence: str) -> None:
        """
        What breaks a rule is refused as a whole, and the sentence says which rule.
        """
        error = refusal(read_event, EVENT | change)

        assert error.status == 400
        assert sentence in str(error)

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"name":"a","channel":"b"}']
    )
    def test_unreadable(self, body: bytes) -> None:
        error = refusal(read_event, body)

        assert error.status == 400
        assert str(error).startswith("the body cannot be read: ")

    def test_too_large(self) -> None:
        """
        The bound is one of bytes, and the answer has the words that SDKs look for.
        """
        assert read_event(EVENT | {"data": "é" * 5})

        error = refusal(read_event, EVENT | {"data": "é" * 6})

        assert error.status == 413
        assert "content of this event" in str(error)

    @given(st.binary() | json_values().map(msgspec.json.encode))
    def test_anything(self, body: bytes) -> None:
        """
        No body whatsoever gets another answer than publications or a refusal.
        """
        with suppress(Invalid):
            assert all(each.channel.app == "1" for each in read_event(body))


class TestBatch:
    """Pusher, "HTTP API", ``POST /apps/{id}/batch_events``."""

    def test_in_order(self) -> None:
        publications = read_batch({"batch": [ITEM, ITEM | {"channel": "b", "data": "2"}]})

        assert frames(publications) == [
            b'{"event":"moved","channel":"a","data":"text"}',
            b'{"event":"moved","channel":"b","data":"2"}',
        ]

    def test_empty(self) -> None:
        assert batch({"batch": []}) == Post((), ())

    def test_what_the_answers_shall_tell(self) -> None:
        """
        Each event of a batch asks for itself.
        """
        asking = ITEM | {"info": "subscription_count"}

        assert batch({"batch": [ITEM, asking]}).asked == (
            frozenset(),
            frozenset({"subscription_count"}),
        )

    def test_token(self) -> None:
        """
        Two events of one request for one channel are not taken for one.
        """
        tokens = [each.token for each in batch({"batch": [ITEM, ITEM]}, token="t").publications]

        assert tokens == ["t/0", "t/1"]

    def test_without_limits(self) -> None:
        """
        Where the app has none, a batch may have any number of events.
        """
        assert len(read_batch({"batch": [ITEM] * 100}, UNBOUNDED)) == 100

    @pytest.mark.parametrize(
        "items, sentence",
        [
            ([ITEM] * 3, "Batch too large (> 2, limits.batch)"),
            ([ITEM, {"name": "n", "data": "d"}], "an event of a batch needs a channel"),
            ([{"name": "n", "data": "d", "channels": ["a"]}], "needs a channel"),
            ([ITEM, ITEM | {"name": "pusher:x"}], "are reserved"),
            ({}, "at `$.batch`"),
        ],
    )
    def test_refused(self, items: Any, sentence: str) -> None:
        """
        One event that breaks a rule has the whole batch refused.
        """
        error = refusal(read_batch, {"batch": items})

        assert error.status == 400
        assert sentence in str(error)

    def test_too_large(self) -> None:
        assert refusal(read_batch, {"batch": [ITEM, ITEM | {"data": "x" * 11}]}).status == 413

    @given(st.binary() | json_values().map(lambda each: msgspec.json.encode({"batch": each})))
    def test_anything(self, body: bytes) -> None:
        """
        No body whatsoever gets another answer than publications or a refusal.
        """
        with suppress(Invalid):
            assert all(each.channel.app == "1" for each in read_batch(body))


class TestHalfAnEmoji:
    """Half a surrogate pair passes in an event's data, and in nothing else."""

    def test_data(self) -> None:
        body = rb'{"name":"moved","data":"a\ud83d","channels":["a"]}'

        (publication,) = read_event(body)

        assert publication.broadcast.frame == rb'{"event":"moved","channel":"a","data":"a\ud83d"}'

    def test_data_for_several(self) -> None:
        body = rb'{"name":"moved","data":"\"\ud83d","channels":["a","b"]}'

        assert frames(read_event(body)) == [
            rb'{"event":"moved","channel":"%s","data":"\"\ud83d"}' % name for name in (b"a", b"b")
        ]

    def test_size(self) -> None:
        """Half a pair counts as three bytes, as any character of its kind."""
        assert read_event(rb'{"name":"moved","data":"1234567\ud83d","channels":["a"]}')
        assert (
            refusal(
                read_event, rb'{"name":"moved","data":"12345678\ud83d","channels":["a"]}'
            ).status
            == 413
        )

    @pytest.mark.parametrize(
        "body",
        [
            rb'{"name":"\ud83d","data":"","channels":["a"]}',
            rb'{"name":"moved","data":"","channels":["\ud83d"]}',
            rb'{"name":"moved","data":"","channels":["a"],"socket_id":"\ud83d"}',
            rb'{"name":"moved","data":"\ud83d","channels":["a"]',
        ],
    )
    def test_elsewhere(self, body: bytes) -> None:
        error = refusal(read_event, body)

        assert error.status == 400
        assert "truncated" not in str(error)
