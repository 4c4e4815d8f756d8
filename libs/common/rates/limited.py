"""
What this process refused, or had wait, as a limit was reached: how often, by limit.

One count for the process since its start, as `outage` has one: limits are held in many places, and
whoever shows the count would else have to be told of each.  No bound of a size or of a queue is
among them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# As the settings call them: those of an app (``limits.``), of auth, of a gateway, and of a
# server.
LIMITS = (
    "publishes",
    "reads",
    "auth_requests",
    "idempotency_keys",
    "terminations",
    "tokens",
    "revocations",
    "memberships",
    "typing",
    "marks",
    "commands",
    "requests_per_address",
    "requests_per_user",
    "unknown_tokens",
    "client_events",
    "channels",
    "members",
    "connections",
    "connections_per_user",
    "connections_per_tenant",
    "connections_per_address",
    "max_connections",
    "frames",
    "subscribes",
    "new_channels_per_address",
    "new_channels",
    "message_timeout",
    "memory_soft",
    "memory_hard",
)

_REFUSED: Counter[str] = Counter()


def note_limited(limit: str) -> None:
    """Count a refusal, or what has to wait; the limit is one of `LIMITS`."""
    _REFUSED[limit] += 1


@contextmanager
def counting(limit: str, refused: type[Exception]) -> Iterator[None]:
    """Count it as a refusal by one of `LIMITS` if what is done is refused in this way."""
    try:
        yield
    except refused:
        note_limited(limit)
        raise


def refusals_by_limit() -> Mapping[str, int]:
    """Return how often each limit was the reason, of those that ever were."""
    return dict(_REFUSED)
