"""
How often a gateway looks after things, and how long it waits for them.

Operators set none of these: what they may set is in `settings`.  Tests set them, and wait for less.
"""

from dataclasses import dataclass

from libs.common.retry import FIRST, LONGEST, Backoff


@dataclass(frozen=True, slots=True)
class Timers:
    """
    Durations, all in seconds.

    Attributes:
        poll: How long the feed waits for deliveries before it looks after the rest; also the time
            between two looks whether positions must be compared with the bus.
        tick: Between two looks at the connections whose time has come.
        informed: How long a newcomer with a token waits until it is known what is revoked.
        lease_retry: Between two attempts to renew the lease while the roster is away.
        room_margin: How much longer a newcomer waits for room than gateways take to renew their
            leases.
        room_retry: After which room is looked for again, for newcomers who found none for sure.
        room_moment: In which newcomers are gathered after a report that failed.
        count_patience: How long a newcomer waits at most until its count is known.
        patience: For how long a client may go on sending more than it may.
        subscribing: Between two looks at subscribes that wait for their turn.
        closing: How long a closing connection has to take what is left.
        drain_slice: Between two handfuls of connections that are sent away.
        settling: How long departures may take in a drain before the lease is released without them.
        gathering: For which changes of who is online, or types, are gathered before the backend,
            and clients, are told.
        reading: For which words of how far users have read are gathered before they are passed on.
        repeating: After which a word of how far a user has read that says nothing new is passed on
            once more.
        retry_first: The first delay between two attempts at a backend that is away; see `Backoff`.
        retry_longest: The longest such delay.
    """

    poll: float = 1.0
    tick: float = 1.0
    informed: float = 2.0
    lease_retry: float = 1.0
    room_margin: float = 1.0
    room_retry: float = 0.25
    room_moment: float = 0.05
    count_patience: float = 0.5
    patience: float = 30.0
    subscribing: float = 0.05
    closing: float = 1.0
    drain_slice: float = 0.1
    settling: float = 5.0
    gathering: float = 0.1
    reading: float = 0.25
    repeating: float = 60.0
    retry_first: float = FIRST
    retry_longest: float = LONGEST

    def backoff(self) -> Backoff:
        """Make the delays between attempts at a backend."""
        return Backoff(self.retry_first, self.retry_longest)


TIMERS = Timers()  # What production runs with.
