"""
A presence channel's members as this gateway knows them.

Pure.  Fed with transitions in order of version, and with snapshots after a gap: a snapshot is compared, and
only the differences are announced.
"""

from dataclasses import dataclass

from libs.common.messages import Transition
from libs.common.roster import Members


class Gap(Exception):
    """A transition is missing: the members must be read again."""


@dataclass(frozen=True, slots=True)
class Diff:
    """
    What changed.

    Attributes:
        joins: User id to ``user_info`` as JSON text.
        leaves: User ids.
    """

    joins: dict[str, str]
    leaves: list[str]


UNCHANGED = Diff({}, [])


class Mirror:
    """The members of one channel, at a version."""

    __slots__ = ("infos", "version")

    def __init__(self, members: Members) -> None:
        self.version = members.version
        self.infos = dict(members.infos)

    def apply(self, transition: Transition) -> Diff:
        """
        Take a transition.

        Returns:
            What it changed; nothing if it is an old one.

        Raises:
            Gap: One before it is missing.
        """
        if transition.version <= self.version:
            return UNCHANGED
        if transition.version > self.version + 1:
            raise Gap
        self.version = transition.version
        if transition.info is not None:
            self.infos[transition.user_id] = transition.info
            return Diff({transition.user_id: transition.info}, [])
        if self.infos.pop(transition.user_id, None) is None:
            return UNCHANGED
        return Diff({}, [transition.user_id])

    def reconcile(self, members: Members, *, restarted: bool = False) -> Diff:
        """
        Take a snapshot.

        Args:
            members: As read from the roster.
            restarted: Take it even if its version is lower: the roster lost its data.

        Returns:
            What changed since; nothing if the snapshot is older.
        """
        if members.version < self.version and not restarted:
            return UNCHANGED
        joins = {user: info for user, info in members.infos.items() if user not in self.infos}
        leaves = [user for user in self.infos if user not in members.infos]
        self.version = members.version
        self.infos = dict(members.infos)
        return Diff(joins, leaves)
