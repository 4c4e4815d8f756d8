"""
Timers and bounds of presence, and what is kept of users.

Pure.  The section ``[presence]``.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.fields import Seconds

_Days = Annotated[float, Meta(ge=0, le=36_500)]


class PresenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Timers and bounds of presence, and what is kept of users.

    Attributes:
        lease_grace: Seconds that a gateway's lease may have lapsed before what it held is cleared.
        sweep_interval: Seconds between two looks for what is due: members who left, leases that
            lapsed.
        share_ttl: Seconds for which a presence process holds its share of the lifecycle streams: so
            long after it died others take it over.
        poll_interval: Seconds between two looks for new facts.
        away_after: Seconds without a sign of life after which gateways hold a user for away; 0:
            never.
        typing_ttl: Seconds for which a user types, unless that is said again; 0: nobody ever does.
        lifecycle_topic: The topic that takes all facts but client events; empty: none.
        vacated_delay: Seconds that a channel must have been empty before a webhook says so.
        webhook_timeout: Seconds in which a receiver must have answered a request.
        webhook_patience: Seconds for which a request that failed is tried again.
        webhook_requests: To one webhook at once.
        webhook_batch: Facts in one request, where a webhook has them batched.
        webhook_batch_delay: Seconds that the first of them waits for others.
        dead_letters: What could not be delivered, kept of all apps together; the oldest go first.
        dead_letters_max_age: Seconds for which it is kept.
        keep_last_seen: Days for which it is kept when a user was last seen; 0: neither that nor
            times of being online are kept.
        keep_spans: Days for which times of being online are kept; 0: none is.
        max_readers: Users of one channel of whom it is kept how far they have read.
        keep_marks: Days for which it is kept after it was told last.
        read_timeout: Seconds that the body of a request may take to arrive.
    """

    lease_grace: Annotated[float, Meta(ge=0)] = 6.0
    sweep_interval: Annotated[float, Meta(ge=0.05)] = 0.5
    share_ttl: Annotated[float, Meta(ge=0.5)] = 6.0
    poll_interval: Annotated[float, Meta(ge=0.01)] = 0.1
    away_after: Annotated[float, Meta(ge=0)] = 300.0
    typing_ttl: Annotated[float, Meta(ge=0, le=60)] = 6.0
    lifecycle_topic: str = ""
    vacated_delay: Annotated[float, Meta(ge=0, le=60)] = 3.0
    webhook_timeout: Seconds = 5.0
    webhook_patience: Annotated[float, Meta(ge=0)] = 300.0
    webhook_requests: Annotated[int, Meta(ge=1, le=1000)] = 10
    webhook_batch: Annotated[int, Meta(ge=1, le=1000)] = 100
    webhook_batch_delay: Annotated[float, Meta(ge=0, le=10)] = 0.05
    dead_letters: Annotated[int, Meta(ge=1)] = 10_000
    dead_letters_max_age: Seconds = 604_800.0
    keep_last_seen: _Days = 90.0
    keep_spans: _Days = 30.0
    max_readers: Annotated[int, Meta(ge=1)] = 10_000
    keep_marks: Annotated[float, Meta(gt=0, le=36_500)] = 365.0
    read_timeout: Seconds = 10.0

    @property
    def keeps_sightings(self) -> bool:
        """Whether anything is kept of users who were online."""
        return self.keep_last_seen > 0
