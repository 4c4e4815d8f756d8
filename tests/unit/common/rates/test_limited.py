"""How often each limit was the reason of a refusal."""

from collections import Counter

from libs.common.rates.limited import LIMITS, note_limited, refusals_by_limit


def test_counted() -> None:
    before = Counter(refusals_by_limit())

    note_limited("reads")
    note_limited("reads")
    note_limited("channels")

    assert Counter(refusals_by_limit()) - before == {"reads": 2, "channels": 1}


def test_names() -> None:
    """Each limit has one name."""
    assert len({*LIMITS}) == len(LIMITS)
