"""CloudEvents 1.0.2: "JSON event format" and "Kafka protocol binding"."""

import base64
from typing import Any, ClassVar

import msgspec
import pytest

from services.dispatcher.events.cloudevents import BATCH, STRUCTURED
from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import DomainEvent, TooDeep, Undecodable
from tests.unit.dispatcher.examples import OTHER_TRACE, TRACE, record, structured

STRUCTURED_HEADER = {"content-type": STRUCTURED.encode()}
BINARY_HEADERS = {
    "ce_specversion": b"1.0",
    "ce_id": b"7",
    "ce_source": b"/shop",
    "ce_type": b"order.created",
}


def read(value: Any, **headers: bytes) -> DomainEvent:
    event = decode(record(value, **headers))
    assert event
    return event


def refusal(value: Any, **headers: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        decode(record(value, **headers))
    return caught.value.reason


class TestStructured:
    """Attributes and data in one document."""

    def test_all_attributes(self) -> None:
        value = structured(
            subject="order-5",
            time="2026-01-02T03:04:05.5+01:00",
            data={"a": 1},
            datacontenttype="application/json",
            socketid="12.34",
            traceparent=TRACE,
            somethingelse={"any": ["thing"]},
        )

        event = decode(record(value, key=b"k", **STRUCTURED_HEADER))

        assert event == DomainEvent(
            type="order.created",
            id="7",
            source="/shop",
            subject="order-5",
            time=1_767_319_445.5,
            data={"a": 1},
            key="k",
            socket_id="12.34",
            trace=TRACE,
        )

    def test_required_attributes_alone(self) -> None:
        assert read(structured(), **STRUCTURED_HEADER) == DomainEvent(
            type="order.created",
            id="7",
            source="/shop",
            subject="",
            time=1_700_000_000.5,
            data=None,
        )

    @pytest.mark.parametrize(
        "userid,user_id",
        [
            ("7", "7"),
            ("Zoë M/1", "Zoë M/1"),
            (7, "7"),
            *((other, "") for other in ("", "a\n", "u" * 129, True, 1.5, None, {"id": "7"})),
        ],
    )
    def test_the_sender(self, userid: object, user_id: str) -> None:
        """
        An extension ``userid`` may be anybody's: one that is no user's id names nobody, and no more.
        """
        event = read(structured(userid=userid), **STRUCTURED_HEADER)

        assert event.user_id == user_id

    def test_null_attributes_are_absent(self) -> None:
        """JSON event format, 2.2: unset attributes may be null."""
        nothing = b'"subject": null, "time": null, "socketid": null, "traceparent": null'
        value = msgspec.json.encode(structured())[:-1] + b"," + nothing + b"}"

        assert read(value, **STRUCTURED_HEADER) == read(structured(), **STRUCTURED_HEADER)

    @pytest.mark.parametrize(
        "content_type,body,data",
        [
            (None, b'{"a":1}', {"a": 1}),
            ("application/json; charset=utf-8", b"[1]", [1]),
            ("application/geo+JSON", b"5", 5),
            ("text/plain", b"h\xc3\xa9", "hé"),
            ("application/octet-stream", b"\x00\xff", "AP8="),
            ("application/json", b"", None),
        ],
    )
    def test_base64(self, content_type: str | None, body: bytes, data: object) -> None:
        """Data that came as base64 is what its media type says."""
        value = structured(
            data_base64=base64.b64encode(body).decode(), datacontenttype=content_type
        )

        assert read(value, **STRUCTURED_HEADER).data == data

    @pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
    @pytest.mark.parametrize("value", [None, "", 5])
    def test_required_attribute_missing(self, name: str, value: object) -> None:
        reason = refusal(structured(**{name: value}), **STRUCTURED_HEADER)

        assert reason.startswith(("not a CloudEvent", "CloudEvents '' is not supported"))

    @pytest.mark.parametrize(
        "value,reason",
        [
            (b"", "not a CloudEvent"),
            (b"[]", "not a CloudEvent"),
            (b"\xff", "not a CloudEvent"),
            (b'{"\xff": 1}', "not a CloudEvent"),
            (structured(specversion="0.3"), "only specversion 1.0 is supported"),
            (structured(time="yesterday"), "not an RFC 3339 time"),
            (structured(time="2026-01-02T03:04:05+0530"), "not an RFC 3339 time"),
            (structured(time="2026-01-02 03:04:05Z"), "not an RFC 3339 time"),
            (structured(time=1767319445), "time"),
            (structured(time="2026-01-02T03:04:05"), "zone"),
            (structured(socketid="1.2.3"), "socketid is not"),
            (structured(socketid="1:2"), "socketid is not"),
            (structured(socketid="\N{ARABIC-INDIC DIGIT ONE}.2"), "socketid is not"),
            (structured(socketid=1.2), "socketid"),
            (structured(subject=5), "subject"),
            (structured(data=1, data_base64="AA=="), "both data and data_base64"),
            (structured(data_base64="*"), "base64"),
            (structured(data_base64="/w==", datacontenttype="text/plain"), "not UTF-8"),
            (structured(data_base64="ew=="), "data is not JSON"),
            (b'{"specversion":"1.0","id":"7","source":"s","type":"t","data":"\xff"}', "data"),
        ],
    )
    def test_broken(self, value: Any, reason: str) -> None:
        assert reason in refusal(value, **STRUCTURED_HEADER)

    @pytest.mark.parametrize("levels", [64, 65, 100_000])
    @pytest.mark.parametrize("name", [b"data", b"other"])
    def test_nesting_bombs(self, levels: int, name: bytes) -> None:
        """Deep data is refused, and so is a deep extension, which can be none; 64 levels pass."""
        bomb = b'"' + name + b'":' + b"[" * levels + b"]" * levels
        value = msgspec.json.encode(structured())[:-1] + b"," + bomb + b"}"

        if levels == 64:
            assert bool(read(value, **STRUCTURED_HEADER).data) is (name == b"data")
        else:
            with pytest.raises(TooDeep):
                decode(record(value, **STRUCTURED_HEADER))

    @pytest.mark.parametrize(
        "content_type",
        [b"application/cloudevents+avro", BATCH.encode(), b"application/cloudevents\xff"],
    )
    def test_other_event_formats(self, content_type: bytes) -> None:
        """A record holds one event, in JSON."""
        with pytest.raises(Undecodable):
            decode(record(structured(), **{"content-type": content_type}))

    def test_malformed_trace_is_left_out(self) -> None:
        assert not read(structured(traceparent="x"), **STRUCTURED_HEADER).trace


class TestOneShape:
    """One event is the same to routes, in whichever mode it came."""

    @pytest.mark.parametrize(
        "content_type,body,data",
        [
            ("", b'{"a":1}', {"a": 1}),
            ("application/json", b'"x"', "x"),
            ("application/vnd.x+json", b"[]", []),
            ("text/plain", b"h\xc3\xa9", "hé"),
            ("text/plain", b"", ""),
            ("Text/HTML; charset=utf-8", b"<p>", "<p>"),
            ("application/xml", b"<a/>", "<a/>"),
            ("application/soap+xml", b"<a/>", "<a/>"),
            ("image/svg+xml", b"<svg/>", "<svg/>"),
            ("application/octet-stream", b"abc", "YWJj"),
            ("image/png", b"abc", "YWJj"),
            ("application/xmlish", b"abc", "YWJj"),
        ],
    )
    def test_data(self, content_type: str, body: bytes, data: object) -> None:
        kind = content_type or None
        is_json = not content_type or "json" in content_type
        text = msgspec.Raw(body) if is_json else body.decode()

        told = [
            read(body, **BINARY_HEADERS, **{"content-type": content_type.encode()}),
            read(structured(data=text, datacontenttype=kind), **STRUCTURED_HEADER),
            read(
                structured(data_base64=base64.b64encode(body).decode(), datacontenttype=kind),
                **STRUCTURED_HEADER,
            ),
        ]

        assert [event.data for event in told] == [data] * 3

    def test_object_of_another_type(self) -> None:
        """JSON event format, 3.1: what stands there in JSON is JSON, whatever the type says."""
        value = structured(data={"a": 1}, datacontenttype="application/x-protobuf")

        assert read(value, **STRUCTURED_HEADER).data == {"a": 1}


class TestDebezium:
    """What Debezium's converter of CloudEvents sends."""

    ROW: ClassVar = {
        "before": None,
        "after": {"id": 1, "secret": "x"},
        "source": {"table": "orders"},
    }

    def test_change(self) -> None:
        """It holds a row, of which routes must list what they send."""
        event = read(structured(data=self.ROW, iodebeziumop="c", iodebeziumtable="orders"))

        assert (event.type, event.data, event.changed) == ("order.created", self.ROW, True)

    def test_change_without_extensions(self) -> None:
        """With ``extension.attributes.enable=false`` the type alone says that there is a row."""
        kind = "io.debezium.connector.postgresql.DataChangeEvent"

        event = read(structured(data=self.ROW, type=kind))

        assert (event.data, event.changed) == (self.ROW, True)

    def test_change_in_a_schema(self) -> None:
        """JsonConverter's schemas are on by default, also inside Debezium's converter."""
        sides = {"before": None, "after": self.ROW}
        wrapped = {"schema": {"type": "struct"}, "payload": sides}

        event = read(structured(data=wrapped, iodebeziumop="c"))

        assert (event.data, event.changed) == (sides, True)

    def test_data_of_others_in_a_schema(self) -> None:
        """What is no change is told as it is, whatever its fields are called."""
        data = {"schema": {"type": "struct"}, "payload": 1}

        assert read(structured(data=data)).data == data

    @pytest.mark.parametrize("op", ["r", "t", "m"])
    def test_nothing_to_tell(self, op: str) -> None:
        assert decode(record(structured(data=self.ROW, iodebeziumop=op))) is None


class TestBinary:
    """Attributes in headers."""

    def test_all_attributes(self) -> None:
        headers = BINARY_HEADERS | {
            "ce_subject": "bé".encode(),
            "ce_time": b"2026-01-02T03:04:05Z",
            "ce_socketid": b"1.2",
            "ce_userid": "Zoë".encode(),
            "ce_traceparent": TRACE.encode(),
            "content-type": b"application/json",
        }

        assert read({"a": 1}, **headers) == DomainEvent(
            type="order.created",
            id="7",
            source="/shop",
            subject="bé",
            time=1_767_323_045.0,
            data={"a": 1},
            socket_id="1.2",
            user_id="Zoë",
            trace=TRACE,
        )

    def test_the_records_own_trace_comes_first(self) -> None:
        """The header is of the last hop, the extension of the origin; a malformed header gives way."""
        origin = BINARY_HEADERS | {"ce_traceparent": TRACE.encode()}

        assert read({}, **origin, traceparent=OTHER_TRACE.encode()).trace == OTHER_TRACE
        assert read({}, **origin, traceparent=b"\xff").trace == TRACE

    @pytest.mark.parametrize(
        "content_type,value,data",
        [
            (b"", b"{}", {}),
            (b"", b"", None),
            (b"text/xml", b"<a/>", "<a/>"),
            (b"image/png", b"\x89", "iQ=="),
        ],
    )
    def test_data(self, content_type: bytes, value: bytes, data: object) -> None:
        assert read(value, **BINARY_HEADERS, **{"content-type": content_type}).data == data

    @pytest.mark.parametrize("content_type", [b"", b"application/json", b"text/plain"])
    def test_no_value_is_no_data(self, content_type: bytes) -> None:
        """Kafka binding, 3.2.2: such a record is an event, and no tombstone."""
        event = read(None, **BINARY_HEADERS, **{"content-type": content_type})

        assert (event.type, event.id, event.data) == ("order.created", "7", None)

    @pytest.mark.parametrize("name", sorted(BINARY_HEADERS))
    @pytest.mark.parametrize("value", [None, b"", b"\xff"])
    def test_required_attribute_missing(self, name: str, value: bytes | None) -> None:
        headers = {**BINARY_HEADERS, name: value}

        with pytest.raises(Undecodable):
            decode(record({}, **{key: text for key, text in headers.items() if text is not None}))

    @pytest.mark.parametrize(
        "headers,reason",
        [
            ({"ce_specversion": b"2.0"}, "only specversion 1.0"),
            ({"ce_time": b"now"}, "RFC 3339"),
            ({"ce_socketid": b"1"}, "socketid is not"),
            ({"ce_subject": b"\xff"}, "header ce_subject is not UTF-8"),
            ({"content-type": b"\xff"}, "header content-type is not UTF-8"),
            ({"content-type": b"text/plain"}, "data of a text type is not UTF-8"),
        ],
    )
    def test_broken(self, headers: dict[str, bytes], reason: str) -> None:
        assert reason in refusal(b"\xff", **(BINARY_HEADERS | headers))


class TestHalfAnEmoji:
    """``JSON.stringify`` writes half a surrogate pair where a text was cut; nobody here looks into data."""

    HALF = r'{"t":"a\ud83d"}'

    def test_structured(self) -> None:
        value = msgspec.json.encode(structured())[:-1] + f',"data":{self.HALF}}}'.encode()

        assert read(value, **STRUCTURED_HEADER).data == {"t": "a\ud83d"}
        assert read(value).data == {"t": "a\ud83d"}

    def test_text(self) -> None:
        envelope = msgspec.json.encode(structured(datacontenttype="text/plain"))
        value = envelope[:-1] + rb',"data":"\ud83d"}'

        assert read(value, **STRUCTURED_HEADER).data == "\ud83d"

    def test_binary(self) -> None:
        assert read(self.HALF.encode(), **BINARY_HEADERS).data == {"t": "a\ud83d"}

    def test_plain(self) -> None:
        assert read(self.HALF.encode()).data == {"t": "a\ud83d"}

    def test_change(self) -> None:
        row = f'{{"op":"c","after":{self.HALF},"source":{{"table":"t"}}}}'

        assert read(row.encode()).data == {"t": "a\ud83d"}
