"""A queue of several apps, of which none waits for another."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.fairness.fair_queue import FairQueue


def queue_of(most: int, *things: str) -> FairQueue[str]:
    """Put things, each of the app that its first letter names."""
    queue: FairQueue[str] = FairQueue(most)
    for thing in things:
        queue.put(thing[0], thing)
    return queue


def taken(queue: FairQueue[str]) -> list[str]:
    return [queue.pop() for _ in range(len(queue))]


class TestTurns:
    """Who waits is taken of all apps in turn."""

    def test_in_turn(self) -> None:
        """
        Whoever has put a hundred before, the next app's first thing comes second.
        """
        queue = queue_of(1000, *(f"a{number}" for number in range(100)), "b0", "c0", "b1")

        assert taken(queue)[:6] == ["a0", "b0", "c0", "a1", "b1", "a2"]

    def test_order_within(self) -> None:
        queue = queue_of(10, "a1", "a2", "b1", "a3")

        assert [each for each in taken(queue) if each[0] == "a"] == ["a1", "a2", "a3"]

    def test_last_turn(self) -> None:
        """
        Who comes back stands behind those who wait.
        """
        queue = queue_of(10, "a1", "b1", "b2")
        assert queue.pop() == "a1"
        queue.put("a", "a2")

        assert taken(queue) == ["b1", "a2", "b2"]


class TestFull:
    """Who sends too much loses, and nobody else."""

    def test_own(self) -> None:
        """
        The app that has most loses what it puts.
        """
        queue = queue_of(3, "a1", "a2", "a3")

        assert queue.put("a", "a4") == ("a", "a4")
        assert taken(queue) == ["a1", "a2", "a3"]

    def test_others(self) -> None:
        """
        Another app's thing is taken, and the newest of the app that has most gives way.
        """
        queue = queue_of(3, "a1", "a2", "a3")

        assert queue.put("b", "b1") == ("a", "a3")
        assert taken(queue) == ["a1", "b1", "a2"]

    def test_shares(self) -> None:
        """
        Between apps that have as much as each other nobody takes anything away.
        """
        queue = queue_of(2, "a1", "b1")

        assert [queue.put(app, f"{app}2") for app in "abc"] == [
            ("a", "a2"),
            ("b", "b2"),
            ("c", "c2"),
        ]

    def test_up_to_the_share(self) -> None:
        """
        Whoever has less than an equal part gets there, and no further.
        """
        queue = queue_of(10, *"aaaaaabbbb")

        assert [queue.put("b", "b!")[0] for _ in range(2)] == ["a", "b"]  # type: ignore[index]

    @pytest.mark.parametrize("app", ["a", "b"])
    def test_no_room(self, app: str) -> None:
        assert queue_of(0).put(app, "x") == (app, "x")

    @given(st.integers(0, 6), st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=60))
    def test_model(self, most: int, acts: list[str]) -> None:
        """
        Nothing is lost but what gave way, which is of an app that has most; never are too many kept.
        """
        queue: FairQueue[str] = FairQueue(most)
        kept: list[str] = []
        for number, app in enumerate(acts):
            if not app:
                if kept:
                    kept.remove(queue.pop())
                continue
            thing = f"{app}{number}"
            given_up = queue.put(app, thing)
            kept.append(thing)
            if given_up is not None:
                counts = Counter(each[0] for each in kept)
                assert counts[given_up[0]] == max(counts.values())
                kept.remove(given_up[1])
            assert len(queue) == len(kept) <= most
        assert sorted(taken(queue)) == sorted(kept)
