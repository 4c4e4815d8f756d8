"""The router: which routes are followed, in which order, within which bounds."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.router import LONGEST_REMEMBERED, Router, Routing, Skipped
from services.dispatcher.routing.rules import BadRoute, Routed, Unroutable
from services.dispatcher.settings import DispatcherSettings, Route
from tests.unit.dispatcher.examples import event, json_values, route

NOW = 1_700_000_100.0
ONE_APP = {"1": "fanfare.events.1"}
TWO_APPS = {"1": "one", "2": "two"}

EVERYTHING = (
    route(name="all", data={"a": "data.a", "kind": "type"}),
    route(name="as it is", channels=("private-x.{data.a}", "{data.b}"), event="{data.c}"),
    route(name="when", when="data.a < data.b || data.c.exists(x, x == data.a)"),
    route(name="row", type="row.*", data={"row": "data", "size": "size(data)"}),
    route(name="math", when="has(data.b)", data={"x": "data.a + data.b", "y": "data.a[0]"}),
    route(name="path", when="data.in_", event="e.{data.a.b}", data={"k": "key", "t": "time"}),
)


def router(
    *routes: Route, topics: dict[str, str] | None = None, settings: DispatcherSettings | None = None
) -> Router:
    return Router(routes, topics=topics or ONE_APP, settings=settings or DispatcherSettings())


def routed(*routes: Route, data: Any = None, **fields: Any) -> Routing:
    return router(*routes).route("inventory", event(data, **fields), now=NOW)


class TestCompile:
    """Apps, topics and names of routes."""

    def test_the_only_app_and_its_topic_are_implied(self) -> None:
        implied = router(route(topic=""))

        assert implied.topics == {"fanfare.events.1"}
        assert implied.route("fanfare.events.1", event(), now=NOW).broadcasts[0].app == "1"

    def test_named_apps(self) -> None:
        both = router(
            route(name="a", app="1", topic=""),
            route(name="b", app="2", topic=""),
            route(name="c", app="2", topic="one"),
            topics=TWO_APPS,
        )

        apps = [broadcast.app for broadcast in both.route("one", event(), now=NOW).broadcasts]
        assert both.topics == {"one", "two"}
        assert apps == ["1", "2"]

    @pytest.mark.parametrize(
        "app,topics,reason",
        [
            ("3", TWO_APPS, "there is no app '3'"),
            ("", TWO_APPS, "must be named, as there are 2 apps"),
        ],
    )
    def test_unknown_app(self, app: str, topics: dict[str, str], reason: str) -> None:
        with pytest.raises(BadRoute) as caught:
            router(route(app=app), topics=topics)

        assert (caught.value.route, caught.value.field) == ("low", "app")
        assert reason in str(caught.value)

    def test_no_apps(self) -> None:
        with pytest.raises(BadRoute, match="there are 0 apps"):
            Router([route()], topics={}, settings=DispatcherSettings())

    def test_same_name_twice(self) -> None:
        """Counters and dead letters name routes, so that names must tell them apart."""
        with pytest.raises(BadRoute, match="route 'low', name: another route has the same name"):
            router(route(), route(type="x"))

    def test_bad_route_is_named(self) -> None:
        with pytest.raises(BadRoute, match="route 'b', when at character 1"):
            router(route(name="a"), route(name="b", when="nope"))

    def test_no_routes(self) -> None:
        assert router().topics == frozenset()

    def test_topics_of_disabled_routes_are_read(self) -> None:
        assert router(route(enabled=False)).topics == {"inventory"}


class TestRoute:
    """Every route that applies is followed."""

    def test_in_order_of_the_settings(self) -> None:
        routing = routed(
            route(name="b", channels=("x", "y")),
            route(name="other", type="order.*"),
            route(name="elsewhere", topic="orders"),
            route(name="a", event="{type}"),
            data={"a": 1},
        )

        assert routing == Routing(
            (
                Routed("b", "1", "x", "stock.low", '{"a":1}'),
                Routed("b", "1", "y", "stock.low", '{"a":1}'),
                Routed("a", "1", "stock", "stock.low", '{"a":1}'),
            )
        )

    def test_two_routes_may_say_the_same(self) -> None:
        routing = routed(route(name="a"), route(name="b"))

        assert [broadcast.route for broadcast in routing.broadcasts] == ["a", "b"]

    def test_no_route(self) -> None:
        nothing = Routing()

        assert routed(route(type="order.*")) == nothing
        assert routed(route(when="false")) == nothing
        assert router(route()).route("elsewhere", event(), now=NOW) == nothing

    @pytest.mark.parametrize("kind", ["low", "l" * LONGEST_REMEMBERED, "l" * 1000])
    def test_by_topic_and_type(self, kind: str) -> None:
        """What is remembered of a type is of its topic, and of this type alone."""
        routes = router(
            route(name="a", type="l*"),
            route(name="b", type="?o*", topic="orders"),
            route(name="c", type=kind),
        )

        def names(topic: str, type_: str) -> list[str]:
            routing = routes.route(topic, event(type=type_), now=NOW)
            return [broadcast.route for broadcast in routing.broadcasts]

        for _ in range(2):
            assert names("inventory", kind) == ["a", "c"]
            assert names("inventory", f"{kind}r") == ["a"]
            assert names("inventory", kind.upper()) == []
            assert names("orders", kind) == ["b"] * (kind == "low")

    def test_skipped_are_told_with_the_reason(self) -> None:
        routing = routed(
            route(name="a", when="data.missing > 1"),
            route(name="b", enabled=False),
            route(name="c", max_age=50),
            route(name="d", when="data.quantity > 5"),
            route(name="e"),
            data={"quantity": 1},
        )

        assert routing.skipped == (
            Skipped("a", "absent"),
            Skipped("b", "disabled"),
            Skipped("c", "too_old"),
        )
        assert [broadcast.route for broadcast in routing.broadcasts] == ["e"]

    def test_one_route_that_fails_fails_the_event(self) -> None:
        """A dead letter can be replayed whole, as nothing of it was sent."""
        with pytest.raises(Unroutable) as caught:
            routed(route(name="good"), route(name="bad", event="{data.missing}"), data={})

        assert caught.value.route == "bad"

    def test_expressions_see_the_event(self) -> None:
        parts = "[type, source, subject, id, string(time), key, topic]"

        (broadcast,) = routed(route(data={"all": parts}), time=5.0).broadcasts

        assert broadcast.data == (
            '{"all":["stock.low","/warehouse","bolt","7","5","k","inventory"]}'
        )

    def test_an_event_without_data_lacks_every_field(self) -> None:
        """A condition on its fields does not hold; the event is no poison."""
        routing = routed(route(when="data.quantity < 5"), data=None)

        assert routing == Routing(skipped=(Skipped("low", "absent"),))

    def test_number_of_broadcasts(self) -> None:
        settings = DispatcherSettings(max_broadcasts=3)
        two = route(name="two", channels=("a", "b"))
        one = route(name="one", channels=("c",))
        more = route(name="more", channels=("d",))

        within = router(two, one, settings=settings).route("inventory", event(), now=NOW)

        assert len(within.broadcasts) == 3
        with pytest.raises(Unroutable, match="'more': more than 3 broadcasts of one record"):
            router(two, one, more, settings=settings).route("inventory", event(), now=NOW)

    def test_default_number_of_broadcasts(self) -> None:
        routes = [
            route(name=str(number), channels=[f"c{number}.{place}" for place in range(100)])
            for number in range(11)
        ]

        assert len(routed(*routes[:10]).broadcasts) == 1000
        with pytest.raises(Unroutable, match="more than 1024"):
            routed(*routes)


class TestAnything:
    """No exception but Unroutable escapes."""

    @given(
        rule=st.sampled_from(EVERYTHING),
        data=json_values()
        | st.dictionaries(st.sampled_from(["a", "b", "c", "in_"]), json_values(leaves=4)),
        kind=st.sampled_from(["stock.low", "row.created"]) | st.text(),
        time=st.floats(allow_nan=False),
        changed=st.booleans(),
    )
    def test_any_data(
        self, rule: Route, data: Any, kind: str, time: float, *, changed: bool
    ) -> None:
        happened = DomainEvent(kind, "7", "s", "", time, data, key=kind, changed=changed)

        with suppress(Unroutable):
            routing = ROUTERS[rule.name].route("inventory", happened, now=NOW)

            assert all(broadcast.data for broadcast in routing.broadcasts)
            assert all(len(broadcast.channel) <= 164 for broadcast in routing.broadcasts)


ROUTERS = {rule.name: router(rule) for rule in EVERYTHING}
