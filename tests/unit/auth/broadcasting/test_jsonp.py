"""Answers as scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.auth.broadcasting.jsonp import BadCallback, check_callback, page, script


class TestCallback:
    """A callback becomes a part of a script, so it is a name and nothing else."""

    @pytest.mark.parametrize(
        "name",
        [
            "Pusher.auth_callbacks['1']",
            "callback",
            "$.a_1.b",
            "a[0]",
            "Pusher.auth_callbacks['1'].f",
        ],
    )
    def test_good(self, name: str) -> None:
        check_callback(name)

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "",
                "1",
                "a.",
                ".a",
                "a b",
                "a;b",
                "a()",
                "a(b",
                "a\n",
                "a//",
                "a/**/",
                "a=b",
                "a`b`",
            ),
            *("a['b']", "a['1", "a[1", "a['1'}", 'a["1"]', "a['']", "<script>", "alert`1`", "\xe4"),
            "a" * 101,
        ],
    )
    def test_refused(self, name: str) -> None:
        with pytest.raises(BadCallback):
            check_callback(name)

    @given(st.text())
    def test_any(self, name: str) -> None:
        """Nothing that is let through could end the name, or begin anything else."""
        try:
            check_callback(name)
        except BadCallback:
            return
        assert not set(name) & set('();=+-*/<>{}`"\\,:!&|?% \n\t')


class TestScript:
    """The script calls the page's function with the answer."""

    def test_call(self) -> None:
        assert script("f", b'{"auth":"k:s"}') == b'f({"auth":"k:s"});'

    def test_line_ends(self) -> None:
        """What ended lines in scripts of old is escaped."""
        answer = '{"a":"\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}"}'.encode()

        assert script("f", answer) == b'f({"a":"\\u2028\\u2029"});'


class TestPage:
    """Whose page a script is for."""

    @pytest.mark.parametrize(
        "headers,origin",
        [
            ({"Referer": "https://www.example.org/a?b#c"}, "https://www.example.org"),
            ({"Referer": "http://example.org:8080"}, "http://example.org:8080"),
            ({"Origin": "https://a.org", "Referer": "https://b.org/"}, "https://a.org"),
            ({}, ""),
            ({"Referer": ""}, ""),
            ({"Referer": "/page"}, ""),
            ({"Referer": "about:blank"}, ""),
            ({"Referer": "https://[::"}, ""),
            ({"Sec-Fetch-Site": "same-origin"}, ""),
            ({"Origin": "null", "Referer": "https://www.example.org/"}, "null"),
            ({"Referer": "https://www.example.org@evil.net/"}, "https://www.example.org@evil.net"),
            ({"Referer": "https://evil.net/?https://www.example.org"}, "https://evil.net"),
        ],
    )
    def test_page(self, headers: dict[str, str], origin: str) -> None:
        assert page(CIMultiDict(headers)) == origin

    @pytest.mark.parametrize("name", ["Origin", "Referer"])
    def test_told_twice(self, name: str) -> None:
        """Of two pages nobody knows which it is."""
        told = [(name, "https://www.example.org"), (name, "https://evil.net")]

        assert page(CIMultiDict(told)) == ""
