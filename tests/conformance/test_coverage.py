"""That the transcripts leave nothing out: every event and code of the protocol occurs in them, or is never sent."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_transcripts import CONVERSATIONS
from tests.conformance.transcript import Conversation, Step
from tests.conformance.wording import spelled

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"

# Pusher, "Channels protocol", "Events", and docs/protocol.md.
FROM_CLIENTS = {
    "pusher:ping",
    "pusher:pong",
    "pusher:signin",
    "pusher:subscribe",
    "pusher:unsubscribe",
}
FROM_SERVER = {
    "fanfare:resync",
    "fanfare:typing",
    "pusher:cache_miss",
    "pusher:connection_established",
    "pusher:error",
    "pusher:fanfare-resync",
    "pusher:pong",
    "pusher:signin_success",
    "pusher:subscription_error",
    "pusher_internal:member_added",
    "pusher_internal:member_removed",
    "pusher_internal:subscription_count",
    "pusher_internal:subscription_succeeded",
    "pusher_internal:watchlist_events",
}
NEVER_SENT = {
    "fanfare:read": "the presence service publishes it, and gateways bring it as they bring others",
    "pusher:member_added": "pusher-js' own name for pusher_internal:member_added",
    "pusher:member_removed": "pusher-js' own name for pusher_internal:member_removed",
    "pusher:ping": "clients are asked by a WebSocket ping, which all of them answer",
    "pusher:signin_error": "pusher-js' own, when an auth endpoint refuses",
    "pusher:subscription_count": "pusher-js' own name for pusher_internal:subscription_count",
    "pusher:subscription_succeeded": "pusher-js' own name for pusher_internal:subscription_succeeded",
}

# Pusher, "Connection closure" and "Error codes"; RFC 6455, 7.4.1.
CLOSES = {
    *{1000, 1002, 1007, 1008, 1009},
    *{4000, 4001, 4003, 4004, 4005, 4006, 4007, 4009},
    *{4100, 4200, 4201},
}
ERRORS_THAT_CLOSE_NOTHING = {4009, 4300, 4301, 4302, 4303, 4304}
CODES_NEVER_SENT = {
    4002: "Pusher has none",
    4008: "a missing version counts as 7",
    4202: "whoever answers is not inactive",
}
REFUSALS = {
    ("AuthError", 401),
    ("AuthError", 403),
    ("InvalidChannel", 400),
    ("LimitReached", 400),
    ("LimitReached", 4100),
    ("LimitReached", 4301),
}
KINDS = {
    "cache-",
    "presence-",
    "presence-cache-",
    "private-",
    "private-cache-",
    "private-encrypted-",
    "private-encrypted-cache-",
    "#server-to-user-",
}
TITLES = [f"{each.file}: {each.title}" for each in CONVERSATIONS]


def messages(kinds: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of all lines of these kinds; leaves out what is none, for malformed ones are sent too."""
    for step in (step for each in CONVERSATIONS for step in each.steps):
        if step.kind in kinds and step.word == "message":
            try:
                message = json.loads(spelled(step.text, step.actor, defaultdict(str)))
            except (ValueError, RecursionError):
                continue
            if isinstance(message, dict):
                yield message


def events(kinds: str) -> set[str]:
    """Return the names of all events of the protocol that these lines have."""
    named = (message.get("event") for message in messages(kinds))
    return {name for name in named if isinstance(name, str) and ":" in name}


def spans(conversation: Conversation) -> Iterator[tuple[Step, Step | None]]:
    """Yield each line that somebody hears, with the next one that it hears."""
    heard = [step for step in conversation.steps if step.kind == "<"]
    for index, step in enumerate(heard):
        later = (each for each in heard[index + 1 :] if each.actor == step.actor)
        yield step, next(later, None)


def errors(*, closing: bool) -> Iterator[int]:
    """Yield the codes of all ``pusher:error`` that a Close frame with the same code follows, or of all others."""
    for step, after in (pair for each in CONVERSATIONS for pair in spans(each)):
        if step.word == "message" and '"pusher:error"' in step.text:
            code = json.loads(step.text)["data"]["code"]
            is_closed = after is not None and (after.word, after.text) == ("close", str(code))
            if is_closed == closing:
                yield code


