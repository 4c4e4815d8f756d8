"""
Conversations of the Pusher protocol, frame by frame, each on the core and on a served gateway.

They stand in transcripts/*.txt; `tests.conformance.transcript` tells how to read them.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from libs.common.apps.memory import MemoryApps
from libs.common.control.memory import MemoryControl
from tests.conformance.core import Core
from tests.conformance.live import Live
from tests.conformance.play import GUARDS, app_of, play, settings_of
from tests.conformance.transcript import Conversation, read
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import QUICK, place

TRANSCRIPTS = sorted(Path(__file__).with_name("transcripts").glob("*.txt"))
PATIENT = replace(QUICK, closing=DEADLINE)  # Closing connections have all the time they need.
CONVERSATIONS = [conversation for file in TRANSCRIPTS for conversation in read(file)]


def on(stage: str) -> pytest.MarkDecorator:
    """Ask for the conversations that can be played there."""
    playable = [each for each in CONVERSATIONS if stage in each.stages]
    names = [f"{each.file}: {each.title}" for each in playable]
    return pytest.mark.parametrize("conversation", playable, ids=names)


@on("core")
async def test_on_core(conversation: Conversation) -> None:
    """
    The core says what is written.
    """
    await play(conversation, Core(app_of(conversation), settings_of(conversation)))


@on("live")
async def test_on_live(conversation: Conversation) -> None:
    """
    So does a gateway, on the wire.
    """
    app = app_of(conversation)
    apps, control = MemoryApps([app]), MemoryControl()
    gateway = {"guards": GUARDS, "timers": PATIENT, **conversation.gateway}
    async with place(apps=apps, control=control, **gateway) as here:
        stage = Live(here, app, apps=apps, control=control)
        try:
            await play(conversation, stage)
        finally:
            await stage.leave()
