"""How a new secret takes the place of an old one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.rotation import (
    NothingToRotate,
    NotInUse,
    Secrets,
    added,
    count,
    finished,
    used,
)
from libs.common.config.secret import Secret

OLD, NEW, NEWER = Secret("old"), Secret("new"), Secret("newer")


class TestSteps:
    """The first signs, all verify: whoever signs with a former or the next one is believed meanwhile."""

    def test_three_steps(self) -> None:
        """The new one verifies, then signs beside the old one, then is alone."""
        first = added((OLD,), NEW)
        second = used(first)
        third = finished(second)

        assert first == (OLD, NEW)
        assert (second[0], set(second)) == (NEW, {OLD, NEW})
        assert third == (NEW,)

    def test_used_twice(self) -> None:
        """Who is not sure whether the second step was taken takes it again, and nothing is turned back."""
        once = used((OLD, NEW))

        assert used(once) == once

    def test_finished_twice(self) -> None:
        """So it is with the third."""
        assert finished((NEW,)) == (NEW,)

    def test_finished_too_early(self) -> None:
        """The newest secret is not dropped because somebody forgot to put it to use."""
        with pytest.raises(NotInUse, match="put it to use first"):
            finished((OLD, NEW))

    def test_nothing_new(self) -> None:
        """A single secret signs already."""
        with pytest.raises(NothingToRotate, match="add a new one first"):
            used((OLD,))

    def test_two_at_once(self) -> None:
        """Of two that were added the later signs; the other verifies until the end."""
        both = used(added(added((OLD,), NEW), NEWER))

        assert both[0] == NEWER
        assert count(both) == 3
        assert finished(both) == (NEWER,)

    def test_another_before_the_end(self) -> None:
        """A further one may be added before the last rotation was finished, and is not dropped by its end."""
        further = added(used((OLD, NEW)), NEWER)

        assert further[0] == NEW
        with pytest.raises(NotInUse):
            finished(further)
        assert used(further)[0] == NEWER
        assert set(used(further)) == {OLD, NEW, NEWER}

    @given(st.lists(st.sampled_from(["add", "use", "finish"]), max_size=30))
    def test_never_without_overlap(self, steps: list[str]) -> None:
        """Whatever is done in whichever order, what signs now was known before, and what signed still verifies."""
        states: list[Secrets] = [(OLD,)]
        for number, step in enumerate(steps):
            states.append(_taken(states[-1], step, Secret(str(number))))

        for before, after in pairwise(states):
            assert after[0] in before
            assert before[0] in after
            assert len(after) <= count(after) + 1


def _taken(secrets: Secrets, step: str, new: Secret) -> Secrets:
    try:
        match step:
            case "add":
                return added(secrets, new)
            case "use":
                return used(secrets)
        return finished(secrets)
    except (NothingToRotate, NotInUse):
        return secrets
