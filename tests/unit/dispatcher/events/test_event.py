"""Domain events, and reading JSON of any origin."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.eventlog.records import Record
from libs.common.json_text import MAX_DEPTH
from services.dispatcher.events.event import (
    TooDeep,
    Undecodable,
    coordinates,
    key_of,
    parse,
)
from tests.unit.dispatcher.examples import json_values, record


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


class TestParse:
    """RFC 8259, with bounds."""

    def test_a_document(self) -> None:
        assert parse(b' {"a": [1, 2.5, null, "\\u00e9"]} ') == {"a": [1, 2.5, None, "é"]}

    def test_raw_part_of_a_document(self) -> None:
        raw = msgspec.json.decode(b'{"a": {"b": 1}}', type=dict[str, msgspec.Raw])["a"]

        assert parse(raw) == {"b": 1}

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"{} {}",
            b"NaN",
            b"Infinity",
            b"01",
            b"1e999",
            b"1" * 5000,
            b'"\xff"',
            b'{"\xff": 1}',
            b'"a\x01"',
            b"\xef\xbb\xbf{}",
            b"{'a': 1}",
        ],
    )
    def test_what_is_no_json(self, text: bytes) -> None:
        with pytest.raises(Undecodable, match="data is not JSON"):
            parse(text, "data")

    @pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"a\ud83d b"])
    def test_half_an_emoji(self, half: str) -> None:
        """``JSON.stringify`` writes it, so it is JSON."""
        text = f'{{"a": ["{half}"]}}'

        assert parse(text.encode()) == json.loads(text)

    def test_integers_keep_their_digits(self) -> None:
        """An id beyond 64 bits is not rounded on its way to a client."""
        assert parse(b"1180591620717411303425") == 2**70 + 1

    def test_nesting_at_the_limit(self) -> None:
        assert parse(nested(MAX_DEPTH))

    @pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 2_000, 1_000_000])
    def test_nesting_beyond_the_limit(self, levels: int) -> None:
        """A nesting bomb is refused before anything recursive meets it."""
        with pytest.raises(TooDeep, match="nested deeper than 64 levels"):
            parse(nested(levels))

    def test_nesting_of_objects_beyond_the_limit(self) -> None:
        with pytest.raises(TooDeep):
            parse(b'{"a":' * 65 + b"1" + b"}" * 65)

    def test_wide_is_not_deep(self) -> None:
        """A long list of objects has many brackets and little depth."""
        assert len(parse(b"[" + b",".join([b'{"a":[]}'] * 500) + b"]")) == 500

    @given(st.binary())
    def test_any_bytes(self, text: bytes) -> None:
        """Bytes are a document or undecodable; no other exception escapes."""
        with suppress(Undecodable):
            assert msgspec.json.decode(msgspec.json.encode(parse(text))) == parse(text)

    @given(json_values())
    def test_any_document(self, value: object) -> None:
        assert parse(msgspec.json.encode(value)) == value


class TestRecordTexts:
    """What a record says of itself."""

    def test_coordinates_name_one_record(self) -> None:
        assert coordinates(record({})) == "orders/3/42"

    @pytest.mark.parametrize(
        "key,text",
        [(None, ""), (b"", ""), (b"k\xc3\xa9", "ké"), (b"\xff", "\N{REPLACEMENT CHARACTER}")],
    )
    def test_key(self, key: bytes | None, text: str) -> None:
        assert key_of(Record("t", 0, 0, 0.0, key, b"", ())) == text

    @pytest.mark.parametrize(
        "key,value",
        [
            (b'{"id": 7}', {"id": 7}),
            (b'{"schema": {"type": "struct"}, "payload": {"id": 7}}', {"id": 7}),
            (b'{"schema": {"type": "int32"}, "payload": 7}', "7"),
            (b'{"schema": {"type": "string"}, "payload": "a"}', "a"),
            (b'{"id": ', '{"id": '),
            (b'"7"', '"7"'),
            (b"[7]", "[7]"),
        ],
    )
    def test_key_in_json(self, key: bytes, value: object) -> None:
        """An object is one to expressions, without the schema that Kafka Connect puts around it."""
        assert key_of(Record("t", 0, 0, 0.0, key, b"", ())) == value
