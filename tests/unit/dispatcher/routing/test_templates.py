"""Templates: braces, and which values have a spelling."""

import pytest

from libs.common.expressions import AbsentField, BadRule, Unevaluable
from services.dispatcher.routing.templates import Template
from tests.unit.dispatcher.examples import scope


class TestParse:
    """Text, expressions, and braces that mean themselves."""

    @pytest.mark.parametrize(
        "source,text",
        [
            ("", ""),
            ("chat", "chat"),
            ("{data.a}", "x"),
            ("a.{data.a}.{ data.b }", "a.x.5"),
            ("{{data.a}}", "{data.a}"),
            ("{{{data.a}}}", "{x}"),
            ("{data.a}}}", "x}"),
            ("}}{{", "}{"),
            ("{ {'a': 'm'}['a'] }", "m"),
            ("{data.a + '}'}", "x}"),
            ('{data.a + "{\\""}', 'x{"'),
            ("{'é'}é", "éé"),
            ("{type}", "stock.low"),
        ],
    )
    def test_render(self, source: str, text: str) -> None:
        assert Template(source).render(scope({"a": "x", "b": 5})) == text

    @pytest.mark.parametrize(
        "source,position,reason",
        [
            ("{", 1, "without a closing one"),
            ("ab{data.a", 3, "without a closing one"),
            ("ab{'}'", 3, "without a closing one"),
            ("ab}", 3, "without an opening one"),
            ("{data.a}}", 9, "without an opening one"),
            ("{}", 2, "empty expression"),
            ("ab{ nope }", 5, "unknown name 'nope'"),
            ("{data.a}{data..b}", 15, "Syntax error"),
        ],
    )
    def test_malformed(self, source: str, position: int, reason: str) -> None:
        with pytest.raises(BadRule) as caught:
            Template(source)

        assert caught.value.position == position
        assert reason in caught.value.reason

    @pytest.mark.parametrize(
        "source,prefix", [("", ""), ("a", "a"), ("a{{{id}b", "a{"), ("{id}b", ""), ("{id}", "")]
    )
    def test_prefix(self, source: str, prefix: str) -> None:
        assert Template(source).prefix == prefix

    def test_sample(self) -> None:
        assert Template("a.{id}.{data.b}{{").sample("0") == "a.0.0{"


class TestValues:
    """A text or a whole number."""

    @pytest.mark.parametrize(
        "value,text",
        [
            ("", ""),
            ("é", "é"),
            (0, "0"),
            (-5, "-5"),
            (3.0, "3"),
            (-0.0, "0"),
            (float(2**53), "9007199254740992"),
            (2**70 + 1, "1180591620717411303425"),
        ],
    )
    def test_spelled(self, value: object, text: str) -> None:
        assert Template("{data.a}").render(scope({"a": value})) == text

    @pytest.mark.parametrize(
        "value,kind",
        [
            (None, "got null"),
            (True, "got true or false"),
            (1.5, "got a decimal number"),
            (1e300, "got a decimal number"),
            ([1], "got a list"),
            ({"a": 1}, "got an object"),
        ],
    )
    def test_without_a_spelling(self, value: object, kind: str) -> None:
        with pytest.raises(Unevaluable, match=kind):
            Template("{data.a}").render(scope({"a": value}))

    def test_beyond_64_bits_in_an_expression(self) -> None:
        """CEL rounds such an integer; a rounded id would name somebody else's channel."""
        with pytest.raises(Unevaluable, match="got a decimal number"):
            Template("{[data.a][0]}").render(scope({"a": 2**70 + 1}))

    def test_time_with_a_fraction_is_no_name(self) -> None:
        assert Template("{time}").render(scope(time=5.0)) == "5"
        assert Template("{int(time)}").render(scope(time=5.5)) == "5"

    def test_absent(self) -> None:
        with pytest.raises(AbsentField):
            Template("a{data.a}").render(scope({}))
