"""How much of each channel is remembered: the section ``[history]``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.fields import Seconds


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How much of each channel the bus remembers, whichever bound is reached first: ``[history]``.

    Attributes:
        max_age: Seconds after the channel's last entry at which the whole history is forgotten.
        max_entries: Entries of one channel; up to 100 more may be kept.
        cache_ttl: Seconds for which a cache channel keeps its last entry, whatever the rest says.
    """

    max_age: Seconds = 120.0
    max_entries: Annotated[int, Meta(ge=1)] = 2000
    cache_ttl: Seconds = 1800.0
