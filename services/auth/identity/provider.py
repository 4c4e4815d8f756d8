"""
What is said between us and an identity server: a query, its reply, and that there was none.

Pure.  A query may hold a user's token, a reply what is known of the user: neither shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.common.errors import Unavailable


class ProviderUnavailable(Unavailable):
    """
    An identity server cannot be reached, or its answer makes no sense, so that nobody is believed.

    Attributes:
        reason: Why, for operators; quotes nothing that it said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("identity")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """
    A request to an identity server.

    Attributes:
        method: ``GET`` or ``POST``.
        url: Whom to ask.
        limit: Bytes that the reply's body may have.
        timeout: Seconds in which all of it must have arrived.
        headers: Headers beside the usual ones.
        form: The body's fields; None: no body.
    """

    method: str
    url: str
    limit: int
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProviderReply:
    """What an identity server answered, redirections included: nobody follows them."""

    status: int
    body: bytes = field(repr=False)
