"""
Where connections sit in their users' own channels, and who is to leave; what the roster must hear.

Pure.  What a place is to be is kept, and not what happened to it: however often that changes while
the roster is away, it is told the last.  In a user's own channel members are devices, and seats are
connections; a connection whose device gets a name takes another seat before it gives up its first,
so that its user is not gone in between.
"""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from libs.common.channels import Channel, online_channel
from libs.common.escaping import escape
from libs.common.roster.device import OTHERS, Device

C = TypeVar("C")


class OnlineSeat(NamedTuple):
    """A seat in a user's own channel; its name is the socket id, and the device's name after it."""

    channel: Channel
    name: str


@dataclass(slots=True, eq=False)
class Sitting:
    """
    A connection that is to sit somewhere.

    Attributes:
        place: Where.
        device: What the client names its device; empty: it names none.
        member: The member that it is in the channel: the device, or the socket id.
        is_away: Whether its user is away.
        seated_by: The gateway's name under which it was seated; empty: it must be.
    """

    place: OnlineSeat
    device: str
    member: str
    is_away: bool
    seated_by: str = ""


class Seats(Generic[C]):
    """
    The seats of one gateway.

    Bounded by its connections, and by the departures that wait, which the caller bounds.
    """

    def __init__(self) -> None:
        self._by_connection: dict[C, Sitting] = {}
        self._by_place: dict[OnlineSeat, Sitting] = {}
        # Of each device with a name: how many connections here are active.
        self._active: dict[tuple[Channel, str], int] = {}
        self.departures: dict[OnlineSeat, float] = {}

    def __len__(self) -> int:
        """Tell how many connections are somebody's."""
        return len(self._by_connection)

    def at(self, place: OnlineSeat) -> Sitting | None:
        """Return who is to sit in a place; None: nobody."""
        return self._by_place.get(place)

    def places(self) -> tuple[OnlineSeat, ...]:
        """Return all places where somebody is to sit."""
        return tuple(self._by_place)

    def sit(
        self, connection: C, user: tuple[str, str], *, socket_id: str, device: str, is_away: bool
    ) -> list[OnlineSeat]:
        """
        Let a connection sit with a user.

        Args:
            connection: Whose place is meant.
            user: The app's id, and the user's.
            socket_id: The connection's name.
            device: What the client names its device; empty: it names none.
            is_away: Whether its user is away.

        Returns:
            The places of which the roster must be told.
        """
        name = f"{socket_id}={escape(device)}" if device else socket_id
        place = OnlineSeat(online_channel(*user), name)
        before = self._by_connection.get(connection)
        if before is not None and before.place == place:
            return []
        left = self.rise(connection, grace=0.0)
        sitting = Sitting(place, device, device or socket_id, is_away)
        self._by_connection[connection] = self._by_place[place] = sitting
        self.departures.pop(place, None)
        self._count(sitting)
        return [place, *left]

    def rise(self, connection: C, *, grace: float) -> list[OnlineSeat]:
        """
        Let a connection leave its place.

        Args:
            connection: Whose place is meant.
            grace: Seconds in which its user may return without having left.

        Returns:
            The place, of which the roster must be told; none if it had none.
        """
        sitting = self._by_connection.pop(connection, None)
        if sitting is None:
            return []
        del self._by_place[sitting.place]
        self._discount(sitting)
        self.departures[sitting.place] = grace
        return [sitting.place]

    def turned(self, connection: C, *, is_away: bool) -> list[OnlineSeat]:
        """
        Note that a connection's user is away, or is back.

        Returns:
            The place, if the roster must be told.
        """
        sitting = self._by_connection.get(connection)
        if sitting is None or sitting.is_away == is_away:
            return []
        before = self.info(sitting)
        self._discount(sitting)
        sitting.is_away = is_away
        self._count(sitting)
        return [sitting.place] if self.info(sitting) != before else []

    def crowd(self, sitting: Sitting) -> None:
        """Have a connection sit as one of many: its user has too many devices to tell apart."""
        self._discount(sitting)
        sitting.device, sitting.member = OTHERS, OTHERS
        self._count(sitting)

    def info(self, sitting: Sitting) -> str:
        """Say what its device is: one with a name is away if all its connections here are."""
        if not sitting.device:
            return Device(is_away=sitting.is_away).written()
        is_away = not self._active.get((sitting.place.channel, sitting.device))
        name = "" if sitting.device == OTHERS else sitting.device
        return Device(name, is_away).written()

    def left(self, place: OnlineSeat, *, grace: float) -> None:
        """Note that the roster was told of a departure, unless it is another by now."""
        if self.departures.get(place) == grace:
            del self.departures[place]

    def _count(self, sitting: Sitting) -> None:
        if sitting.device and not sitting.is_away:
            key = sitting.place.channel, sitting.device
            self._active[key] = self._active.get(key, 0) + 1

    def _discount(self, sitting: Sitting) -> None:
        if sitting.device and not sitting.is_away:
            key = sitting.place.channel, sitting.device
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]
