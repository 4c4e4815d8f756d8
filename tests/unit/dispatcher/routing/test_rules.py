"""A compiled route: errors of compilation, whether it applies, what it sends."""

import re
from typing import Any

import pytest

from libs.common.apps.limits import Limits
from services.dispatcher.events.event import DomainEvent
from services.dispatcher.routing.rules import BadRoute, Routed, Rule, Unroutable
from tests.unit.dispatcher.examples import event, route, scope

NOW = 1_700_000_100.0


def rule(**fields: Any) -> Rule:
    return Rule(route(**fields), app="1", limits=Limits())


def applies(happened: DomainEvent, **fields: Any) -> object:
    seen = scope(happened.data, type=happened.type)
    return rule(**fields).applies(happened, seen, now=NOW)


def sent(value: Any, *, changed: bool = False, **fields: Any) -> list[Routed]:
    return rule(**fields).broadcasts(event(value, changed=changed), scope(value))


class TestCompile:
    """A route that cannot work stops the start, and says where it is wrong."""

    @pytest.mark.parametrize(
        "fields,field,position,reason",
        [
            ({"type": "stock.[ab"}, "type", 7, "an opening bracket"),
            ({"type": "[]"}, "type", 1, "an opening bracket"),
            ({"type": "[!]"}, "type", 1, "an opening bracket"),
            ({"type": "[a]["}, "type", 4, "an opening bracket"),
            ({"when": "data.a >"}, "when", 9, "not a CEL expression"),
            ({"when": "dat.a > 1"}, "when", 1, "unknown name 'dat'"),
            ({"channels": ["ok", "a.{data.b"]}, "channels[1]", 3, "an opening brace"),
            ({"channels": ["two words"]}, "channels[0]", 0, "invalid channel name"),
            ({"channels": ["a.{nope}"]}, "channels[0]", 4, "unknown name 'nope'"),
            ({"event": "pusher:x"}, "event", 0, "reserved"),
            ({"event": "a}"}, "event", 2, "a closing brace"),
            ({"event": ""}, "event", 0, "it is empty"),
            ({"data": {"a": "1", "left": ""}}, "data.left", 0, "an empty expression"),
            ({"data": {"left": "data.a b"}}, "data.left", 8, "not a CEL expression"),
        ],
    )
    def test_bad_route(
        self, fields: dict[str, Any], field: str, position: int, reason: str
    ) -> None:
        with pytest.raises(BadRoute) as caught:
            rule(**fields)

        assert (caught.value.route, caught.value.field) == ("low", field)
        assert caught.value.position == position
        assert str(caught.value).startswith(f"route 'low', {field}")
        assert (f"at character {position}" in str(caught.value)) is bool(position)
        assert reason in str(caught.value)

    def test_bounds_are_those_of_the_app(self) -> None:
        limits = Limits(channel_name=5, event_name=6)

        with pytest.raises(BadRoute, match=r"channels\[0\].*longer than 5"):
            Rule(route(channels=("abcdef",), event="e"), app="1", limits=limits)
        with pytest.raises(BadRoute, match=r"event.*longer than 6"):
            Rule(route(channels=("abc",), event="abcdefg"), app="1", limits=limits)


