"""Records as other tools print them."""

import json
from typing import Any

import pytest

from libs.common.eventlog.records import Record
from services.cli.explaining.records import PrintedRecord, UnreadableRecord, printed

NOW = 1000.0


def one(text: bytes, form: str, topic: str | None = "stock") -> Record:
    """Read a single record."""
    (found,) = printed(text, form, topic, now=NOW)
    assert isinstance(found, PrintedRecord)
    return found.record


def reason(text: bytes, form: str, topic: str | None = "stock") -> str:
    """Say why a single record cannot be read."""
    (found,) = printed(text, form, topic, now=NOW)
    assert isinstance(found, UnreadableRecord)
    return found.reason


def line(**fields: Any) -> bytes:
    return json.dumps({"topic": "t", "payload": "{}"} | fields).encode()


class TestConsole:
    """As kafka-console-consumer prints them."""

    def test_least(self) -> None:
        """Headers, key and value; a tab in the value is the value's."""
        assert one(b'ce_id:1\tk\t{"a":\t1}', "console") == Record(
            "stock", 0, 0, NOW, b"k", b'{"a":\t1}', (("ce_id", b"1"),)
        )

    @pytest.mark.parametrize("kind", ["CreateTime", "LogAppendTime"])
    def test_most(self, kind: str) -> None:
        text = f"{kind}:1500\tPartition:3\tOffset:42\tDelivery:NONE\tNO_HEADERS\tnull\tnull\n"

        assert one(text.encode(), "console") == Record("stock", 3, 42, 1.5, None, None, ())

    def test_no_timestamp(self) -> None:
        assert one(b"NO_TIMESTAMP\tNO_HEADERS\tk\tv", "console").timestamp == NOW

    def test_commas(self) -> None:
        """
        A comma within a header's value is not the end of it.
        """
        headers = b"ce_time:2026-01-01T00:00:00Z,tracestate:a=b,c=d,ce_source:/x"

        assert one(headers + b"\tk\tv", "console").headers == (
            ("ce_time", b"2026-01-01T00:00:00Z"),
            ("tracestate", b"a=b,c=d"),
            ("ce_source", b"/x"),
        )

    @pytest.mark.parametrize(
        "text,said",
        [
            (b"{}", "1 of 3 fields"),
            (b"k\t{}", "2 of 3 fields"),
            (b'k\t{"a":\t1}', "the headers are 'k'"),
        ],
    )
    def test_unreadable(self, text: bytes, said: str) -> None:
        assert reason(text, "console").startswith(said)
        assert "print.headers=true" in reason(text, "console")

    def test_no_topic(self) -> None:
        assert "--topic" in reason(b"NO_HEADERS\tk\tv", "console", None)


class TestJson:
    """As kcat -J and dead-letters list print them."""

    def test_kcat(self) -> None:
        text = (
            b'{"topic":"t","partition":2,"offset":7,"tstype":"create","ts":1500,"broker":1,'
            b'"headers":["ce_id","1","ce_x",null],"key":null,"payload":"{\\"a\\":1}"}'
        )

        assert one(text, "json", None) == Record(
            "t", 2, 7, 1.5, None, b'{"a":1}', (("ce_id", b"1"), ("ce_x", b""))
        )

    def test_dead_letters(self) -> None:
        """Bytes may be in base64; headers may be an object."""
        text = b'{"topic":"t","key":"k","value_base64":"/w==","headers":{"a":"b"}}'

        assert one(text, "json", None) == Record("t", 0, 0, NOW, b"k", b"\xff", (("a", b"b"),))

    def test_tombstone(self) -> None:
        assert one(line(payload=None), "json").value is None

    def test_other_topic(self) -> None:
        """A topic that is named stands before the record's own."""
        assert one(line(), "json", "stock").topic == "stock"

    @pytest.mark.parametrize(
        "text,said",
        [
            (b"{", "it is no object in JSON"),
            (b"[]", "it is no object in JSON"),
            (b"\xff", "it is no object in JSON"),
            (b'{"payload":"x"}', "it has no topic: name it with --topic"),
            (b'{"topic":"t","key":"x"}', "it has neither payload nor value"),
            (line(payload={}), "payload is no text"),
            (line(key=1), "key is no text"),
            (line(ts="now"), "ts is no whole number"),
            (line(offset=True), "offset is no whole number"),
            (line(headers=["a"]), "headers are names and values by turns"),
            (line(headers="a:b"), "headers are neither an object nor a list"),
            (line(headers=["a", 1]), "the header 'a' is no text"),
            (line(value_base64="?"), ""),
            (b'{"topic":"t","value_base64":"?"}', "value_base64 is no base64"),
        ],
    )
    def test_unreadable(self, text: bytes, said: str) -> None:
        if said:
            assert reason(text, "json", None).startswith(said)
        else:
            assert one(text, "json", None).value == b"{}"


def test_places() -> None:
    """
    Each line is a record or says where and why it is none; empty ones are passed over.
    """
    text = line() + b"\r\n\n{\n" + line(payload="x") + b"\n"

    found = list(printed(text, "json", None, now=NOW))

    assert [(each.line, type(each)) for each in found] == [
        (1, PrintedRecord),
        (3, UnreadableRecord),
        (4, PrintedRecord),
    ]
