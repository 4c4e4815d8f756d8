"""A line for each event, whatever stands in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.cli.listening.output import line_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 6_999, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields,line",
    [
        ({"data": '{"a": 1}'}, '2026-01-02T03:04:05.006Z\tnews\thello\t{"a": 1}'),
        ({"data": '{\n "a": "é"\n}'}, '2026-01-02T03:04:05.006Z\tnews\thello\t{"a":"é"}'),
        ({"data": "two\nlines"}, '2026-01-02T03:04:05.006Z\tnews\thello\t"two\\nlines"'),
        ({"data": {"id": 1}}, '2026-01-02T03:04:05.006Z\tnews\thello\t{"id": 1}'),
        ({}, "2026-01-02T03:04:05.006Z\tnews\thello\t"),
        ({"event": "a\tb", "data": "\x9b"}, '2026-01-02T03:04:05.006Z\tnews\ta?b\t"?"'),
        ({"data": "\ud83d"}, '2026-01-02T03:04:05.006Z\tnews\thello\t"?"'),
    ],
)
def test_line(fields: dict[str, Any], line: str) -> None:
    assert line_of({"event": "hello", "channel": "news", **fields}, NOW) == line
