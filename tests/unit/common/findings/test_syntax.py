"""The shape of an expression: what is joined, compared, repeated, and which paths it reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.findings.syntax import (
    Choice,
    Joined,
    Leaf,
    Negated,
    Node,
    Relation,
    Repeated,
    paths_in,
    shape_of,
)


def drawn(node: Node) -> str:
    """Draw a shape with all its parentheses."""
    match node:
        case Joined(_, parts, is_and):
            return "(" + (" && " if is_and else " || ").join(map(drawn, parts)) + ")"
        case Negated(_, part):
            return f"!{drawn(part)}"
        case Choice(_, condition, then, otherwise):
            return f"({drawn(condition)} ? {drawn(then)} : {drawn(otherwise)})"
        case Relation(_, left, operator, right):
            return f"<{left}|{operator}|{right}>"
        case Repeated(_, target, macro, name, body):
            return f"{macro}[{target};{name};{drawn(body)}]"
        case Leaf(source):
            return f"<{source}>"


class TestShape:
    """CEL, "Syntax": what binds less is taken apart first."""

    @pytest.mark.parametrize(
        "source,shape",
        [
            ("a", "<a>"),
            ("", "<>"),
            ("  a.b ", "<a.b>"),
            ("a == b", "<a|==|b>"),
            ("((a == b))", "<a|==|b>"),
            ("(a) == (b)", "<(a)|==|(b)>"),
            ("a + 1 <= -b", "<a + 1|<=|-b>"),
            ("'x' in a.b", "<'x'|in|a.b>"),
            ("a == b == c", "<a == b|==|c>"),
            ("a.in == b", "<a.in|==|b>"),
            ("a && b || c && d", "((<a> && <b>) || (<c> && <d>))"),
            ("a && b && c", "(<a> && <b> && <c>)"),
            ("a && (b || c)", "(<a> && (<b> || <c>))"),
            ("!a && b", "(!<a> && <b>)"),
            ("!(a == b)", "!<a|==|b>"),
            ("!!a", "!!<a>"),
            ("!a == b", "<!a|==|b>"),
            ("!has(a.b)", "!<has(a.b)>"),
            ("a ? b : c", "(<a> ? <b> : <c>)"),
            ("a ? b ? c : d : e", "(<a> ? (<b> ? <c> : <d>) : <e>)"),
            ("a ? b : c ? d : e", "(<a> ? <b> : (<c> ? <d> : <e>))"),
            ("a == 1 ? {'x': 2} : c", "(<a|==|1> ? <{'x': 2}> : <c>)"),
            ("a.exists(x, x == b)", "exists[a;x;<x|==|b>]"),
            ("[1, 2].all(x, x > 0 && x < b)", "all[[1, 2];x;(<x|>|0> && <x|<|b>)]"),
            ("a.b.exists_one(x, x)", "exists_one[a.b;x;<x>]"),
            ("!a.exists(x, x.all(y, y == b))", "!exists[a;x;all[x;y;<y|==|b>]]"),
            ("a.map(x, x == 1)", "<a.map(x, x == 1)>"),
            ("a.exists(x, x) == b", "<a.exists(x, x)|==|b>"),
            ("a.exists(x, x)[0]", "<a.exists(x, x)[0]>"),
            ("size(a.filter(x, x == 1))", "<size(a.filter(x, x == 1))>"),
            ("a == '&& || ? : == in'", "<a|==|'&& || ? : == in'>"),
            ('a == "it\'s" && b', '(<a|==|"it\'s"> && <b>)'),
            ("a == r'\\' || b", "(<a|==|r'\\'> || <b>)"),
            ("a == '''x' && 'y''' && b", "(<a|==|'''x' && 'y'''> && <b>)"),
            ("a // && c\n == b", "<a|==|b>"),
            ("a == 1.5e+3", "<a|==|1.5e+3>"),
            ("a §", "<a>"),
        ],
    )
    def test_shape(self, source: str, shape: str) -> None:
        assert drawn(shape_of(source)) == shape

    @given(st.text(alphabet="ab.()[]{}?:,!=<>&|in'\" 1+-", max_size=60))
    def test_any_text(self, source: str) -> None:
        """What is no expression has a shape too: nothing fails."""
        assert drawn(shape_of(source)) is not None
        assert all(all(path) for path in paths_in(source))


class TestPaths:
    """What an expression reads, as far as its text says it."""

    @pytest.mark.parametrize(
        "source,paths",
        [
            ("data.order.id", ["data.order.id"]),
            ("data.a + data . b > data.a", ["data.a", "data.b"]),
            ("data.name.startsWith('data.x')", ["data.name"]),
            ("size(data.ids) > 1", ["size", "data.ids"]),
            ("data['a'].b", ["data"]),
            ("type in ['a']", ["type"]),
        ],
    )
    def test_paths(self, source: str, paths: list[str]) -> None:
        assert [".".join(path) for path in paths_in(source)] == paths
