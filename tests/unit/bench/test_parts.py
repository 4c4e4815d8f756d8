"""The parts of the bench."""

from collections import Counter
from itertools import chain

import pytest

from bench.parts import NAMES, PARTS


def test_names() -> None:
    """What the command line names is one part."""
    assert len({*NAMES}) == len(PARTS)


@pytest.mark.parametrize("base", [False, True])
def test_lines(base: bool) -> None:  # noqa: FBT001 - a parameter of the test.
    """No two lines of the report are of the same measure, and none is wordless."""
    lines = [*chain.from_iterable(part.lines(base=base) for part in PARTS)]

    assert not [name for name, count in Counter(line.name for line in lines).items() if count > 1]
    assert all(line.title for line in lines)
