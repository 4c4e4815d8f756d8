"""
Limits of one connection: what is said when one is passed.

Pure.
"""

from libs.common.apps.limits import exceeds
from libs.common.errors import Invalid

OVER_CAPACITY = 4100  # Pusher, "Error codes": over capacity; clients return after a second.


class TooManyChannels(Invalid):
    """The connection is subscribed to as many channels as one may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a connection may subscribe to {limit} channels")


class WatchlistTooLong(Invalid):
    """A client that signed in names more users than may stand in a watchlist."""

    code = 4302  # Pusher, "Watchlist events": the first ones are watched all the same.

    def __init__(self, limit: int) -> None:
        super().__init__(f"a watchlist may name {limit} users: the first {limit} are watched")


class TooManyWatched(Invalid):
    """Users of a watchlist are not watched: the gateway watches as many as it may."""

    code = 4302  # As for a watchlist that is too long: those that are not watched are told of it.

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} users of the watchlist are not watched: there are too many")


class TooMuchUserInfo(Invalid):
    """A member's ``user_info`` is larger than the app allows."""

    # docs/protocol.md, "Subscribe / unsubscribe": the status of LimitReached, as at Soketi.
    code = 4301

    def __init__(self, limit: int) -> None:
        super().__init__(f"the user_info of a member may have {limit} bytes")


def check_user_info(info: str, limit: int) -> None:
    """
    Let a member's ``user_info``, as JSON text, pass that is not too large.

    Raises:
        TooMuchUserInfo: It has more bytes; 0 or -1 is no limit.
    """
    if exceeds(len(info.encode()), limit):
        raise TooMuchUserInfo(limit)


class TooManyClientEvents(Invalid):
    """The connection sent client events faster than it may."""

    code = 4301  # Pusher, "Error codes": client event rejected due to rate limit.

    def __init__(self, limit: float) -> None:
        super().__init__(f"a connection may send {limit:g} client events a second")


class TooManyOfApp(Invalid):
    """More client events of the app wait on this gateway than the bus takes."""

    code = 4301  # As for a connection that sends too fast: the event is dropped.

    def __init__(self) -> None:
        super().__init__("more client events of this app wait than can be passed on")


class ClientEventRefused(Invalid):
    """A client event breaks a rule other than the rate."""

    code = 4301  # As Soketi and Reverb do; the connection stays open.


class NoUser(Invalid):
    """A client event says something of the client's user, and the client has none."""

    code = 4303  # The next one that neither Pusher nor we have used: told once to a connection.

    def __init__(self, event: str) -> None:
        super().__init__(f"{event} counts for a user alone, and this connection is nobody's")
