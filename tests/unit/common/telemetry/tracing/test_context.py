"""W3C Trace Context, "traceparent Header"."""

import pytest

from libs.common.telemetry.tracing.context import is_sampled, sampled, valid_trace
from tests.unit.dispatcher.examples import OTHER_TRACE, TRACE

MALFORMED = [
    "",
    "00",
    TRACE + "0",
    TRACE + "\n",
    TRACE.upper(),
    "ff" + TRACE[2:],
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    "1",
]


def test_valid() -> None:
    assert valid_trace(TRACE) == TRACE


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed(text: str) -> None:
    """
    It is no trace, and nothing is recorded for it.
    """
    assert not valid_trace(text)
    assert not is_sampled(text)


@pytest.mark.parametrize(
    "flags,is_recorded", [("00", False), ("01", True), ("02", False), ("ff", True)]
)
def test_sampled(flags: str, is_recorded: bool) -> None:  # noqa: FBT001 - a column of the table.
    """
    The lowest bit says it, whatever the others are.
    """
    assert is_sampled(TRACE[:-2] + flags) is is_recorded


def test_passed_on() -> None:
    """
    What is not recorded goes no further.
    """
    assert sampled(TRACE) == TRACE
    assert sampled(OTHER_TRACE) == ""
