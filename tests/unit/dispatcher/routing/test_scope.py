"""What expressions see of a domain event."""

import pytest

from libs.common.expressions import BadRule
from services.dispatcher.routing.scope import NAMES, compiled, scope_of
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
