"""Members of presence channels, as the hub knows and announces them."""

import json

from libs.common.roster.port import Members
from services.gateway.channels.hub import MAX_EARLY, Hub, announcements
from services.gateway.channels.mirror import UNCHANGED, Diff
from services.gateway.protocol import frames
from tests.unit.gateway.channels.hubs import ROOM, Client, transition


class TestMembers:
    """docs/protocol.md, "Presence": a snapshot, and then no gap."""

    def test_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Transitions that come before the first snapshot are kept, and those that are newer applied to it.
        """
        for version, user_id in [(4, "a"), (5, "b"), (6, "c")]:
            assert hub.transition(transition(version, user_id)) == UNCHANGED

        assert hub.snapshot(ROOM, Members(5, {"a": "null", "b": "null"}), known=0) == UNCHANGED

        assert set(hub.members(ROOM)) == {"a", "b", "c"}
        assert hub.version(ROOM) == 6

    def test_missing_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Where one of them is missing, the next transition shows it.
        """
        hub.transition(transition(7, "c"))
        hub.snapshot(ROOM, Members(5, {}), known=0)

        assert hub.version(ROOM) == 5
        assert hub.transition(transition(8, "d")) is None

    def test_too_many_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Only the newest are kept.
        """
        for version in range(1, MAX_EARLY + 10):
            hub.transition(transition(version, str(version)))

        room = hub.room(ROOM)
        assert room is not None
        assert [each.version for each in room.early or ()] == list(range(10, MAX_EARLY + 10))

    def test_transition(self, hub: Hub[Client]) -> None:
        """
        Afterwards each transition is told once.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)

        assert hub.transition(transition(2, "b")) == Diff({"b": "null"}, [])
        assert hub.transition(transition(2, "b")) == UNCHANGED
        assert hub.transition(transition(3, "a", None)) == Diff({}, ["a"])

    def test_gap(self, hub: Hub[Client]) -> None:
        """
        A missing transition is noticed; the next snapshot tells the difference.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)

        assert hub.transition(transition(4, "c")) is None
        assert hub.snapshot(ROOM, Members(4, {"c": "null"}), known=1) == Diff({"c": "null"}, ["a"])

    def test_not_followed(self, hub: Hub[Client]) -> None:
        """
        What is still on its way of a channel that is followed no longer is left.
        """
        hub.close(ROOM)

        assert hub.transition(transition(1, "a")) == UNCHANGED
        assert hub.version(ROOM) == 0

    def test_unknown(self, hub: Hub[Client]) -> None:
        """
        Before the first snapshot nothing is known of the members.
        """
        assert hub.members(ROOM) == {}
        assert hub.version(ROOM) == 0


class TestView:
    """What newcomers are shown is composed once, as long as it is so."""

    def test_once(self, hub: Hub[Client]) -> None:
        """
        Who comes between two changes is shown the same frame.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)

        first = hub.view(ROOM)
        hub.transition(transition(1, "a"))

        assert first == frames.joined(ROOM.name, {"a": "null"})
        assert hub.view(ROOM) is first

    def test_changed(self, hub: Hub[Client]) -> None:
        """
        After a transition, or a snapshot, newcomers are shown what it changed.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)
        hub.view(ROOM)

        hub.transition(transition(2, "b"))
        after_a_transition = hub.view(ROOM)
        hub.snapshot(ROOM, Members(9, {"c": "null"}), known=2)

        assert after_a_transition == frames.joined(ROOM.name, {"a": "null", "b": "null"})
        assert hub.view(ROOM) == frames.joined(ROOM.name, {"c": "null"})


class TestAnnouncements:
    """docs/protocol.md, "Presence"."""

    def test_frames(self) -> None:
        """
        Who left comes before who joined, so that a client's count never exceeds the members.
        """
        diff = Diff({"b": '{"name":"B"}'}, ["a"])

        left, joined = announcements("presence-x", diff, now=7.0, excluded=("1.1",))

        assert json.loads(left.frame)["event"] == "pusher_internal:member_removed"
        assert json.loads(joined.frame)["event"] == "pusher_internal:member_added"
        assert left.published_at == joined.published_at == 7.0
        assert left.excluded == joined.excluded == ("1.1",)

    def test_nothing(self) -> None:
        """
        Where nothing changed nothing is said.
        """
        assert announcements("presence-x", UNCHANGED, now=7.0) == []
