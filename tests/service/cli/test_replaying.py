"""Dead letters are sent again, by the same code as ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.dead_letters.port import DeadLetter, Selection
from libs.common.lifecycle.facts import Fact
from services.cli.presence.replaying import TROUBLES, Progress, newest, replay
from tests.support.fakes.webhook_receiver import Receiver, receiver
from tests.support.services.webhooks import Site, app_with, hook, site

ALL = Selection()


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


async def lay_by(held: Site, *numbers: int, webhook: str = "a") -> None:
    for number in numbers:
        fact = Fact(kind="member_added", app="1", channel="presence-a", user=str(number))
        letter = DeadLetter(
            id=f"msg_{webhook}{number}",
            app="1",
            webhook=webhook,
            facts=(fact,),
            reason="answered 500",
            tries=3,
            first_at=1.0,
            died_at=held.tools.clock() + number,
        )
        await held.letters.keep(letter)


async def replayed(held: Site, selection: Selection = ALL) -> Progress:
    progress = Progress(await held.letters.count(selection))
    await replay(selection, held.tools, progress=progress, shown=lambda _: None)
    return progress


async def test_delivered(here: Receiver) -> None:
    """In order, with the ids that they had, and then they are no more."""
    shown: list[str] = []
    async with site(app_with(hook(here))) as held:
        await lay_by(held, 1, 2, 3)

        await replay(
            ALL,
            held.tools,
            progress=Progress(3),
            shown=lambda progress: shown.append(str(progress)),
        )

        assert await held.dead() == []
    assert [told.id for told in here.told] == ["msg_a1", "msg_a2", "msg_a3"]
    assert shown == [f"{number} of 3: {number} delivered" for number in (1, 2, 3)]


async def test_selected(here: Receiver) -> None:
    async with site(app_with(hook(here), hook(here, "b"))) as held:
        await lay_by(held, 1, 2)
        await lay_by(held, 3, webhook="b")

        await replayed(held, Selection(ids=frozenset({"msg_a2"})))
        await replayed(held, Selection(webhook="b"))

        assert [letter.id for letter in await held.dead()] == ["msg_a1"]


async def test_failed(here: Receiver) -> None:
    """What fails stays; when several have failed in a row the rest of the webhook is left, no other's."""
    here.status = lambda _: 500
    async with receiver() as there:
        async with site(app_with(hook(here), hook(there, "b"))) as held:
            await lay_by(held, *range(1, 10))
            await lay_by(held, 11, webhook="b")

            progress = await replayed(held)

            assert len(await held.dead()) == 9
        assert len(there.told) == 1
    assert str(progress) == "10 of 10: 1 delivered, 3 failed, 6 not tried"
    assert progress.reasons == {"1/a": "answered 500"}
    assert len(here.told) == TROUBLES


async def test_no_such_webhook(here: Receiver) -> None:
    """A webhook that is no more takes nothing, and loses nothing."""
    async with site(app_with(hook(here))) as held:
        await lay_by(held, 1, webhook="gone")

        progress = await replayed(held)

        assert progress.reasons == {"1/gone": "app 1 has no webhook gone any more"}
        assert len(await held.dead()) == 1


async def test_interrupted(here: Receiver) -> None:
    """Of one whose answer did not come it is said that it may have been delivered."""
    here.hang()
    async with site(app_with(hook(here))) as held:
        await lay_by(held, 1, 2)
        progress = Progress(2)
        task = asyncio.create_task(replay(ALL, held.tools, progress=progress, shown=lambda _: None))
        await here.until(lambda receiver: receiver.begun == 1)
        task.cancel()
        await asyncio.wait([task])

    assert str(progress) == "0 of 2: 0 delivered, 1 may have been"


async def test_newest(here: Receiver) -> None:
    """Of very many the last ones are had, the last one first."""
    async with site(app_with(hook(here))) as held:
        await lay_by(held, *range(1, 251))

        found = await newest(held.letters, ALL, limit=2)

    assert [letter.id for letter in found] == ["msg_a250", "msg_a249"]
