"""
Where the backends are: the section ``[backends]`` of the settings.

Pure.  How a backend is used stands in a section of its own, beside its port or its adapter;
services/settings.py puts all sections together, and libs/common/config/loader.py reads them.
docs/configuration.md is the operator's view.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.address import Url
from libs.common.redis.keys import MOST_PARTITIONS, PARTITIONS
from libs.common.redis.pubsub.ways import Way

MEMORY = Url("memory://")
NONE = Url("none")  # In `BackendSettings.events`: there is no log.


class BackendSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where the backends are: ``[backends]``.

    Attributes:
        prefix: Begins every key in Redis: two deployments with other prefixes never meet.
        partitions: Into how many parts the channels are divided; the same in all processes.
        bus: Ordered channels with a short memory.
        pubsub: How a cluster of the bus passes on what is announced; others have the classic way.
        events: The log of domain events; ``none``: the Pusher API is all that back ends have.
        apps: The tenants; ``memory://`` means those of the file.
        roster: Subscriptions, members and leases.
        sessions: Where returning clients stand; left out: where the roster is.
        control: Commands to every gateway; left out: where the roster is.
        memberships: Which users belong to which groups.
        sightings: When users were last seen; left out: where the memberships are.
    """

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")] = "fanfare"
    partitions: Annotated[int, Meta(ge=1, le=MOST_PARTITIONS)] = PARTITIONS
    bus: Url = MEMORY
    pubsub: Way = "classic"
    events: Url = MEMORY
    apps: Url = MEMORY
    roster: Url = MEMORY
    sessions: Url = Url("")
    control: Url = Url("")
    memberships: Url = MEMORY
    sightings: Url = Url("")

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "sessions", self.sessions or self.roster)
        msgspec.structs.force_setattr(self, "control", self.control or self.roster)
        msgspec.structs.force_setattr(self, "sightings", self.sightings or self.memberships)

    @property
    def has_events(self) -> bool:
        """Whether there is a log of domain events."""
        return self.events != NONE

    @property
    def apart(self) -> str:
        """
        What is said where roster and bus are on different servers.

        The roster's scripts announce on the bus, in the same step as they decide.
        """
        which, there = ("bus", self.roster) if self.bus == MEMORY else ("roster", self.bus)
        variable = f"FANFARE_BACKENDS_{which.upper()}={there.scheme}://…"
        return (
            f"backends.roster must be on the same servers as backends.bus, and is on {self.roster}"
            f": set backends.{which} to the same URL ({variable})"
        )