class TestApplies:
    """Type, switch, age, condition: in this order."""

    @pytest.mark.parametrize(
        "pattern,matches",
        [
            ("*", True),
            ("stock.low", True),
            ("stock.*", True),
            ("s?ock.low", True),
            ("stock.[kl]ow", True),
            ("stock.[!a]ow", True),
            ("*.low", True),
            ("stock", False),
            ("Stock.*", False),
            ("stockXlow", False),
            ("stock.", False),
            ("tock.low", False),
            ("stock.[]]ow", False),
        ],
    )
    def test_type(self, pattern: str, *, matches: bool) -> None:
        """A glob is case-sensitive and stands for the whole type."""
        assert applies(event(), type=pattern) is matches

    def test_many_stars(self) -> None:
        """A type made to be slow to match is not."""
        assert applies(event(type="a" * 5_000), type="*a" * 20 + "b") is False

    def test_disabled(self) -> None:
        assert applies(event(), enabled=False) == "disabled"
        assert applies(event(), enabled=False, type="other") is False

    @pytest.mark.parametrize(
        "max_age,time,answer",
        [
            (0, 0.0, True),
            (100, NOW - 100, True),
            (100, NOW - 100.5, "too_old"),
            (100, NOW + 5, True),
        ],
    )
    def test_age(self, max_age: float, time: float, answer: object) -> None:
        """After an outage, clients are not flooded with what is of no interest any more."""
        assert applies(event(time=time), max_age=max_age) == answer

    def test_age_comes_before_the_condition(self) -> None:
        assert applies(event(time=0.0), max_age=5, when="data.a > 'x'") == "too_old"

    @pytest.mark.parametrize(
        "when,answer",
        [
            ("data.quantity < data.threshold", True),
            ("data.quantity > data.threshold", False),
            ("data.low", True),
            ("data.missing > 1", "absent"),
            ("data.list[7] == 1", "absent"),
            ("has(data.missing)", False),
        ],
    )
    def test_condition(self, when: str, answer: object) -> None:
        data = {"quantity": 3, "threshold": 5.5, "low": True, "list": []}

        assert applies(event(data), when=when) == answer

    @pytest.mark.parametrize(
        "when,reason",
        [
            ("data.quantity", "expected true or false, got a whole number"),
            ("data.none", "expected true or false, got null"),
            ("data.name", "expected true or false, got a text"),
            ("data.name < 5", "a type does not fit: data.name is a text"),
            (
                "data.quantity * 1.5 > 2.0",
                "a type does not fit: data.quantity is a whole number",
            ),
            (
                "data.none < data.quantity",
                "a type does not fit: data.none is null, data.quantity is a whole number",
            ),
            (
                "data.quantity.unit == 'kg'",
                "a type does not fit: data.quantity.unit cannot be evaluated (there is no 'unit' in a whole number)",
            ),
            ("data.quantity / 0 == 1", "division by zero: data.quantity is a whole number"),
            (
                "data.quantity + 9223372036854775807 > 1",
                "a number becomes too large: data.quantity is a whole number",
            ),
            ("int(data.name) > 1", "int() cannot take what it is given: data.name is a text"),
            (
                "iso(data.name) == ''",
                "iso() takes a number, the seconds since 1970 of an instant before the year 10000",
            ),
            (
                "data.name.matches(data.name)",
                "matches() cannot take what it is given: data.name is a text",
            ),
            (
                "data.quantity.startsWith('a')",
                "a type does not fit startsWith(): data.quantity is a whole number",
            ),
        ],
    )
    def test_condition_that_is_none(self, when: str, reason: str) -> None:
        """What is wrong is said in kinds: nothing of the event is quoted."""
        data = {"quantity": 31, "name": "(secret", "none": None}

        with pytest.raises(Unroutable) as caught:
            applies(event(data), when=when)

        error = caught.value
        assert (error.route, error.place) == ("low", "when")
        assert str(error) == f"route 'low', when = {when!r}: {reason}"
        assert not re.search("31|secret", str(error).replace("'data.", ""))

    def test_long_condition(self) -> None:
        """Of a long text the beginning is quoted."""
        with pytest.raises(Unroutable) as caught:
            applies(event({"name": "x"}), when="data.name" + " " * 500)

        quoted = "'data.name" + " " * 191 + "…'"
        assert str(caught.value) == (
            f"route 'low', when = {quoted}: expected true or false, got a text"
        )


