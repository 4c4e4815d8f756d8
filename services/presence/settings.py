"""
Timers of presence.

Pure.  The section ``[presence]``.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class PresenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Timers of presence.

    Attributes:
        lease_grace: Seconds that a gateway's lease may have lapsed before what it held is cleared.
        sweep_interval: Seconds between two looks for what is due: members who left, leases that
            lapsed.
        share_ttl: Seconds for which a presence process holds its share of the lifecycle streams: so
            long after it died others take it over.
        poll_interval: Seconds between two looks for new facts.
        lifecycle_topic: The topic that takes all facts but client events; empty: none.
    """

    lease_grace: Annotated[float, Meta(ge=0)] = 6.0
    sweep_interval: Annotated[float, Meta(ge=0.05)] = 0.5
    share_ttl: Annotated[float, Meta(ge=0.5)] = 6.0
    poll_interval: Annotated[float, Meta(ge=0.01)] = 0.1
    lifecycle_topic: str = ""
