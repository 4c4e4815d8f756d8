"""Bodies of the Pusher HTTP API."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.errors import Invalid
from libs.common.messages import Broadcast, Publication
from services.dispatcher import requests
from services.dispatcher.settings import DispatcherSettings
from tests.unit.dispatcher.examples import json_values

NOW = 1_700_000_000.0
SETTINGS = DispatcherSettings(
    max_channels=3, max_batch=2, max_payload=10, max_channel_name=12, max_event_name=10
)
EVENT = {"name": "moved", "data": "text", "channels": ["a", "b"]}
ITEM = {"name": "moved", "data": "text", "channel": "a"}


def read_event(document: Any) -> list[Publication]:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return requests.read_event("1", body, settings=SETTINGS, now=NOW)


def read_batch(document: Any) -> list[Publication]:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return requests.read_batch("1", body, settings=SETTINGS, now=NOW)


def refusal(read: Callable[[Any], list[Publication]], document: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(document)
    return caught.value


def frames(publications: list[Publication]) -> list[bytes]:
    return [publication.broadcast.frame for publication in publications]


class TestEvent:
    """Pusher, "HTTP API", ``POST /apps/{id}/events``."""

    def test_for_several_channels(self) -> None:
        """
        Each channel gets a frame with its own name, in the order of the request.
        """
        assert read_event(EVENT) == [
            Publication(
                Channel("1", name),
                Broadcast(b'{"event":"moved","channel":"%s","data":"text"}' % name.encode(), NOW),
            )
            for name in ("a", "b")
        ]

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
        assert len(read_event(EVENT | {"info": "user_count", "tags": {"a": 1}})) == 2

    @pytest.mark.parametrize(
        "change, sentence",
        [
            ({"name": ""}, "invalid event name '': it is empty"),
            ({"name": "n" * 11}, "longer than 10 characters"),
            ({"name": "pusher:x"}, "begin with pusher: are reserved"),
            ({"name": "fanfare:x"}, "begin with fanfare: are reserved"),
            ({"name": None}, "Expected `str`, got `null` - at `$.name`"),
            ({"data": {}}, "Expected `str`, got `object` - at `$.data`"),
            ({"channels": []}, "an event needs 1 to 3 channels"),
            ({"channels": ["a", "b", "c", "d"]}, "an event needs 1 to 3 channels"),
            ({"channels": None}, "an event needs 1 to 3 channels"),
            ({"channels": "a"}, "at `$.channels`"),
            ({"channels": ["a", "b c"]}, "invalid channel name 'b c'"),
            ({"channels": [""]}, "it is empty"),
            ({"channels": ["n" * 13]}, "longer than 12 characters"),
            ({"socket_id": "1"}, "invalid socket_id '1'"),
            ({"socket_id": "1.2:x"}, "invalid socket_id '1.2:x'"),
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
        assert read_batch({"batch": []}) == []

    @pytest.mark.parametrize(
        "batch, sentence",
        [
            ([ITEM] * 3, "Batch too large (> 2)"),
            ([ITEM, {"name": "n", "data": "d"}], "an event of a batch needs a channel"),
            ([{"name": "n", "data": "d", "channels": ["a"]}], "needs a channel"),
            ([ITEM, ITEM | {"name": "pusher:x"}], "are reserved"),
            ({}, "at `$.batch`"),
        ],
    )
    def test_refused(self, batch: Any, sentence: str) -> None:
        """
        One event that breaks a rule has the whole batch refused.
        """
        error = refusal(read_batch, {"batch": batch})

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
