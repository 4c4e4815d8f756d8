"""How often each limit was the reason of a refusal."""

from collections import Counter

import pytest

from libs.common.rates.limited import LIMITS, counting, note_limited, refusals_by_limit


def test_counted() -> None:
    before = Counter(refusals_by_limit())

    note_limited("reads")
    note_limited("reads")
    note_limited("channels")

    assert Counter(refusals_by_limit()) - before == {"reads": 2, "channels": 1}


def test_counting() -> None:
    """Only what is refused in this way counts; it is raised all the same."""
    before = Counter(refusals_by_limit())

    with counting("commands", KeyError):
        pass
    with pytest.raises(ValueError, match="else"), counting("commands", KeyError):
        raise ValueError("else")
    with pytest.raises(KeyError), counting("commands", KeyError):
        raise KeyError

    assert Counter(refusals_by_limit()) - before == {"commands": 1}


def test_names() -> None:
    """Each limit has one name."""
    assert len({*LIMITS}) == len(LIMITS)