def closes() -> Iterator[int]:
    """Yield the codes of all Close frames from the server."""
    for step in (step for each in CONVERSATIONS for step in each.steps):
        if (step.kind, step.word) == ("<", "close"):
            yield int(step.text)


def section(title: str) -> str:
    """Return a section of docs/protocol.md."""
    return PROTOCOL.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def codes(text: str) -> set[int]:
    """Return all numbers that look like codes."""
    return {int(code) for code in re.findall(r"\b(?:10\d\d|4[0-3]\d\d)\b", text)}


class TestEvents:
    """Every event of the protocol occurs."""

    def test_from_clients(self) -> None:
        """
        Each that clients send is sent.
        """
        assert events(">") >= FROM_CLIENTS

    def test_from_the_server(self) -> None:
        """
        Each that the server sends is heard, and none that it never sends.
        """
        assert events("<*") == FROM_SERVER

    def test_of_others(self) -> None:
        """
        So are client events, and native pings and pongs in both directions.
        """
        frames = {(step.kind, step.word) for each in CONVERSATIONS for step in each.steps}

        assert any(message["event"].startswith("client-") for message in messages("<"))
        assert {(kind, word) for kind in "<>" for word in ("ping", "pong")} <= frames

    def test_documented(self) -> None:
        """
        The documentation names no other.
        """
        named = re.findall(
            r"\b(?:pusher|pusher_internal|fanfare):[a-z_-]+[a-z]", PROTOCOL.read_text("utf-8")
        )

        assert set(named) <= FROM_CLIENTS | FROM_SERVER | NEVER_SENT.keys()


class TestCodes:
    """Every code of the protocol occurs."""

    def test_closes(self) -> None:
        """
        Each Close frame is heard, and none that is never sent; 4300 and above never close.
        """
        assert set(closes()) - {4900} == CLOSES  # That one is a client's own, returned.

    def test_errors_before_a_close(self) -> None:
        """
        Each of Pusher's own is told before, in words and with the same code.
        """
        assert set(errors(closing=True)) == {code for code in CLOSES if code >= 4000}

    def test_errors_alone(self) -> None:
        """
        Each error that leaves the connection open occurs.
        """
        assert set(errors(closing=False)) == ERRORS_THAT_CLOSE_NOTHING

    def test_refusals(self) -> None:
        """
        So does each refusal of a subscription.
        """
        data = [m["data"] for m in messages("<") if m["event"] == "pusher:subscription_error"]

        assert {(each["type"], each["status"]) for each in data} == REFUSALS

    def test_documented(self) -> None:
        """
        The documentation knows the same, and says of the others that they are never sent.
        """
        ranges = {4200, 4299, 4300, 4399}

        told = codes(section("Error codes"))

        assert (
            told - ranges == (CLOSES | ERRORS_THAT_CLOSE_NOTHING | {4008, 4302}) - {1000} - ranges
        )
        assert codes(section("Subscribe / unsubscribe")) <= {status for _, status in REFUSALS}
        assert CODES_NEVER_SENT.keys().isdisjoint({*closes(), *errors(closing=False)})


class TestKinds:
    """Every kind of channel occurs."""

    @pytest.mark.parametrize("prefix", sorted(KINDS))
    @pytest.mark.parametrize("answer", ["succeeded", "error"])
    def test_answers(self, prefix: str, answer: str) -> None:
        """
        Subscribes to it succeed, and are refused where they can be.
        """
        named = {
            message["channel"]
            for message in messages("<")
            if "subscription_" in message["event"] and message["event"].endswith(answer)
        }

        assert any(name.startswith(prefix) for name in named) or (prefix, answer) == (
            "cache-",
            "error",
        )


class TestConversations:
    """Conversations that can be told apart, and that end."""

    def test_titles(self) -> None:
        """
        No title stands twice.
        """
        assert repeated(TITLES) == []

    def test_lines(self) -> None:
        """
        In each something is heard.
        """
        assert [
            each.title for each in CONVERSATIONS if not any(s.kind == "<" for s in each.steps)
        ] == []


def repeated(names: Iterable[str]) -> list[str]:
    """Return what occurs more than once."""
    return [name for name, number in Counter(names).items() if number > 1]
