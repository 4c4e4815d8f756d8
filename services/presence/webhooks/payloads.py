"""
What webhooks say: facts as Pusher writes them, in one request.

Pure.  Pusher, "Webhooks", "Webhook format"; what is about users online and marks is ours.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from libs.common.channels import Channel
from libs.common.json_text import write
from libs.common.lifecycle.facts import ABOUT_USERS, Fact, Recorded
from libs.common.marks.mark import recalled

CONTENT_TYPE = "application/json"  # To the letter: the SDK of npm takes no charset.


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What one request tells.

    Attributes:
        id: The ``webhook-id``: the same at every try, and whenever the same facts are told again.
        facts: In order.
    """

    id: str
    facts: Sequence[Fact]


def delivery_of(records: Sequence[Recorded], *, app: str, webhook: str) -> Delivery:
    """Put records into one request to a webhook of an app."""
    # A digest, as an app's id may hold what neither a header nor what is signed may.
    names = "\n".join([app, webhook, *(record.id for record in records)])
    digest = hashlib.sha256(names.encode(errors="surrogatepass")).hexdigest()
    return Delivery(f"msg_{digest[:32]}", tuple(record.fact for record in records))


def body_of(facts: Iterable[Fact], *, now: float) -> bytes:
    """
    Write the body of a request.

    Args:
        facts: In order.
        now: UTC epoch seconds of this try: the SDK of PyPI refuses what is 300 s old.
    """
    return write({"time_ms": int(now * 1000), "events": [_event(fact) for fact in facts]})


def _event(fact: Fact) -> dict[str, object]:
    event: dict[str, object] = {"name": fact.kind}
    if fact.kind not in ABOUT_USERS:
        event["channel"] = fact.channel
    match fact.kind:
        case "member_added" | "member_removed" | "user_online" | "user_offline":
            event["user_id"] = fact.user
        case "subscription_count":
            event["subscription_count"] = fact.count
        case "message_read":
            event |= {"user_id": fact.user, "upto": recalled(fact.data).told}
        case "client_event":
            event |= {"event": fact.event, "data": fact.data, "socket_id": fact.socket_id}
            if fact.user and Channel(fact.app, fact.channel).is_presence:
                event["user_id"] = fact.user
    return event
