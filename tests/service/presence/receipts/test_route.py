"""docs/presence.md, "To the author of a message": the route does what it says there."""

import json
import re
import tomllib

import msgspec
import pytest

from libs.common.escaping import escape
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.dispatcher.events.decoding import decode
from services.dispatcher.routing.router import Router
from services.dispatcher.settings import DispatcherSettings, Route
from services.presence.lifecycle.topic import Topic
from tests.support.deployments.program import ROOT

PAGE = (ROOT / "docs" / "presence.md").read_text(encoding="utf-8")
SHOWN = tomllib.loads("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
TOPIC = SHOWN["presence"]["lifecycle_topic"]


async def routed(channel: str, user: str) -> list[tuple[str, str, object]]:
    """Return what the shown route makes of a user who has read in a channel: to whom, and what."""
    rules = msgspec.convert([rule | {"app": "1"} for rule in SHOWN["receipts"]], list[ReceiptRule])
    router = Router(
        msgspec.convert(SHOWN["routes"], list[Route]),
        topics={"1": "events"},
        settings=DispatcherSettings(),
    )
    log = MemoryEventLog()
    topic = Topic(TOPIC, log, captures=SelectedChannels(rules).captures)
    fact = Fact(kind="message_read", app="1", channel=channel, user=user, data="42", at=1.0)
    await topic.take([Recorded(Stream("1", 0), 1, "e", fact)])
    async with log.consume([TOPIC], group="test") as consumer:
        (record,) = await consumer.fetch(1.0)
    event = decode(record)
    assert event is not None
    routing = router.route(TOPIC, event, now=1.0)
    return [(each.channel, each.event, json.loads(each.data)) for each in routing.broadcasts]


@pytest.mark.parametrize("reader,author", [("7", "auth0|8"), ("auth0|8", "7")])
async def test_author(reader: str, author: str) -> None:
    """The other one of the two is told who has read, where, and how far."""
    channel = f"private-chat.7.{escape('auth0|8')}"

    assert await routed(channel, reader) == [
        (
            f"private-user.{escape(author)}",
            "MessageRead",
            {"channel": channel, "reader": reader, "upto": 42},
        )
    ]


async def test_somebody_else() -> None:
    """Who is none of the two is nobody's reader."""
    assert await routed("private-chat.7.8", "9") == []
