"""CloudEvents 1.0.2, "HTTP protocol binding": what is posted to /events, and read back from the topic."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.eventlog.records import NewRecord, Record
from services.dispatcher.events.cloudevents import BATCH, STRUCTURED, TooManyEvents, records_of
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, Undecodable
from tests.unit.dispatcher.examples import TRACE, json_values, record, structured

HTTP_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "7",
    "ce-source": "/shop",
    "ce-type": "order.created",
}
TEXTS = st.text(min_size=1, max_size=30)


def post(body: Any, content_type: str = "application/json", **headers: str) -> list[DomainEvent]:
    """Post to /events, store, and read again."""
    text = body if isinstance(body, bytes) else msgspec.json.encode(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    new = records_of("orders", content_type=content_type, headers=names, body=text)
    return [event for event in map(decode, map(stored, new)) if event]


def stored(new: NewRecord) -> Record:
    return Record(new.topic, 0, 0, 1_700_000_000.5, new.key, new.value, new.headers)


class TestHttp:
    """What is accepted over HTTP is what is read from the topic."""

    def test_structured(self) -> None:
        value = structured(data=[1])

        (event,) = post(value, "application/cloudevents+json; charset=UTF-8")

        assert event == decode(record(value, **{"content-type": STRUCTURED.encode()}))

    def test_the_document_is_stored_as_it_came(self) -> None:
        """Extensions that we do not know are there for other readers of the topic."""
        body = b' {"specversion":"1.0", "id":"7", "source":"s", "type":"t", "other": [1]} '

        (new,) = records_of("orders", content_type=STRUCTURED, headers={}, body=body)

        assert new == NewRecord("orders", body, None, (("content-type", STRUCTURED.encode()),))

    def test_batch(self) -> None:
        events = post([structured(id="1"), structured(id="2", data="x")], BATCH)

        assert [(event.id, event.data) for event in events] == [("1", None), ("2", "x")]

    def test_empty_batch(self) -> None:
        """JSON event format, 4: a batch may be empty."""
        assert post([], BATCH) == []

    def test_one_bad_event_refuses_the_batch(self) -> None:
        with pytest.raises(Undecodable):
            post([structured(), structured(id="")], BATCH)

    def test_binary(self) -> None:
        new = records_of(
            "orders",
            content_type="application/json",
            headers=HTTP_HEADERS | {"ce-subject": "a", "ce-other": "1", "host": "x"},
            body=b'{"a":1}',
        )

        assert new == (
            NewRecord(
                "orders",
                b'{"a":1}',
                b"a",
                (
                    ("ce_specversion", b"1.0"),
                    ("ce_id", b"7"),
                    ("ce_source", b"/shop"),
                    ("ce_type", b"order.created"),
                    ("ce_subject", b"a"),
                    ("ce_other", b"1"),
                    ("content-type", b"application/json"),
                ),
            ),
        )

    def test_binary_without_a_content_type(self) -> None:
        (event,) = post({"a": 1}, "", **HTTP_HEADERS)

        assert event.data == {"a": 1}

    @pytest.mark.parametrize(
        "attributes,key",
        [
            ({"partitionkey": "p", "subject": "s"}, b"p"),
            ({"subject": "s"}, b"s"),
            ({}, None),
        ],
    )
    def test_key(self, attributes: dict[str, str], key: bytes | None) -> None:
        """Events of one partition key, else of one subject, stay in order."""
        body = msgspec.json.encode(structured(**attributes))
        headers = HTTP_HEADERS | {f"ce-{name}": value for name, value in attributes.items()}

        (whole,) = records_of("t", content_type=STRUCTURED, headers={}, body=body)
        (split,) = records_of("t", content_type="", headers=headers, body=b"")

        assert (whole.key, split.key) == (key, key)

    @pytest.mark.parametrize(
        "value,text",
        [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("100%25", "100%"),
            ("%2541", "%41"),
            ('"a \\"quoted\\" %25"', 'a "quoted" %'),
            (" \tx ", "x"),
            ('"', '"'),
            ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "café"),
        ],
    )
    def test_escaped_header(self, value: str, text: str) -> None:
        """HTTP binding, 3.1.3.2: quotes are undone, then percent signs, once."""
        (event,) = post(b"", "", **HTTP_HEADERS, ce_subject=value)

        assert event.subject == text

    @pytest.mark.parametrize("mode", ["structured", "binary", "batch"])
    def test_trace_of_the_request(self, mode: str) -> None:
        body, content_type, headers = {
            "structured": (structured(), STRUCTURED, {}),
            "binary": ({}, "application/json", HTTP_HEADERS),
            "batch": ([structured()], BATCH, {}),
        }[mode]

        (event,) = post(body, content_type, **headers, traceparent=TRACE)
        (other,) = post(body, content_type, **headers, traceparent="nonsense")

        assert (event.trace, other.trace) == (TRACE, "")

    @pytest.mark.parametrize(
        "content_type,headers,body,reason",
        [
            ("application/json", {}, b"{}", "; send Content-Type: application/cloudevents+json"),
            ("application/json", {}, b" []", "; send Content-Type: application/cloudevents-batch"),
            ("application/cloudevents+xml", {}, b"", "is not supported, only"),
            ("application/cloudevents-batch+avro", {}, b"", "is not supported, only"),
            (STRUCTURED, {}, b"[]", "not a CloudEvent"),
            (BATCH, {}, b"{}", "not a batch of CloudEvents"),
            (BATCH, {}, b"[\xff]", "not a"),
            (BATCH, {}, b"[" * 100_000, "nested deeper"),
            ("", {"ce-specversion": "1.0"}, b"", "not a CloudEvent"),
            ("", HTTP_HEADERS | {"ce-id": " "}, b"", "not a CloudEvent"),
            ("", HTTP_HEADERS | {"ce-a-b": "1"}, b"", "names no attribute"),
            ("", HTTP_HEADERS | {"ce-subject": "%ff"}, b"", "not percent-encoded UTF-8"),
            ("", HTTP_HEADERS | {"ce-subject": "\udcff"}, b"", "'ce-subject' is not UTF-8"),
            ("text/\udcff", HTTP_HEADERS, b"", "'content-type' is not UTF-8"),
            ("", HTTP_HEADERS, b"{", "data is not JSON"),
        ],
    )
    def test_refused(
        self, content_type: str, headers: dict[str, str], body: bytes, reason: str
    ) -> None:
        """What could not be read from the topic is refused at the door."""
        with pytest.raises(Undecodable) as caught:
            list(records_of("t", content_type=content_type, headers=headers, body=body))

        assert reason in caught.value.reason


class TestMost:
    """How many events a batch may have."""

    @pytest.mark.parametrize("most", [2, 3, 0, -1])
    def test_not_too_many(self, most: int) -> None:
        made = records_of(
            "t",
            content_type=BATCH,
            headers={},
            body=msgspec.json.encode([structured()] * 2),
            most=most,
        )

        assert len(list(made)) == 2

    def test_too_many(self) -> None:
        """It is refused before any is looked at."""
        with pytest.raises(TooManyEvents, match=r"Batch too large \(> 2, limits.events_batch\)"):
            records_of("t", content_type=BATCH, headers={}, body=b"[1,2,3]", most=2)


class TestRoundTrip:
    """HTTP, topic, event: nothing is lost between."""

    @given(
        attributes=st.fixed_dictionaries(
            {"id": TEXTS, "source": TEXTS, "type": TEXTS},
            optional={
                "subject": TEXTS,
                "socketid": st.from_regex(r"[0-9]{1,9}\.[0-9]{1,9}", fullmatch=True),
            },
        ),
        data=json_values(),
    )
    def test_both_modes_give_the_same_event(self, attributes: dict[str, str], data: Any) -> None:
        """An event posted in either mode is read back as it was, apart from what the log adds."""
        body = msgspec.json.encode(data)
        headers = {
            f"ce-{name}": quote(text, safe="")
            for name, text in ({"specversion": "1.0"} | attributes).items()
        }

        (whole,) = post(structured(**attributes, data=data), STRUCTURED)
        (split,) = post(body, "application/json", **headers)

        assert whole == split
        assert whole.data == data
        assert (whole.id, whole.source, whole.type) == (
            attributes["id"],
            attributes["source"],
            attributes["type"],
        )
        assert whole.subject == attributes.get("subject", "")
        assert whole.socket_id == attributes.get("socketid", "")

    @given(
        content_type=st.sampled_from([STRUCTURED, BATCH, "", "application/json", "text/plain"])
        | st.text(max_size=20),
        headers=st.dictionaries(
            st.sampled_from([*HTTP_HEADERS, "ce-time", "ce-socketid", "traceparent"])
            | st.text(max_size=8).map("ce-".__add__),
            st.text(st.characters(), max_size=20) | st.sampled_from(["1.0", "%", "%ff", '"\\"']),
        ),
        body=st.binary(max_size=60) | json_values().map(msgspec.json.encode),
    )
    def test_any_request(self, content_type: str, headers: dict[str, str], body: bytes) -> None:
        """Whatever is accepted can be decoded; whatever is not is undecodable."""
        new: tuple[NewRecord, ...] = ()
        with suppress(Undecodable):
            new = tuple(
                records_of(
                    "t", content_type=content_type, headers=HTTP_HEADERS | headers, body=body
                )
            )

        assert all(decode(stored(each)) for each in new)
