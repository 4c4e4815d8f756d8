"""A presence channel's members as a gateway knows them."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.roster.port import Members
from services.gateway.channels.mirror import UNCHANGED, Diff, Gap, Mirror

CHANNEL = Channel("1", "presence-x")


def join(version: int, user_id: str, info: str = "null") -> Transition:
    return Transition(CHANNEL, version, user_id, info)


def leave(version: int, user_id: str) -> Transition:
    return Transition(CHANNEL, version, user_id, None)


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(Members(5, {"1": "null", "2": '{"name":"B"}'}))


class TestApply:
    """Transitions, in order of version."""

    def test_join(self, mirror: Mirror) -> None:
        """
        The next transition changes the members, and is told.
        """
        assert mirror.apply(join(6, "3", '"C"')) == Diff({"3": '"C"'}, [])
        assert mirror.infos == {"1": "null", "2": '{"name":"B"}', "3": '"C"'}
        assert mirror.version == 6

    def test_leave(self, mirror: Mirror) -> None:
        """
        So does a leave.
        """
        assert mirror.apply(leave(6, "2")) == Diff({}, ["2"])
        assert mirror.infos == {"1": "null"}

    @pytest.mark.parametrize("version", [1, 4, 5])
    def test_old(self, mirror: Mirror, version: int) -> None:
        """
        What the snapshot showed already changes nothing.
        """
        assert mirror.apply(leave(version, "1")) == UNCHANGED
        assert mirror.version == 5
        assert "1" in mirror.infos

    def test_gap(self, mirror: Mirror) -> None:
        """
        A missing transition is noticed, and nothing is applied past it.
        """
        with pytest.raises(Gap):
            mirror.apply(leave(7, "1"))
        assert (mirror.version, set(mirror.infos)) == (5, {"1", "2"})

    @pytest.mark.parametrize("transition", [join(6, "1", '"new"'), leave(6, "9")])
    def test_known(self, mirror: Mirror, transition: Transition) -> None:
        """
        After a loss of data the roster may tell what is known here: nobody comes twice, nor leaves unseen.
        """
        assert mirror.apply(transition) == UNCHANGED
        assert mirror.version == 6
        assert set(mirror.infos) == {"1", "2"}


class TestReconcile:
    """Snapshots, after a gap."""

    def test_difference(self, mirror: Mirror) -> None:
        """
        Only the differences are told.
        """
        diff = mirror.reconcile(Members(9, {"2": '{"name":"B"}', "3": "null"}), known=5)

        assert diff == Diff({"3": "null"}, ["1"])
        assert mirror.version == 9
        assert set(mirror.infos) == {"2", "3"}

    def test_overtaken(self, mirror: Mirror) -> None:
        """
        A snapshot that transitions have overtaken while it was read takes nothing back.
        """
        mirror.apply(join(6, "3"))

        assert mirror.reconcile(Members(5, {"1": "null", "2": "null"}), known=5) == UNCHANGED
        assert set(mirror.infos) == {"1", "2", "3"}

    def test_roster_lost_data(self, mirror: Mirror) -> None:
        """
        A version below the one that was known when the roster was asked means that it lost data.
        """
        assert mirror.reconcile(Members(1, {"3": "null"}), known=5) == Diff(
            {"3": "null"}, ["1", "2"]
        )
        assert mirror.version == 1

    def test_does_not_share(self) -> None:
        """
        The mirror is its own: whoever gave the snapshot does not change with it.
        """
        given = {"1": "null"}
        mirror = Mirror(Members(1, given))

        mirror.apply(join(2, "2"))

        assert given == {"1": "null"}


USERS = st.sampled_from(["a", "b", "c"])


class Following(RuleBasedStateMachine):
    """
    A roster whose transitions may be lost or late, whose snapshots may be late, and which may lose its data.

    The gateway does as it does in earnest: it applies transitions, and after a gap it asks for a snapshot.
    """

    def __init__(self) -> None:
        super().__init__()
        self.members: set[str] = set()
        self.version = 0
        self.mirror = Mirror(Members(0, {}))
        self.shown: set[str] = set()  # What a client has been told.
        self.on_their_way: list[Transition] = []
        self.answers: list[tuple[Members, int]] = []

    def _tell(self, diff: Diff) -> None:
        for user_id in diff.leaves:
            assert user_id in self.shown
            self.shown.discard(user_id)
        for user_id in diff.joins:
            assert user_id not in self.shown
            self.shown.add(user_id)

    @rule(user_id=USERS)
    def come_or_go(self, user_id: str) -> None:
        self.version += 1
        coming = user_id not in self.members
        self.members ^= {user_id}
        transition = join if coming else leave
        self.on_their_way.append(transition(self.version, user_id))

    @precondition(lambda self: self.on_their_way)
    @rule()
    def arrive(self) -> None:
        try:
            self._tell(self.mirror.apply(self.on_their_way.pop(0)))
        except Gap:
            self.ask()

    @precondition(lambda self: self.on_their_way)
    @rule(place=st.integers(0, 20))
    def lose(self, place: int) -> None:
        del self.on_their_way[place % len(self.on_their_way)]

    @rule()
    def ask(self) -> None:
        members = Members(self.version, dict.fromkeys(self.members, "null"))
        self.answers.append((members, self.mirror.version))

    @precondition(lambda self: self.answers)
    @rule(place=st.integers(0, 20))
    def answer(self, place: int) -> None:
        members, known = self.answers.pop(place % len(self.answers))
        self._tell(self.mirror.reconcile(members, known=known))

    @rule()
    def lose_data(self) -> None:
        self.members.clear()
        self.version = 0

    @invariant()
    def client_is_shown_the_mirror(self) -> None:
        assert self.shown == set(self.mirror.infos)

    def teardown(self) -> None:
        """See that a snapshot that nothing overtakes makes all the same."""
        self.ask()
        self.answer(len(self.answers) - 1)
        assert set(self.mirror.infos) == self.members
        assert self.mirror.version == self.version


class NeverLosingData(Following):
    """As `Following`; a roster that keeps its data, whose mirror is never ahead of it nor told what is not so."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[set[str]] = [set()]

    @rule()
    def lose_data(self) -> None:
        """Keep it."""

    @invariant()
    def mirror_is_a_moment_of_the_roster(self) -> None:
        while len(self.history) <= self.version:
            self.history.append(set(self.members))
        assert set(self.mirror.infos) == self.history[self.mirror.version]


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=100, stateful_step_count=30)
TestNeverLosingData = NeverLosingData.TestCase
TestNeverLosingData.settings = settings(max_examples=100, stateful_step_count=30)
