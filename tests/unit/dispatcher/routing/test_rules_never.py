"""Routes that can send nothing, whatever the event, and those that send what JSON has not."""

from typing import Any

import pytest

from libs.common.apps.limits import Limits
from services.dispatcher.routing.rules import BadRoute, Rule
from tests.unit.dispatcher.examples import event, route, scope


def rule(**fields: Any) -> Rule:
    return Rule(route(**fields), app="1", limits=Limits())


class TestConstant:
    """What is the same for any event."""

    @pytest.mark.parametrize(
        "fields,place,reason",
        [
            (
                {"data": {"at": "timestamp(time)"}},
                "data.at",
                "it fails on any event: timestamp() does not take a number; to send it write iso(…)",
            ),
            (
                {"data": {"at": "{'at': [iso(timestamp(data.at))]}"}},
                "data.at",
                "it fails on any event: iso() does not take a timestamp; string(…) makes a text",
            ),
            ({"data": {"x": "{true: 1}"}}, "data.x", "it fails on any event: Only dicts with str"),
            ({"data": {"x": "timestamp('soon')"}}, "data.x", "it fails on any event: "),
            ({"data": {"x": "1 / 0"}}, "data.x", "it fails on any event: '1 / 0': "),
            (
                {"when": "timestamp(data.at)"},
                "when",
                "it gives a timestamp, and a condition is true or false: compare it with something",
            ),
            ({"when": "size(data.list)"}, "when", "it gives a number, and a condition is"),
            ({"when": "time > timestamp('2026-01-02T03:04:05Z')"}, "when", "it fails on any event"),
            (
                {"channels": ["ok", "day.{timestamp(data.at)}"]},
                "channels[1] at character 6",
                "it gives a timestamp, and names take a text or a whole number; escape(string(…))",
            ),
            (
                {"event": "{data.a == 1}"},
                "event at character 2",
                "it gives true or false, and names take",
            ),
            ({"event": "x.{b'a'}"}, "event at character 4", "it gives bytes, and names take"),
            (
                {"event": "x.{7.5}"},
                "event at character 4",
                "it fails on any event: expected a text or a whole number, got a decimal number",
            ),
        ],
    )
    def test_never(self, fields: dict[str, Any], place: str, reason: str) -> None:
        """
        What can be sent of no event is refused, and what to write instead is said.
        """
        with pytest.raises(BadRoute) as caught:
            rule(**fields)

        assert str(caught.value).startswith(f"route 'low', {place}: {reason}")

    @pytest.mark.parametrize(
        "source,text",
        [
            ("timestamp(data.at)", '"2026-01-02T03:04:05Z"'),
            ("duration('90m')", '"PT5400S"'),
            ("b'abc'", '"YWJj"'),
            ("type(data.at)", '"string"'),
            ("iso(time)", '"2023-11-14T22:13:20.000Z"'),
        ],
    )
    def test_in_words(self, source: str, text: str) -> None:
        """
        What JSON has not is data all the same, in words: RFC 3339, ISO 8601, base64.
        """
        data = {"at": "2026-01-02T03:04:05Z"}
        (only,) = rule(data={"x": source}).broadcasts(event(data), scope(data))

        assert only.data == '{"x":' + text + "}"
