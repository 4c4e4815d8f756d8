"""Where the process listens: the section ``[server]``."""

from itertools import combinations
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.address import Address, Network
from libs.common.config.fields import Addresses, Seconds
from libs.common.web.bodies.bodies import MOST
from libs.common.web.bodies.reading import MAX_BODY
from libs.common.web.door.limits import DoorLimits


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where the process listens, and how it stops: ``[server]``.

    Attributes:
        listen: The public address, or several: clients and back ends.
        internal_listen: The operators' address, or several: health and metrics.
        certificate: File with the certificate that the public address shows; empty: it speaks plain
            HTTP.
        certificate_key: File with its private key.
        lb_delay: Seconds that clients are still accepted after readiness is off, for load balancers
            to notice.
        drain_timeout: Seconds that all services together may then take to let go of their clients
            and work.
        trusted_proxies: Networks whose ``X-Forwarded-…`` headers are believed.
        handshake_timeout: Seconds from the beginning of a connection in which its first request
            must say all of what it wants, short of a body.
        message_timeout: Seconds that a message of a WebSocket may take from its first byte to its
            last.
        keep_alive: Seconds that a connection may be silent between two requests.
        max_head: Bytes that a request's line and headers may have together.
        max_bodies: Bytes that the bodies of all requests may have together that are being read or
            answered; one app has half of them at most.
    """

    listen: Addresses = (Address("127.0.0.1", 6001),)
    internal_listen: Addresses = (Address("127.0.0.1", 9601),)
    certificate: str = ""
    certificate_key: str = ""
    lb_delay: Annotated[float, Meta(ge=0)] = 0.0
    drain_timeout: Seconds = 30.0
    trusted_proxies: tuple[Network, ...] = ()
    handshake_timeout: Seconds = 10.0
    message_timeout: Seconds = 30.0
    keep_alive: Seconds = 75.0
    max_head: Annotated[int, Meta(ge=1024)] = 16 * 1024
    # One body of the largest finds room when there is no other.
    max_bodies: Annotated[int, Meta(ge=2 * MAX_BODY)] = MOST

    @property
    def door_limits(self) -> DoorLimits:
        """What a connection may take until its request is known."""
        return DoorLimits(self.max_head, self.handshake_timeout, self.keep_alive)

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError("certificate and certificate_key need each other")
        named = [*self.listen, *self.internal_listen]
        for one, other in combinations(named, 2):
            if one.clashes(other):
                raise ValueError(
                    f"{one} and {other} (listen, internal_listen) cannot both be listened on; "
                    "give one of them another port"
                )
