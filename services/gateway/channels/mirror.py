"""
A presence channel's members as this gateway knows them.

Pure.  Fed with transitions in order of version, and with snapshots after a gap: a snapshot is
compared, and only the differences are announced.
"""

from dataclasses import dataclass

from libs.common.bus.messages import Transition
from libs.common.roster.port import Members


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
        user_id, info = transition.user_id, transition.info
        if (info is not None) == (user_id in self.infos):
            return UNCHANGED  # The roster lost data, and tells what is known here.
        if info is None:
            del self.infos[user_id]
            return Diff({}, [user_id])
        self.infos[user_id] = info
        return Diff({user_id: info}, [])

    def reconcile(self, members: Members, *, known: int) -> Diff:
        """
        Take a snapshot.

        Args:
            members: The members, as the roster knows them.
            known: The version here when the roster was asked.  An answer with a lower version means
                that the roster lost data; one that transitions have merely overtaken is never
                lower.

        Returns:
            What changed since; nothing if the snapshot was overtaken.
        """
        if known <= members.version < self.version:
            return UNCHANGED
        joins = {user: info for user, info in members.infos.items() if user not in self.infos}
        leaves = [user for user in self.infos if user not in members.infos]
        self.version = members.version
        self.infos = dict(members.infos)
        return Diff(joins, leaves)
