"""
Settings that several services share.

Pure.  Each struct is a section of the file; services/settings.py puts them together with the services' own,
and libs/common/loader.py reads them.  docs/configuration.md is the operator's view.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.common.address import Address, Network, Url
from libs.common.partitions import MOST_PARTITIONS, PARTITIONS

Seconds = Annotated[float, Meta(gt=0)]
MEMORY = Url("memory://")


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where the process listens, and how it stops: ``[server]``.

    Attributes:
        listen: The public address: clients and back ends.
        internal_listen: The operators' address: health and metrics.
        certificate: File with the certificate that the public address shows; empty: it speaks plain HTTP.
        certificate_key: File with its private key.
        lb_delay: Seconds that clients are still accepted after readiness is off, for load balancers to notice.
        drain_timeout: Seconds that all services together may then take to let go of their clients and work.
        trusted_proxies: Networks whose ``X-Forwarded-…`` headers are believed.
    """

    listen: Address = Address("127.0.0.1", 6001)
    internal_listen: Address = Address("127.0.0.1", 9601)
    certificate: str = ""
    certificate_key: str = ""
    lb_delay: Annotated[float, Meta(ge=0)] = 0.0
    drain_timeout: Seconds = 30.0
    trusted_proxies: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError("certificate and certificate_key need each other")


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is logged, and how: ``[log]``.

    Attributes:
        level: The least that is written.
        format: ``json`` for machines, ``console`` for people; ``auto`` is console on a terminal, else json.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class BackendSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where the backends are: ``[backends]``.

    Attributes:
        prefix: Begins every key in Redis: two deployments with other prefixes never meet.
        partitions: Into how many parts the channels are divided; the same in all processes.
        bus: Ordered channels with a short memory.
        events: The log of domain events.
        apps: The tenants; ``memory://`` means those of the file.
        roster: Subscriptions, members and leases.
        sessions: Where returning clients stand; left out: where the roster is.
        control: Orders to every gateway; left out: where the roster is.
        memberships: Who belongs to what.
        sightings: Last seen, read marks; left out: where the memberships are.
    """

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")] = "fanfare"
    partitions: Annotated[int, Meta(ge=1, le=MOST_PARTITIONS)] = PARTITIONS
    bus: Url = MEMORY
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


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How much of each channel the bus remembers, whichever bound is reached first: ``[history]``.

    Attributes:
        max_age: Seconds.
        max_entries: Entries of one channel.
        cache_ttl: Seconds for which a cache channel keeps its last event, whatever the rest says.
    """

    max_age: Seconds = 120.0
    max_entries: Annotated[int, Meta(ge=1)] = 2000
    cache_ttl: Seconds = 1800.0


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How PostgreSQL is used: ``[postgres]``.

    Attributes:
        pool_size: Most connections of this process to one database.
        connect_timeout: Seconds to wait for a connection, new or from the pool.
        command_timeout: Seconds to wait for an answer.
        prepared_statements: Statements of a connection that PostgreSQL keeps prepared; 0 behind a pooler
            that changes servers between transactions (PgBouncer's ``pool_mode = transaction``).
    """

    pool_size: Annotated[int, Meta(ge=2, le=100)] = 4
    connect_timeout: Seconds = 5.0
    command_timeout: Seconds = 10.0
    prepared_statements: Annotated[int, Meta(ge=0)] = 100
