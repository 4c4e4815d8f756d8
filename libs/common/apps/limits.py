"""
What an app may use: bounds of sizes, numbers and rates, each with its default.

Pure.  The table ``[apps.limits]``; docs/configuration.md tells what a client gets at each.  0 and
-1 mean that there is no limit, except for names, whose length has a ceiling of its own.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.channels import MAX_EVENT, MAX_NAME

LONGEST_NAME = 200  # Characters of a channel's or an event's name that the SDKs still accept.

_Count = Annotated[int, Meta(ge=-1)]
_Rate = Annotated[float, Meta(ge=-1)]
_Length = Annotated[int, Meta(ge=-1, le=LONGEST_NAME)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The limits of one app.

    Attributes:
        connections: Of the app, on all gateways together.
        connections_per_user: Of a user who is signed in, on all gateways together.
        connections_per_tenant: Of a tenant, as `App.tenant` tells, on all gateways together.
        connections_per_address: Of a client's address, on all gateways together.
        channels: That one connection is subscribed to.
        members: Users in a presence channel (Pusher, "Presence channels": 100).
        member_bytes: Of a member's ``user_info`` (Pusher, "Presence channels": 1 KB).
        channel_name: Characters, prefix included.
        event_name: Characters.
        payload_bytes: Of an event's data (Pusher, "HTTP API": 10 KB).
        client_event_bytes: Of a client event's data.
        client_events: A second, of one connection (Pusher, "Client events": 10).
        event_channels: Of one event that is posted (Pusher, "HTTP API": 100).
        batch: Events of one batch that is posted (Pusher, "HTTP API": 10).
        publishes: Events a second that are posted; one for several channels counts once for each.
        reads: Queries of the HTTP API a second.
        auth_requests: A second, to the auth endpoints.
        events_batch: CloudEvents of one batch that is posted to ``/events``.
        idempotency_keys: Publications a second that are posted with an ``X-Idempotency-Key``, as
            `publishes` counts them; each is remembered for an hour.
        terminations: Users a second whose connections are ended.
        tokens: Channel tokens a second that are issued, of each auth process: a signature may take
            a millisecond.
        revocations: Channel tokens a second that are revoked, by name or with their user.
        memberships: Memberships a second that are put or removed.
        typing: Words a second of back ends that a user types, or has stopped.
        marks: Words a second of back ends how far a user has read.
        commands: Of each kind (terminations, revocations, removals from channels) that are in
            force; those of users for minutes, those of tokens until the tokens have expired.
    """

    connections: _Count = 0
    connections_per_user: _Count = 0
    connections_per_tenant: _Count = 0
    connections_per_address: _Count = 0
    channels: _Count = 100
    members: _Count = 100
    member_bytes: _Count = 1024
    channel_name: _Length = MAX_NAME
    event_name: _Length = MAX_EVENT
    payload_bytes: _Count = 10 * 1024
    client_event_bytes: _Count = 10 * 1024
    client_events: _Rate = 10.0
    event_channels: _Count = 100
    batch: _Count = 10
    publishes: _Rate = 0.0
    reads: _Rate = 0.0
    auth_requests: _Rate = 0.0
    events_batch: _Count = 10_000
    idempotency_keys: _Rate = 500.0
    terminations: _Rate = 100.0
    tokens: _Rate = 500.0
    revocations: _Rate = 100.0
    memberships: _Rate = 1000.0
    typing: _Rate = 1000.0
    marks: _Rate = 1000.0
    commands: _Count = 10_000

    @property
    def longest_channel_name(self) -> int:
        """The most characters of a channel's name."""
        return self.channel_name if self.channel_name > 0 else LONGEST_NAME

    @property
    def longest_event_name(self) -> int:
        """The most characters of an event's name."""
        return self.event_name if self.event_name > 0 else LONGEST_NAME


def exceeds(number: float, limit: float) -> bool:
    """Tell whether a number is above a limit, where there is one."""
    return 0 < limit < number
