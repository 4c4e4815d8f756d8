"""Sinks: whoever does something with the facts of an app."""

from collections.abc import Sequence
from typing import Protocol

from libs.common.lifecycle.facts import ABOUT_USERS, KINDS, Kind, Recorded
from services.presence.bell import Bell
from services.presence.settings import PresenceSettings


class Sink(Protocol):
    """
    Does something with facts, in the order of each stream.

    Several streams may be under way at once; of one stream `depth` calls are, in order.  One that
    is slow may be brought the last fact of each subject alone (`Lifecycle`).

    Attributes:
        name: Under which its place in each stream is noted; unique in its app, and the same after a
            restart.
    """

    name: str

    @property
    def depth(self) -> int:
        """How many calls of one stream may be under way now; 1: each follows the one before."""

    @property
    def room(self) -> Bell | None:
        """Rung when `depth` has grown; None: it never does."""

    def wants(self, kind: Kind) -> bool:
        """Whether it does something with facts of a kind; others are passed over."""

    async def take(self, records: Sequence[Recorded]) -> None:
        """
        Be done with facts: returns when what follows from them will not be lost.

        May be cancelled at any time; what was not done with comes again, here or in another
        process, with the same ids.

        Raises:
            Unavailable: It cannot be now; the same facts come again.
        """


class Sinks(Protocol):
    """Names the sinks of each app."""

    def of(self, app: str) -> Sequence[Sink]:
        """
        Return the sinks of an app as it is now; the same objects as long as nothing changes.

        Raises:
            Unavailable: They are not known yet; what is recorded must wait for them.
        """


class Targets:
    """
    The sinks of every app.  See `Sinks`.

    Args:
        everywhere: Those that take the facts of all apps; None is left out.
        own: Those that each app has of its own.
    """

    def __init__(self, *everywhere: Sink | None, own: Sequence[Sinks]) -> None:
        self._everywhere = [sink for sink in everywhere if sink is not None]
        self._own = own

    def of(self, app: str) -> Sequence[Sink]:
        """See `Sinks.of`."""
        return [*self._everywhere, *(sink for sinks in self._own for sink in sinks.of(app))]


def recorded(settings: PresenceSettings) -> frozenset[Kind]:
    """Tell which facts of every app somebody wants."""
    topic = frozenset(KINDS) - {"client_event"} if settings.lifecycle_topic else frozenset()
    return topic | (ABOUT_USERS if settings.keeps_sightings else frozenset())
