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
    """

    lease_grace: Annotated[float, Meta(ge=0)] = 6.0
    sweep_interval: Annotated[float, Meta(ge=0.05)] = 0.5
