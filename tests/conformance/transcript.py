"""
Transcripts: conversations between clients and a server, written down to be read, and to be played.

A line is one of

    == title              begins a conversation
    # …                   says why it is as it is
    on core: why          only the core can be asked (`on live`: only a served gateway)
    app {…}  gateway {…}  settings that differ from the usual ones (`libs.common.apps.app`, `services.gateway.settings`)
    > {…}                 the client sends a text frame
    < {…}                 the next frame that the client gets; ``<*``: any number of these
    >> ping hello         it sends another WebSocket frame: ``ping``, ``pong``, ``binary``, ``close``, or ``text`` in hex
    >> endless hello      it sends a text in fragments of a byte each, without the last
    << close 4009         it gets one
    bob> {…}   bob< {…}   so do others; whoever is named for the first time is connected and greeted
    @ bus hesitates       somebody does something: subject, verb, object

and a line that is indented goes on with the one before.  Frames are JSON, in which text between backquotes stands
for a string, so that JSON within JSON can be read, and these mean what changes each time:

    <socket_id>  <socket_id of bob>      names of connections
    <auth>                               the token that this message needs
    <auth for X>  <auth of bob>  <auth by older>  <auth without channel_data>       one that is made otherwise
    <grant 7 1.5>                        what auth gives a user for this message's channel, and when: UTC epoch seconds
    <token 7 private-x presence-*>       a channel token for a user, of a minute, that names these; <stale …> has expired
    <text>                               any wording
    <164 x>                              that many of a character

Clients of transcripts say nothing by themselves.  At the end of a conversation nothing may be left unread.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CLIENT = "client"

_FRAME = re.compile(r"(?P<actor>[a-z]*)(?P<sign>>>|<<|<\*|>|<) ?(?P<rest>.*)")
_ACT = re.compile(r"@ (?P<actor>[a-z]+) (?P<word>[a-z]+) ?(?P<text>.*)")
_STAGE = re.compile(r"on (?P<stage>core|live): .+")
_SETTINGS = re.compile(r"(?P<whose>app|gateway) (?P<values>\{.*\})")


@dataclass(frozen=True, slots=True)
class Step:
    """
    A line that does something.

    Attributes:
        kind: ``>``, ``<``, ``*`` for any number of ``<``, or ``@``.
        actor: Who.
        word: The kind of frame, or the verb.
        text: What the frame holds, or the verb's object.
        line: Where it stands.
    """

    kind: str
    actor: str
    word: str
    text: str
    line: int


@dataclass(slots=True)
class Conversation:
    """
    A conversation.

    Attributes:
        file: Where it is written, without ``.txt``.
        title: What it is about.
        stages: Where it can be played.
        app: Fields of the app that are not the usual ones.
        gateway: Settings that are not the usual ones.
        steps: What is said and done.
    """

    file: str
    title: str
    stages: frozenset[str] = frozenset({"core", "live"})
    app: dict[str, Any] = field(default_factory=dict)
    gateway: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


class Unreadable(ValueError):
    """A line is none of a transcript."""

    def __init__(self, file: str, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text!r}")


def read(file: Path) -> list[Conversation]:
    """
    Read a file of conversations.

    Raises:
        Unreadable: It has a line that means nothing.
    """
    conversations: list[Conversation] = []
    for number, line in _lines(file.read_text(encoding="utf-8")):
        if line.startswith("== "):
            conversations.append(Conversation(file.stem, line.removeprefix("== ")))
        elif not conversations or not _take(conversations[-1], line, number):
            raise Unreadable(file.name, number, line)
    return conversations


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that mean something, each with all that goes on with it, and the number of its first."""
    started: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if line.startswith(" ") and started:
            started = started[0], f"{started[1]} {line.strip()}"
            continue
        if started:
            yield started
        started = number, line
    if started:
        yield started


def _take(conversation: Conversation, line: str, number: int) -> bool:
    """Add a line to a conversation; tell whether it means something."""
    if found := _STAGE.fullmatch(line):
        conversation.stages = frozenset({found["stage"]})
    elif found := _SETTINGS.fullmatch(line):
        settings = conversation.app if found["whose"] == "app" else conversation.gateway
        settings.update(json.loads(found["values"]))
    elif found := _FRAME.fullmatch(line):
        conversation.steps.append(_frame(found, number))
    elif found := _ACT.fullmatch(line):
        conversation.steps.append(Step("@", found["actor"], found["word"], found["text"], number))
    else:
        return False
    return True


def _frame(found: "re.Match[str]", number: int) -> Step:
    actor, sign, rest = found["actor"] or CLIENT, found["sign"], found["rest"]
    if len(set(sign)) == len(sign):  # Not doubled: a text frame.
        return Step(sign[-1], actor, "message", rest, number)
    word, _, text = rest.partition(" ")
    return Step(sign[0], actor, word, text, number)
