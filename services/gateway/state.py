"""
What a gateway is doing now: plain values, for operators and for tests.

Pure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayState:
    """
    A gateway at one moment; `counters.Counters` has what happened since its start.

    Attributes:
        name: Under which name it seats members and counts now; another one after each lost lease.
        is_accepting: Whether clients are let in; not while it drains.
        is_listening: Whether the bus was heard of since it was last in doubt.
        is_informed: Whether it has heard all commands in force, so that it takes tokens.
        is_unseated: Whether members are about to be seated again.
        connections: Clients that were greeted and have not gone.
        unsent: Bytes that wait in the write buffers of these connections.
        channels: Channels that are followed: somebody here is subscribed to them, or watches their
            user, or did so a moment ago.
        online: Connections that are somebody's.
        untold: Seats of such connections that the roster was not told of.
        watched: Users whom somebody here watches.
        typing: Users who type here, or did so a moment ago, each in each channel.
        marks: Users whose marks wait to be passed on, likewise.
        waiting: Subscribes, departures and members to be seated again that wait for the bus or the
            roster.
        delayed: Subscribes that wait for their turn, as there were more than the rates allow.
        newcomers: Clients, and users who sign in, that wait until the tally says whether there is
            room.
        signing_in: Connections that are signed in and wait for that.
        unreported: Numbers of connections that have changed and were not reported to the tally yet.
        counted: Apps, users, tenants and addresses whose connections are counted here, or of which
            the tally still knows some.
        unheard: Clients from which nothing is read for now: until it is the turn of what they have
            sent, until they may send more, or until they have read their answers.
    """

    name: str
    is_accepting: bool
    is_listening: bool
    is_informed: bool
    is_unseated: bool
    connections: int
    unsent: int
    channels: int
    online: int
    untold: int
    watched: int
    typing: int
    marks: int
    waiting: int
    delayed: int
    newcomers: int
    signing_in: int
    unreported: int
    counted: int
    unheard: int
