"""
Which addresses may be called beyond the usual: the section ``[egress]``.

Pure.
"""

import msgspec

from libs.common.config.address import Network


class EgressSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What requests of our own may reach: webhooks, and questions to identity servers.

    Attributes:
        allow: Networks that may be called although they are not public, or are this machine.
    """

    allow: tuple[Network, ...] = ()
