"""Our own functions in expressions: `iso`, `escape` and `unescape`, which CEL itself does not have."""

from typing import Any

import pytest

from libs.common.expressions import BadArgument, Expression
from services.dispatcher.routing.scope import compiled
from tests.unit.dispatcher.examples import scope


def evaluated(source: str, data: Any = None) -> Any:
    return compiled(source).evaluate(scope(data))


class TestOwnFunctions:
    """What they give, and how they fail."""

    @pytest.mark.parametrize(
        "source,value",
        [
            ("iso(time)", "2023-11-14T22:13:20.000Z"),
            ("time.iso()", "2023-11-14T22:13:20.000Z"),
            ("iso(data.at)", "2026-01-02T03:04:05.006Z"),
            ("iso(0)", "1970-01-01T00:00:00.000Z"),
            ("escape(data.user)", "auth0=7C5f"),
            ("escape(string(data.number))", "7"),
            ("unescape(data.part)", "auth0|5f"),
            ("unescape(escape(data.user)) == data.user", True),
            ("data.ids.map(each, escape(each))", ["a=2Eb", "c"]),
            ("has(data.absent) ? iso(data.absent) : 'never'", "never"),
        ],
    )
    def test_values(self, source: str, value: object) -> None:
        data = {
            "at": 1_767_323_045.006,
            "user": "auth0|5f",
            "number": 7,
            "part": "auth0=7C5f",
            "ids": ["a.b", "c"],
        }

        assert evaluated(source, data) == value

    @pytest.mark.parametrize(
        "source,reason",
        [
            ("iso(data.text)", "iso() takes a number"),
            ("iso(data.none)", "iso() takes a number"),
            ("iso(true)", "iso() takes a number"),
            ("iso(data.far)", "iso() takes a number"),
            ("iso()", "iso() takes a number"),
            ("iso(time, time)", "iso() takes a number"),
            ("escape(7)", "escape() takes a text"),
            ("escape(data.none)", "escape() takes a text"),
            ("unescape(data.text)", "unescape() takes a text that is spelled as escape() does"),
            ("unescape('a=7c')", "unescape() takes a text that is spelled as escape() does"),
            ("unescape(7) == 'x'", "unescape() takes a text that is spelled as escape() does"),
        ],
    )
    def test_bad_argument(self, source: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
        """The reason is told without the argument, which is logged nowhere either."""
        with pytest.raises(BadArgument) as caught:
            evaluated(source, {"text": "hidden words", "none": None, "far": 1e300})

        assert caught.value.reason.startswith(reason)
        assert "hidden" not in str(caught.value)
        assert not caplog.records

    @pytest.mark.parametrize(
        "source,value",
        [("unescape('|') == 'x' || true", True), ("false && escape(7) == 'x'", False)],
    )
    def test_failure_where_it_does_not_matter(self, source: str, value: object) -> None:
        """They fail as CEL's own do: where the other side decides, nobody minds."""
        assert evaluated(source, {}) == value

    @pytest.mark.parametrize("name", ["iso", "escape", "unescape"])
    def test_names_stay_free(self, name: str) -> None:
        """A capture or a field may be called as a function is."""
        assert Expression(f"escape({name}) == {name}", {name}).evaluate({name: "a"}) is True
        assert evaluated(f"escape(data.{name})", {name: "a.b"}) == "a=2Eb"
