"""docs/presence.md, "HTTP API": each curl of it is answered as it says there."""

import argparse
import json
import re
import shlex
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from libs.common.policies.selections import ReceiptRule
from libs.common.roster.port import JoinRequest, Seat
from libs.common.typists.port import Report
from tests.support.clients.back_ends import basic
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT
from tests.support.services.presence import GATEWAY, ServedPresence, served_presence
from tests.support.tokens.channel_tokens import channel_token

PAGE: Path = ROOT / "docs" / "presence.md"
ROOM = Channel("1", "presence-room")
LONG = 3600.0
SHOWN = "http://127.0.0.1:6001"

_EXAMPLE = re.compile(r"```sh\n(curl .*?)\n```\n\n```json\n(.*?)\n```", re.DOTALL)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

CURL = argparse.ArgumentParser()
CURL.add_argument("-u", dest="user", default=":")
CURL.add_argument("-H", dest="header", default="")
CURL.add_argument("-d", dest="data", default="")
CURL.add_argument("url")

EXAMPLES = _EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture
async def here() -> AsyncIterator[ServedPresence]:
    """Yield presence of those who are there in the examples."""
    receipts = [ReceiptRule(pattern="private-chat.{low}.{high}", app="1")]
    async with served_presence(receipts=receipts) as here:
        await here.connect("7", "phone", activity="away")
        await here.connect("7", "laptop", "laptop")
        for user in ("70", "71"):
            await here.connect(user, "phone")
        for number, user in enumerate(["7", "7", "8"]):
            seat = Seat(ROOM, f"2.{number}", GATEWAY)
            info = '{"name": "Ann"}' if user == "7" else "null"
            await here.roster.join([JoinRequest(seat, user, info)])
        chat = Channel("1", "private-chat.7.8")
        await here.marks.move([Reading(chat, "7", Mark(41)), Reading(chat, "8", Mark(40))])
        await here.typists.report([Report(ROOM, user, "g1", LONG) for user in ("7", "8")])
        yield here


async def curl(here: ServedPresence, line: str) -> Any:
    """Do what a command line of curl says; wait while a token is not taken yet."""
    token, _ = channel_token("7", "presence-*", "private-*", now=time.time())
    said = CURL.parse_args(shlex.split(line.replace("$TOKEN", token))[1:])
    proof = said.header.partition(": ")[2] or basic(*said.user.split(":"))
    method, body = ("POST", said.data) if said.data else ("GET", None)
    url, headers = said.url.replace(SHOWN, here.url), {"Authorization": proof}
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        while True:
            async with http.request(method, url, headers=headers, data=body) as response:
                if response.status != 503:
                    return await response.json()


def timeless(answer: Any) -> Any:
    """Let all instants be alike."""
    return json.loads(_INSTANT.sub("then", json.dumps(answer)))


def test_found() -> None:
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize("line,answer", EXAMPLES, ids=[line[-40:] for line, _ in EXAMPLES])
async def test_answered(here: ServedPresence, line: str, answer: str) -> None:
    assert timeless(await curl(here, line)) == timeless(json.loads(answer))
