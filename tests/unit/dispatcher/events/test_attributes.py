"""CloudEvents, "Context attributes": what is read of them, at once or from the outside in."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from services.dispatcher.events.attributes import attributes_of, opened
from services.dispatcher.events.event import Undecodable, parse
from tests.unit.dispatcher.examples import json_values, structured

TEXTS = structured()
BROKEN = [b"tru", b"1e999", b"[1,]", b'"\xff"', b'"a', b"01", b"", b"{}{}", b"nul"]


class TestAttributes:
    """Those of a binary event, which are texts."""

    @pytest.mark.parametrize("time,moment", [("1970-01-01T00:01:00Z", 60.0), (None, None)])
    def test_moment(self, time: str | None, moment: float | None) -> None:
        assert attributes_of(structured(time=time))[1] == moment

    @pytest.mark.parametrize(
        "user,known",
        [("7", "7"), (7, "7"), (True, ""), (1.5, ""), (None, ""), ("", ""), ([], ""), ("a\n", "")],
    )
    def test_user(self, user: object, known: str) -> None:
        assert attributes_of(structured(userid=user))[0].user == known

    @pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
    @pytest.mark.parametrize("value", [None, ""])
    def test_needed(self, name: str, value: str | None) -> None:
        with pytest.raises(Undecodable):
            attributes_of(structured(**{name: value}))


class TestOpened:
    """The JSON format."""

    @given(data=json_values())
    def test_data(self, data: Any) -> None:
        """Data that is read with its attributes is what it is alone."""
        alone = msgspec.json.encode(data)
        document = msgspec.json.encode(TEXTS | {"data": msgspec.Raw(alone)})

        assert repr(opened(document)[0].data) == repr(parse(alone))

    def test_no_data(self) -> None:
        assert opened(msgspec.json.encode(TEXTS))[0].data is UNSET

    @given(broken=st.sampled_from(BROKEN) | st.binary(max_size=8))
    @example(b"[" * 5000 + b"]" * 5000)
    def test_broken_data(self, broken: bytes) -> None:
        """What is wrong is said as if the data stood alone, or of the event; nothing else is met."""
        document = msgspec.json.encode(TEXTS)[:-1] + b',"data":' + broken + b"}"

        with suppress(Undecodable):
            opened(document)
