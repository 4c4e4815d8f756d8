"""
Keeps the roster told of whose connections are here, so that users are online and go offline.

A connection sits in its user's own channel (`libs.common.channels.online_channel`).  Nobody waits
for that: clients are served meanwhile, and while the roster is away what is to be told waits.
"""

from collections.abc import Sequence

from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.roster.device import MOST, OTHERS
from libs.common.roster.port import JoinRequest, Members, Roster, TooManyMembers
from services.gateway.connections.connection import Connection
from services.gateway.lease import Lease
from services.gateway.presence.distinct_queue import DistinctQueue
from services.gateway.presence.seats import OnlineSeat, Seats, Sitting
from services.gateway.protocol.effects import Away, BelongsTo
from services.gateway.timers import TIMERS, Timers

BATCH = 500  # Places of one round trip.


class OnlineUsers:
    """
    The users of this gateway's connections.

    Args:
        roster: Seats connections.
        lease: The name under which they are seated.
        limit: How many departures may wait.  Above it one gives up the lease, and the seat that
            should be left goes with the old name.
        timers: The delays between attempts while the roster is away.
    """

    def __init__(
        self, roster: Roster, *, lease: Lease, limit: int, timers: Timers = TIMERS
    ) -> None:
        self._roster = roster
        self._lease = lease
        self._limit = limit
        self._seats: Seats[Connection] = Seats()
        # A seat that is told together with others costs a third of one that is told alone.
        self._queue: DistinctQueue[OnlineSeat] = DistinctQueue(
            self._settle, timers, gathering=timers.gathering
        )

    def __len__(self) -> int:
        """Tell how many connections are somebody's."""
        return len(self._seats)

    @property
    def waiting(self) -> int:
        """How many seats the roster has not been told of."""
        return len(self._queue)

    def belongs(self, connection: Connection, owner: BelongsTo) -> None:
        """Know whose a connection is."""
        if owner.user_id:
            changed = self._seats.sit(
                connection,
                (connection.session.app.id, owner.user_id),
                socket_id=connection.socket_id,
                device=owner.device,
                is_away=connection.session.is_away,
            )
        else:
            changed = self._seats.rise(connection, grace=0.0)
        self._put(changed)

    def turned(self, connection: Connection, activity: Away) -> None:
        """Know that a connection's user is away, or is back."""
        self._put(self._seats.turned(connection, is_away=activity.is_away))

    def gone(self, connection: Connection) -> None:
        """Know that a connection has ended; its user may return within the app's grace."""
        self._put(self._seats.rise(connection, grace=connection.session.app.leave_grace))

    def restate(self) -> None:
        """Seat all anew: the roster may have lost them, or knows this gateway no longer."""
        for place in self._seats.places():
            if sitting := self._seats.at(place):
                sitting.seated_by = ""
            self._queue.put(place)

    async def settled(self) -> None:
        """Return once the roster was told everything; the caller sets the deadline."""
        await self._queue.settled()

    async def run(self) -> None:
        """Tell the roster until cancelled."""
        await self._queue.run()

    def _put(self, changed: Sequence[OnlineSeat]) -> None:
        if len(self._seats.departures) > self._limit:
            self._lease.forsake(self._lease.name)
            self._seats.departures.clear()  # They go with the name under which they sat.
        for place in changed:
            self._queue.put(place)

    async def _settle(self, places: list[OnlineSeat]) -> list[OnlineSeat]:
        """Tell the roster what these places are to be; return which it must be told again."""
        left: list[OnlineSeat] = []
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            sitting = [each for each in map(self._seats.at, batch) if each is not None]
            changed = [each for each in sitting if self._is_seated(each)]
            # Who comes does so before others go: a user whose connection takes another seat stays.
            left += await self._join([each for each in sitting if not self._is_seated(each)])
            left += await self._describe(changed)
            left += await self._leave([each for each in batch if each in self._seats.departures])
        return left

    def _is_seated(self, sitting: Sitting) -> bool:
        return sitting.seated_by == self._lease.name

    async def _join(self, sittings: Sequence[Sitting]) -> list[OnlineSeat]:
        if not sittings:
            return []
        name = self._lease.name
        answers = await self._roster.join([self._request(each) for each in sittings])
        left: list[OnlineSeat] = []
        for sitting, answer in zip(sittings, answers, strict=True):
            if isinstance(answer, Members):
                self._seated(sitting, answer, name)
            elif isinstance(answer, TooManyMembers):
                self._seats.crowd(sitting)
                self._queue.put(sitting.place)
            else:
                left.append(sitting.place)
                if isinstance(answer, LeaseLost):
                    self._lease.lose(answer.gateway)
        return left

    def _seated(self, sitting: Sitting, members: Members, name: str) -> None:
        """Note under which name somebody sits; of its device the roster may know something else."""
        sitting.seated_by = name
        if members.infos.get(sitting.member) != self._seats.info(sitting):
            self._queue.put(sitting.place)

    async def _describe(self, sittings: Sequence[Sitting]) -> list[OnlineSeat]:
        try:
            if sittings:
                await self._roster.describe([self._request(each) for each in sittings])
        except Unavailable:
            return [each.place for each in sittings]
        return []

    async def _leave(self, places: Sequence[OnlineSeat]) -> list[OnlineSeat]:
        graces = {place: self._seats.departures[place] for place in places}
        left: list[OnlineSeat] = []
        for grace in dict.fromkeys(graces.values()):
            alike = [place for place in places if graces[place] == grace]
            try:
                seats = [self._lease.seat(*place) for place in alike]
                await self._roster.leave(seats, grace=grace)
            except Unavailable:
                left += alike
                continue
            for place in alike:
                self._seats.left(place, grace=grace)
        return left

    def _request(self, sitting: Sitting) -> JoinRequest:
        seat = self._lease.seat(*sitting.place)
        limit = 0 if sitting.member == OTHERS else MOST
        return JoinRequest(seat, sitting.member, self._seats.info(sitting), limit)
