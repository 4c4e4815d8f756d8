"""A compiled route where an event has less than it should: a row that is missing, half an emoji."""

import re
from typing import Any, ClassVar

import pytest

from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.rules import Unroutable
from tests.unit.dispatcher.examples import event, scope
from tests.unit.dispatcher.routing.test_rules import NOW, applies, rule, sent


class TestGap:
    """A change event of which only the key came: what the key says can be sent, the rest is said in a dead letter."""

    GAP = "the change event has no row `before`, only a key"

    def happened(self) -> DomainEvent:
        return event(None, key={"id": 7}, changed=True, gap=self.GAP)

    def test_key_serves(self) -> None:
        fields = {"when": "key.id > 5", "channels": ["row.{key.id}"], "data": {"id": "key.id"}}
        here, seen = rule(**fields), scope({}, key={"id": 7})

        assert here.applies(self.happened(), seen, now=NOW) is True
        (broadcast,) = here.broadcasts(self.happened(), seen)

        assert (broadcast.channel, broadcast.data) == ("row.7", '{"id":7}')

    def test_condition_needs_the_row(self) -> None:
        """Whether it holds is not known, so the event may not vanish."""
        with pytest.raises(Unroutable, match=re.escape(self.GAP)):
            rule(when="data.tenant == 'a'").applies(self.happened(), scope({}), now=NOW)

    @pytest.mark.parametrize(
        "fields",
        [
            {"channels": ["row.{data.id}"], "data": {"id": "key.id"}},
            {"event": "{data.kind}", "data": {"id": "key.id"}},
            {"data": {"id": "data.id"}},
        ],
    )
    def test_template_needs_the_row(self, fields: dict[str, Any]) -> None:
        with pytest.raises(Unroutable, match=re.escape(self.GAP)):
            rule(**fields).broadcasts(self.happened(), scope({}, key={"id": 7}))


class TestHalfAnEmoji:
    """A text that was cut within an emoji passes where nothing looks into it."""

    HALF: ClassVar = {"t": "a\ud83d", "n": 1}

    @pytest.mark.parametrize(
        "data,text",
        [
            ({}, r'{"t":"a\ud83d","n":1}'),
            ({"t": "data.t"}, r'{"t":"a\ud83d"}'),
            ({"n": "data.n + 1"}, '{"n":2}'),
        ],
    )
    def test_passes(self, data: dict[str, str], text: str) -> None:
        (broadcast,) = sent(self.HALF, when="data.n == 1", data=data)

        assert broadcast.data == text

    @pytest.mark.parametrize(
        "fields",
        [
            {"data": {"t": "data.t + 'x'"}},
            {"data": {"t": "size(data.t)"}},
            {"event": "{string(data.t)}"},
        ],
    )
    def test_needed(self, fields: dict[str, Any]) -> None:
        with pytest.raises(Unroutable, match="half of a surrogate pair"):
            sent(self.HALF, **fields)

    def test_condition(self) -> None:
        with pytest.raises(Unroutable, match="half of a surrogate pair"):
            applies(event(self.HALF), when="data.t == 'x'")

    @pytest.mark.parametrize("fields", [{"channels": ["a.{data.t}"]}, {"event": "{data.t}"}])
    def test_names(self, fields: dict[str, Any]) -> None:
        with pytest.raises(Unroutable, match=r"invalid|half"):
            sent(self.HALF, **fields)
