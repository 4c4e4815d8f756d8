"""All living processes share the partitions, each reckoning alone."""

from collections import Counter

from libs.common.redis.keys import PARTITIONS
from services.presence.lifecycle.shares import share

NAMES = [f"process-{number}" for number in range(5)]


def shares(living: list[str]) -> dict[str, frozenset[int]]:
    """Return what each has."""
    return {name: share(name, living, PARTITIONS) for name in living}


def test_all() -> None:
    """Each partition is one process's."""
    for count in range(1, 6):
        owned = Counter(each for some in shares(NAMES[:count]).values() for each in some)

        assert owned == dict.fromkeys(range(PARTITIONS), 1)


def test_about_the_same() -> None:
    """Nobody has all, and nobody nothing."""
    assert all(4 <= len(some) <= 24 for some in shares(NAMES).values())


def test_one_goes() -> None:
    """Only what it had moves; in any order of the names the outcome is the same."""
    before, after = shares(NAMES), shares(NAMES[:-1])

    for name in NAMES[:-1]:
        assert after[name] >= before[name]
        assert share(name, NAMES[-2::-1], PARTITIONS) == after[name]


def test_dead() -> None:
    """Who is not among the living has nothing: it must not work while others think it dead."""
    assert share("another", NAMES, PARTITIONS) == frozenset()
    assert share("another", [], PARTITIONS) == frozenset()