class TestBroadcasts:
    """What a route sends."""

    def test_projection(self) -> None:
        data = {"sku": "m8", "quantity": 3, "tenant": 9, "secret": "x"}

        broadcasts = sent(
            data,
            channels=("private-tenant.{data.tenant}.stock-alerts", "stock"),
            event="stock.{data.sku}",
            data={"sku": "data.sku", "left": "data.quantity * 2", "what": "type"},
        )

        text = '{"sku":"m8","left":6,"what":"stock.low"}'
        assert broadcasts == [
            Routed("low", "1", "private-tenant.9.stock-alerts", "stock.m8", text),
            Routed("low", "1", "stock", "stock.m8", text),
        ]

    @pytest.mark.parametrize(
        "data,text",
        [
            ({"a": [1, 2.5, None, "é"]}, '{"a":[1,2.5,null,"é"]}'),
            ("text", '"text"'),
            (None, "null"),
            ({"id": 2**70 + 1}, '{"id":1180591620717411303425}'),
        ],
    )
    def test_data_as_it_is(self, data: Any, text: str) -> None:
        """Without a projection the event's data is sent."""
        (broadcast,) = sent(data)

        assert broadcast.data == text

    @pytest.mark.parametrize(
        "source,text",
        [
            ("[data.a, null]", '{"x":[1,null]}'),
            ("{'a': data.a}", '{"x":{"a":1}}'),
            ("{5: true}", '{"x":{"5":true}}'),
            ("timestamp('2026-01-02T03:04:05Z')", '{"x":"2026-01-02T03:04:05Z"}'),
            ("b'\\x00'", '{"x":"AA=="}'),
            ("1e308 * 10.0", '{"x":null}'),
        ],
    )
    def test_values_in_json(self, source: str, text: str) -> None:
        """Times become RFC 3339, bytes base64, and what is no number null, as in JavaScript."""
        (broadcast,) = sent({"a": 1}, data={"x": source})

        assert broadcast.data == text

    def test_a_channel_that_two_templates_name_is_sent_to_once(self) -> None:
        """Who writes to themselves gets one message."""
        data = {"from": 5, "to": 5}

        broadcasts = sent(data, channels=("user.{data.from}", "user.{data.to}"))

        assert [broadcast.channel for broadcast in broadcasts] == ["user.5"]

    def test_rows_are_sent_by_list_only(self) -> None:
        """A new column of somebody's table does not reach browsers by itself."""
        row = {"id": 1, "password": "x"}

        with pytest.raises(Unroutable, match="must list the fields of a change event"):
            sent(row, changed=True)
        (broadcast,) = sent(row, changed=True, data={"id": "data.id"})

        assert broadcast.data == '{"id":1}'

    @pytest.mark.parametrize(
        "fields,place,words",
        [
            (
                {"channels": ["a.{data.missing}"]},
                "channels[0]",
                "channels[0] = 'a.{data.missing}': 'data.missing': 'missing' is absent",
            ),
            (
                {"channels": ["ok", "a.{data.words}"]},
                "channels[1]",
                "channels[1] = 'a.{data.words}': invalid channel name: allowed are letters, digits and _ - = @ , . ;",
            ),
            (
                {"channels": ["a.{data.list}"]},
                "channels[0]",
                "channels[0] = 'a.{data.list}': 'data.list': expected a text or a whole number, got a list",
            ),
            (
                {"channels": ["private-{data.trick}"]},
                "channels[0]",
                "channels[0] = 'private-{data.trick}': invalid channel name: a value changes what kind of channel it is",
            ),
            (
                {"event": "{data.missing}"},
                "event",
                "event = '{data.missing}': 'data.missing': 'missing' is absent",
            ),
            (
                {"event": "{data.list}"},
                "event",
                "event = '{data.list}': 'data.list': expected a text or a whole number, got a list",
            ),
            (
                {"event": "{data.reserved}"},
                "event",
                "event = '{data.reserved}': invalid event name: ",
            ),
            (
                {"data": {"x": "data.missing"}},
                "data.x",
                "data.x = 'data.missing': 'missing' is absent",
            ),
            (
                {"data": {"ok": "1", "x": "data.map[data.words]"}},
                "data.x",
                "data.x = 'data.map[data.words]': a key or an element that it computes is absent",
            ),
            (
                {"data": {"x": "data.list[data.seven]"}},
                "data.x",
                "data.x = 'data.list[data.seven]': a key or an element that it computes is absent",
            ),
            (
                {"data": {"x": "data.words + 1"}},
                "data.x",
                "data.x = 'data.words + 1': a type does not fit: data.words is a text",
            ),
            ({"data": {"x": "{data.list == []: 1}"}}, "data", "data: it cannot be told in JSON: "),
        ],
    )
    def test_unroutable(self, fields: dict[str, Any], place: str, words: str) -> None:
        """What is wrong is said with its place and the text of the settings, and nothing of the event."""
        data = {
            "words": "two words",
            "list": [],
            "map": {},
            "seven": 7,
            "reserved": "pusher:error",
            "trick": "encrypted-x",
        }

        with pytest.raises(Unroutable) as caught:
            sent(data, **fields)

        assert (caught.value.route, caught.value.place) == ("low", place)
        assert str(caught.value).startswith(f"route 'low', {words}")
        assert not re.search("two words|pusher:error|encrypted-x|7", str(caught.value))

    def test_payload_is_measured_in_bytes(self) -> None:
        limited = Rule(route(), app="1", limits=Limits(payload_bytes=8))

        (broadcast,) = limited.broadcasts(event("ééé"), scope())

        assert broadcast.data == '"ééé"'
        with pytest.raises(Unroutable, match="data: it has 9 bytes, more than 8"):
            limited.broadcasts(event("éééa"), scope())

    def test_payload_of_ten_kibibytes(self) -> None:
        (broadcast,) = sent("x" * (10 * 1024 - 2))

        assert len(broadcast.data) == 10 * 1024
        with pytest.raises(Unroutable, match="data: it has 10241 bytes, more than 10240"):
            sent("x" * (10 * 1024 - 1))

    @pytest.mark.parametrize("limit", [0, -1])
    def test_payload_of_any_size(self, limit: int) -> None:
        """Where the app has no limit a route may send as much as it likes."""
        unlimited = Rule(route(), app="1", limits=Limits(payload_bytes=limit))

        (broadcast,) = unlimited.broadcasts(event("x" * 99_998), scope())

        assert len(broadcast.data) == 100_000
