"""JSON of any origin: RFC 8259, and half a surrogate pair (8.2)."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.json_text import (
    MAX_DEPTH,
    JsonReader,
    NestedTooDeeply,
    is_deeper,
    is_whole,
    whole,
    write,
)

HALVES = [
    r"\ud83d",
    r"\uDE00",
    r"\ud83d\ud83d",
    r"\ude00\ud83d",
    r"\ud83d x",
    r"a\ud83d\n",
    r"\uD83D\u0041",
]


class Struct(msgspec.Struct, frozen=True):
    """A struct with a part that is wanted as it is."""

    name: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    number: int | None = None


def texts() -> st.SearchStrategy[str]:
    """Any text, halves of pairs among it."""
    return st.text(st.characters(exclude_categories=()), max_size=5)


def values() -> st.SearchStrategy[Any]:
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | texts()
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
    )


class TestRead:
    """What is read, and into what."""

    @pytest.mark.parametrize("half", HALVES)
    def test_half(self, half: str) -> None:
        assert JsonReader(str).read(f'"{half}"') == json.loads(f'"{half}"')

    def test_whole_pair(self) -> None:
        assert JsonReader(str).read(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"

    @pytest.mark.parametrize("half", HALVES)
    def test_parts_as_they_are(self, half: str) -> None:
        """Not a blank of them changes."""
        raw = f'{{"t": ["{half}", 1.50 ],"b":{{}}}}'

        read = JsonReader(Struct).read(f' {{"x":1, "data" : {raw} , "name":"n"}}\n'.encode())
        first, second = JsonReader(list[msgspec.Raw]).read(f'[ {raw} ,"{half}"]'.encode())
        by_name = JsonReader(dict[str, msgspec.Raw]).read(f'{{"a":{raw},"{half}":1}}'.encode())
        alone = JsonReader(msgspec.Raw).read(f" {raw} ".encode())

        assert (bytes(read.data).decode(), read.name) == (raw, "n")
        assert (bytes(first).decode(), bytes(second).decode()) == (raw, f'"{half}"')
        assert bytes(by_name["a"]).decode() == raw
        assert bytes(alone).decode() == raw

    @pytest.mark.parametrize("empty", ["{}", "[]", "{ }"])
    def test_nothing_inside(self, empty: str) -> None:
        text = f'{{"name":"\\ud83d","data":{empty}}}'

        assert bytes(JsonReader(Struct).read(text).data).decode() == empty

    @given(values())
    def test_as_python_does(self, value: Any) -> None:
        """The second reader reads what the first would, if it took halves."""
        text = json.dumps(value)

        assert JsonReader(object).read(text) == value

    @pytest.mark.parametrize(
        "text",
        [
            *(r'{"a":"\ud83d",}', r'{"a":"\ud83d"', r'["\ud83d",NaN]', r'["\ud83d",-Infinity]'),
            *(r'["\ud83d",1e999]', r'"\ud83d"x', r'["\ud83d', r'"\ud83d\u12"', "[\"\\ud83d\",'a']"),
            *('["\\ud83d","\n"]', r'["\ud83d",01]', ""),
        ],
    )
    def test_malformed(self, text: str) -> None:
        """What is no JSON is refused, and no word says that it was cut off if it was not."""
        with pytest.raises(msgspec.DecodeError) as caught:
            JsonReader(object).read(text)

        assert ("truncated" in str(caught.value)) is (text == "")

    @pytest.mark.parametrize(
        "text", [r'{"name":"\ud83d","number":"1"}', r'{"other":"\ud83d"}', r'["\ud83d"]']
    )
    def test_other_type(self, text: str) -> None:
        with pytest.raises(msgspec.ValidationError):
            JsonReader(Struct).read(text)

    def test_no_base64(self) -> None:
        with pytest.raises(msgspec.DecodeError, match="half of a surrogate pair"):
            JsonReader(list[bytes]).read(r'["\ud83d"]')

    @pytest.mark.parametrize("half", HALVES)
    def test_not_taken(self, half: str) -> None:
        """Where a text is looked into, it must be whole; what is no JSON is told first."""
        reader = JsonReader(object, takes_halves=False)

        with pytest.raises(msgspec.DecodeError, match="half of a surrogate pair"):
            reader.read(f'["{half}"]')
        with pytest.raises(msgspec.DecodeError, match="malformed"):
            reader.read(f'["{half}",]')

    def test_not_utf_8(self) -> None:
        with pytest.raises(UnicodeDecodeError):
            JsonReader(object).read(b'["\\ud83d","\xff"]')

    @pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 2_000, 1_000_000])
    @pytest.mark.parametrize("half", ["", '"\\ud83d",'])
    @pytest.mark.parametrize("kind", [object, msgspec.Raw, str])
    def test_too_deep(self, kind: Any, half: str, levels: int) -> None:
        """It is told before anything works level by level, whatever the document should be."""
        with pytest.raises(NestedTooDeeply, match="nested deeper than 64 levels"):
            JsonReader(kind).read(f"[{half}" + "[" * (levels - 1) + "]" * levels)
        with pytest.raises(NestedTooDeeply):
            JsonReader(kind).read('{"a":' * levels + "1" + "}" * levels)
        with pytest.raises(NestedTooDeeply):  # It never ends, and would be read so far.
            JsonReader(kind).read("[" * levels)

    @pytest.mark.parametrize("around", [0, 1])
    def test_deep(self, around: int) -> None:
        """An envelope adds its levels to those that what stands within may have."""
        levels = MAX_DEPTH + around
        reader = JsonReader(object, around=around)

        assert is_deeper(reader.read("[" * levels + "]" * levels), levels - 1)
        with pytest.raises(NestedTooDeeply):
            reader.read(f"[{'[' * levels}{']' * levels}]")

    def test_brackets_in_texts(self) -> None:
        """They nest nothing, whatever stands beside them."""
        text = r'"[[[[\\","{{\"[[[",' * 50

        assert len(JsonReader(list[str]).read(f'[{text}"\\u005b"]')) == 101

    @pytest.mark.parametrize("text", ["[" * 64 + "]", "[]" * 99, "][" * 99, "[}" * 99])
    def test_without_partners(self, text: str) -> None:
        """What is no JSON is not said to be deep: brackets without partners nest nothing."""
        with pytest.raises(msgspec.DecodeError, match=r"malformed|truncated"):
            JsonReader(object).read(text)

    @given(values(), st.integers(0, 5))
    def test_levels(self, value: Any, levels: int) -> None:
        """Texts and values are as deep."""
        text = json.dumps(value)
        reader = JsonReader(object, around=levels - MAX_DEPTH)
        try:
            reader.read(text)
        except NestedTooDeeply:
            assert is_deeper(value, levels)
        else:
            assert not is_deeper(value, levels)

    @pytest.mark.parametrize(
        "number",
        ["18446744073709551615", "-9223372036854775808", "1180591620717411303425", "1" * 5000],
    )
    def test_large_numbers(self, number: str) -> None:
        """They keep their digits, whoever reads, or are too large."""

        def read(text: str) -> Any:
            try:
                return JsonReader(object).read(text)
            except msgspec.DecodeError:
                return None

        assert read(f'[{number},"\\ud83d"]') == (
            None if read(number) is None else [read(number), "\ud83d"]
        )


class TestWrite:
    """What is written."""

    @given(values())
    def test_round_trip(self, value: Any) -> None:
        assert json.loads(write(value)) == value

    @pytest.mark.parametrize("half", HALVES)
    def test_half_as_it_came(self, half: str) -> None:
        text = json.loads(f'"{half}"')

        assert (
            write({"a": text, "b": msgspec.Raw(b'{"c":"d"}')})
            == f'{{"a":{json.dumps(text)},"b":{{"c":"d"}}}}'.encode()
        )

    def test_no_json(self) -> None:
        with pytest.raises(TypeError):
            write({"a": "\ud83d", "b": object()})


@pytest.mark.parametrize(
    "text,expected",
    [("", True), ("é\N{GRINNING FACE}", True), ("a\ud83d", False), ("\udfff", False)],
)
def test_is_whole(text: str, *, expected: bool) -> None:
    assert is_whole(text) is expected


@pytest.mark.parametrize(
    "text,expected",
    [
        ("", ""),
        ("é\N{GRINNING FACE}", "é\N{GRINNING FACE}"),
        ("a\ud83d", "a\N{REPLACEMENT CHARACTER}" + 2 * "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_whole(text: str, expected: str) -> None:
    """UTF-8 can say it, whatever it was."""
    assert whole(text) == expected
    assert whole(b"\xff\xe9".decode(errors="surrogateescape")).isprintable()
