"""Why a record is no event, word for word: said without anything that stands in it."""

from typing import Any

import pytest

from services.dispatcher.events.decoding import decode
from services.dispatcher.events.event import Undecodable
from tests.unit.dispatcher.examples import record, structured

SECRET = "sesame"  # Stands somewhere in each of these records, and in no reason.
STRUCTURED = {"content-type": b"application/cloudevents+json"}
BINARY = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/", "ce_type": b"a"}
DEEP = b'{"sesame":' * 65 + b"1" + b"}" * 65
DEEP_DATA = b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":%s}' % DEEP


@pytest.mark.parametrize(
    "value,headers,words",
    [
        (b"sesame", {}, "the value is not JSON: JSON is malformed: invalid character (byte 0)"),
        (b'{"a":"sesame\xff"}', {}, "the value is not JSON: it is not UTF-8"),
        (b'"sesame"', {}, "the value is not a JSON object"),
        (DEEP, {}, "the value is nested deeper than 64 levels"),
        (
            structured(specversion=SECRET),
            STRUCTURED,
            "not a CloudEvent: only specversion 1.0 is supported",
        ),
        (
            structured(id=None, data=SECRET),
            STRUCTURED,
            "not a CloudEvent: Object missing required field `id`",
        ),
        (
            structured(type=["sesame"]),
            STRUCTURED,
            "not a CloudEvent: Expected `str`, got `array` - at `$.type`",
        ),
        (
            structured(time=SECRET),
            STRUCTURED,
            "not a CloudEvent: time is not an RFC 3339 time with a zone",
        ),
        (
            structured(time="2026-02-30T00:00:00Z", data=SECRET),
            STRUCTURED,
            "not a CloudEvent: time is not an RFC 3339 time with a zone",
        ),
        (
            structured(socketid=SECRET),
            STRUCTURED,
            "not a CloudEvent: socketid is not digits, a full stop and digits",
        ),
        (
            structured(data_base64="sesame="),
            STRUCTURED,
            "not a CloudEvent: Invalid base64 encoded string - at `$.data_base64`",
        ),
        (
            structured(data=SECRET, data_base64="c2VzYW1l"),
            STRUCTURED,
            "both data and data_base64",
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"/","type":"a","data_base64":"\\ud83d"}',
            STRUCTURED,
            "not a CloudEvent: a text has half of a surrogate pair",
        ),
        (DEEP_DATA, STRUCTURED, "data is nested deeper than 64 levels"),
        (
            b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":[sesame]}',
            STRUCTURED,
            "not a CloudEvent: JSON is malformed: invalid character (byte 62)",
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":[1e999]}',
            STRUCTURED,
            "data is not JSON: Number out of range - at `$[0]`",
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":"sesame\xff"}',
            STRUCTURED,
            "data is not JSON: it is not UTF-8",
        ),
        (
            b'{"specversion":"1.1","id":"1","source":"/","type":"a","data":"sesame\xff"}',
            STRUCTURED,
            "not a CloudEvent: only specversion 1.0 is supported",
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"/","type":"a","data":[9e999],"data_base64":""}',
            STRUCTURED,
            "both data and data_base64",
        ),
        (b"sesame", STRUCTURED, "not a CloudEvent: JSON is malformed: invalid character (byte 0)"),
        (
            {},
            {"content-type": b"application/cloudevents+sesame"},
            "of the content types of CloudEvents only application/cloudevents+json is supported",
        ),
        (
            b"sesame",
            {**BINARY, "content-type": b"application/json"},
            "data is not JSON: JSON is malformed: invalid character (byte 0)",
        ),
        (
            b"sesame\xff",
            {**BINARY, "content-type": b"text/plain"},
            "data of a text type is not UTF-8",
        ),
        (b"sesame", {**BINARY, "ce_id": b"sesame\xff"}, "header ce_id is not UTF-8"),
        (
            {"op": SECRET, "source": {"table": "t"}, "after": {}},
            {},
            "a change event whose operation `op` is unknown",
        ),
        (
            {"op": "u", "source": {"table": "t"}, "before": {"a": SECRET}},
            {},
            "a change event without the row `after`",
        ),
        (
            {"op": "c", "source": {"table": "t"}, "after": [SECRET]},
            {},
            "the row `after` of a change event is no object",
        ),
        (
            {"op": "c", "source": {"name": SECRET}, "after": {}},
            {},
            "a change event without the name of its table",
        ),
    ],
)
def test_reason(value: Any, headers: dict[str, bytes], words: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(record(value, **headers))

    assert caught.value.reason == words
    assert SECRET not in str(caught.value)
