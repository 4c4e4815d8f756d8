"""
Limits and timers of the gateway.

Pure.  The section ``[gateway]``; docs/configuration.md tells what a client gets at each limit.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.apps.app import App
from libs.common.config.fields import Seconds

EVENTS = 4  # Of the largest of its app, that a client which is not known may have to read.


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Limits and timers of the gateway.

    Attributes:
        max_connections: Sockets of one gateway process; 0 or -1: as many as descriptors allow.
        accept_rate: Connections a second that a process with a gateway accepts at its public
            addresses; 0 or -1: any number.
        max_unsent: Bytes that may wait in a connection's write buffer; with more a client is too
            slow.
        max_unsent_unknown: The same for a client that has shown no token and no signature, but at
            least four of its app's largest events.
        memory_soft: Share of the memory that there is (its control group's, or the machine's) which
            may be kept for clients, as what they have yet to read and have half sent; beyond it
            those go for whom most is kept; 0: no bound.
        memory_hard: The same, beyond which newcomers are refused.
        max_message: Bytes of a frame from a client.
        frames: Frames that a client may send in a second; 0 or -1: any number.
        frames_burst: Frames that it may send at once.
        subscribes: Subscribes of a client in a second that do not wait; 0 or -1: any number.
        subscribes_burst: As many at once.
        new_channels_per_address: The same for all clients of an address, of subscribes for which
            Redis must be asked, or keeps something; 0 or -1: any number.
        new_channels_per_address_burst: As many at once.
        new_channels: The same for all clients of the gateway; 0 or -1: any number.
        new_channels_burst: As many at once.
        activity_timeout: Seconds without a word from a client until it is asked for one.
        pong_timeout: Seconds that it then has to answer.
        sign_in_wait: Seconds that a subscribe to a guarded public channel waits for the client's
            sign-in.
        max_waiting: Subscribes and departures that may wait for the bus or the roster, and
            subscribes that may wait for their turn.
        max_watched: Users in the watchlists of this gateway's clients, each counted once; of more
            nobody is told.
        linger: Seconds that the gateway goes on following a channel which its last client has left.
        position_check: Seconds after which a silent channel is compared with the bus.
        lease_ttl: Seconds for which the gateway's lease holds: how long it may be dead unnoticed.
        lease_renew: Seconds between two renewals of the lease.
        loop_timeout: Seconds for which the event loop may be held until the lease is left to lapse.
    """

    max_connections: Annotated[int, Meta(ge=-1)] = 0
    accept_rate: Annotated[float, Meta(ge=-1)] = 0.0
    max_unsent: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    max_unsent_unknown: Annotated[int, Meta(ge=1024)] = 256 * 1024
    memory_soft: Annotated[float, Meta(ge=0, le=1)] = 0.6
    memory_hard: Annotated[float, Meta(ge=0, le=1)] = 0.8
    max_message: Annotated[int, Meta(ge=1024)] = 64 * 1024
    frames: Annotated[float, Meta(ge=-1)] = 100.0
    frames_burst: Annotated[int, Meta(ge=1)] = 400
    subscribes: Annotated[float, Meta(ge=-1)] = 10.0
    subscribes_burst: Annotated[int, Meta(ge=1)] = 200
    new_channels_per_address: Annotated[float, Meta(ge=-1)] = 1000.0
    new_channels_per_address_burst: Annotated[int, Meta(ge=1)] = 1_000_000
    new_channels: Annotated[float, Meta(ge=-1)] = 5000.0
    new_channels_burst: Annotated[int, Meta(ge=1)] = 2_000_000
    activity_timeout: Annotated[float, Meta(ge=1)] = 30.0
    pong_timeout: Seconds = 30.0
    sign_in_wait: Annotated[float, Meta(ge=0)] = 10.0
    max_waiting: Annotated[int, Meta(ge=1)] = 100_000
    max_watched: Annotated[int, Meta(ge=1)] = 100_000
    linger: Annotated[float, Meta(ge=0)] = 5.0
    position_check: Seconds = 30.0
    lease_ttl: Seconds = 15.0
    lease_renew: Seconds = 4.0
    loop_timeout: Seconds = 60.0

    def unsent(self, app: App, *, is_known: bool) -> int:
        """Tell how many bytes may wait in the write buffer of an app's client."""
        largest = app.limits.payload_bytes
        if is_known or largest <= 0:
            return self.max_unsent
        return min(self.max_unsent, max(self.max_unsent_unknown, EVENTS * largest))

    def __post_init__(self) -> None:
        if self.lease_renew * 2 > self.lease_ttl:
            raise ValueError("lease_renew is at most half of lease_ttl: one renewal may fail")
        if 0 < self.memory_hard < self.memory_soft:
            raise ValueError("memory_hard is not below memory_soft: clients go before newcomers")
