"""What expressions see of a domain event."""

import pytest

from libs.common.expressions import BadRule
from services.dispatcher.routing.scope import NAMES, Purpose, compiled, fitted, scope_of
from tests.unit.dispatcher.examples import event


class TestScope:
    """docs/events.md, "Expressions"."""

    def test_names(self) -> None:
        """Every name has a value, and nothing else has."""
        assert scope_of("t", event()).keys() == NAMES

    def test_values(self) -> None:
        scope = scope_of("shop.orders", event(type="paid", data={"id": 7}))

        assert compiled("topic + ' ' + type").evaluate(scope) == "shop.orders paid"
        assert compiled("data.id").evaluate(scope) == 7

    def test_other_names(self) -> None:
        """An expression that asks for anything else is wrong from the start."""
        with pytest.raises(BadRule):
            compiled("user.id")


class TestPurpose:
    """An expression that cannot serve its purpose is wrong from the start."""

    ANYTHING = Purpose({"a text", "a number"}, "texts are wanted", len)

    @pytest.mark.parametrize("source", ["data.id", "type", "time", "key", "'a' + 'b'", "data"])
    def test_fits(self, source: str) -> None:
        """What may serve it is taken: only constants are tried, the rest depends on the event."""
        assert fitted(source, self.ANYTHING).source == source

    @pytest.mark.parametrize(
        "source,said",
        [
            ("data.id == 7", "it gives true or false, and texts are wanted"),
            ("timestamp(time)", "it fails on any event: timestamp() does not take a number"),
            ("duration(subject) + time", "it fails on any event: + does not work on a duration"),
            ("7", "it fails on any event: object of type 'int' has no len()"),
            ("user.id", "unknown name 'user'"),
        ],
    )
    def test_refused(self, source: str, said: str) -> None:
        with pytest.raises(BadRule) as raised:
            fitted(source, self.ANYTHING)

        assert raised.value.reason.startswith(said)
