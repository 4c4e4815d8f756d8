"""
Trace context as it travels: a text that says to which trace something belongs.

Pure.  Source: W3C Trace Context, "traceparent Header".  The text also says whether the trace is
recorded.  Most are not, and looking at their text is all that they cost.
"""

import re

# W3C Trace Context, "traceparent Header Field Values": no version ff, no id of zeros.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_ODD = frozenset("13579bdf")  # The flag `sampled` is the lowest bit.


def valid_trace(text: str) -> str:
    """Return a ``traceparent``, or the empty string if it is malformed."""
    return text if text and _TRACEPARENT.fullmatch(text) else ""


def is_sampled(trace: str) -> bool:
    """Tell whether a text is a ``traceparent`` whose trace is recorded."""
    return trace[-1:] in _ODD and valid_trace(trace) != ""


def sampled(trace: str) -> str:
    """Return what is passed on where nobody adds a span: a ``traceparent`` that is recorded."""
    return trace if is_sampled(trace) else ""
