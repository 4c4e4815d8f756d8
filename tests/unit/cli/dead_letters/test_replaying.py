"""Dead letters are chosen, and sent again."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.common.errors import Unavailable
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.records import NewRecord, Record
from services.cli.dead_letters import replaying
from services.cli.dead_letters.replaying import MOST_REASONS, Replayed, replay
from services.cli.dead_letters.selecting import DeadLetterTopic, LetterChoice
from services.dispatcher.events.dead_letters import bare, dead_letter
from tests.support.deadline import DEADLINE

EVERYTHING = LetterChoice()


def letter(number: int, topic: str = "orders", kind: str = "Unroutable") -> NewRecord:
    record = Record(topic, 0, number, 1.0, b"k", b"%d" % number, (("h", b"1"),))
    return dead_letter(record, "dead", kind=kind, reason="because")


async def log_with(*letters: NewRecord, max_record: int = 1000) -> MemoryEventLog:
    log = MemoryEventLog(batch=2, max_record=max_record)
    await log.append(letters)
    return log


async def values(log: MemoryEventLog, topic: str) -> list[bytes | None]:
    found: list[bytes | None] = []
    async with log.browse(topic) as browser:
        while records := await browser.next():
            found += [record.value for record in records]
    return found


async def replayed(log: MemoryEventLog, choice: LetterChoice = EVERYTHING) -> Replayed:
    topic = DeadLetterTopic(log, "dead")
    progress, shown = Replayed(len(await topic.ids(choice))), list[str]()
    await replay(
        topic.letters(choice), log, progress=progress, shown=lambda each: shown.append(str(each))
    )
    assert not shown or shown[-1] == str(progress)
    return progress


class TestChoice:
    """Letters are chosen by place, kind and id; those that were sent again are none."""

    async def test_chosen(self) -> None:
        log = await log_with(letter(1), letter(2, "stock"), letter(3, kind="Undecodable"))
        topic = DeadLetterTopic(log, "dead")

        assert await topic.ids(EVERYTHING) == ["0/0", "0/1", "0/2"]
        assert await topic.ids(LetterChoice(topic="stock")) == ["0/1"]
        assert await topic.ids(LetterChoice(kind="Undecodable")) == ["0/2"]
        assert await topic.ids(LetterChoice(ids=frozenset({"0/0", "0/9"}))) == ["0/0"]
        assert await topic.ids(LetterChoice(topic="stock", kind="Undecodable")) == []

    async def test_looked(self) -> None:
        """Whoever waits is told how far it is, twice through the topic."""
        told: list[tuple[int, int]] = []
        log = await log_with(*(letter(number) for number in range(3)))

        await DeadLetterTopic(log, "dead", lambda *each: told.append(each)).ids(EVERYTHING)

        assert told == [(2, 3), (3, 3), (2, 3), (3, 3)]


class TestReplay:
    """Each is sent once, in order, to where it stood."""

    async def test_once(self) -> None:
        log = await log_with(letter(1), letter(2, "stock"), letter(3))

        first, second = await replayed(log), await replayed(log)

        assert (first.sent, first.failed, second.total) == (3, 0, 0)
        assert await values(log, "orders") == [b"1", b"3"]
        assert await values(log, "stock") == [b"2"]

    async def test_some(self) -> None:
        """What was not meant stays."""
        log = await log_with(letter(1), letter(2), letter(3))
        await replayed(log, LetterChoice(ids=frozenset({"0/1"})))

        assert await values(log, "orders") == [b"2"]
        assert await DeadLetterTopic(log, "dead").ids(EVERYTHING) == ["0/0", "0/2"]

    async def test_with_replayed(self) -> None:
        log = await log_with(letter(1))
        await replayed(log)

        assert await DeadLetterTopic(log, "dead").ids(LetterChoice(with_replayed=True)) == ["0/0"]

    async def test_bare(self) -> None:
        """One whose content lies elsewhere is told, with its place, and stays."""
        log = await log_with(bare(letter(1)), letter(2))

        progress = await replayed(log)

        assert (progress.sent, progress.failed) == (1, 1)
        assert progress.reasons["0/0"].endswith("it is at orders/0, offset 1")
        assert str(progress) == "1 of 2 sent again, 1 could not be"
        assert await DeadLetterTopic(log, "dead").ids(EVERYTHING) == ["0/0"]

    async def test_too_large(self) -> None:
        """One that is too large now does not keep the others."""
        log = await log_with(letter(1), letter(1234), letter(2))
        log._max_record = 5
        notes: list[NewRecord] = []

        class Narrow:
            """Takes notes, whatever their size."""

            async def append(self, records: list[NewRecord]) -> None:
                if records[0].topic == "dead":
                    notes.extend(records)
                    return
                await log.append(records)

        progress = Replayed(3)
        letters = DeadLetterTopic(log, "dead").letters(EVERYTHING)
        await replay(letters, Narrow(), progress=progress, shown=lambda _: None)  # type: ignore[arg-type]

        assert (progress.sent, progress.failed) == (2, 1)
        assert "kafka.max_record" in progress.reasons["0/1"]
        assert len(notes) == 2

    async def test_many_reasons(self) -> None:
        """Of many that fail some are told."""
        log = await log_with(*(bare(letter(number)) for number in range(MOST_REASONS + 5)))

        progress = await replayed(log)

        assert (progress.failed, len(progress.reasons)) == (MOST_REASONS + 5, MOST_REASONS)


class SlowLog:
    """A log of which a test says when it takes what it was given."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self.asked = asyncio.Event()
        self.takes = asyncio.Event()
        self.is_away = False

    async def append(self, records: Sequence[NewRecord]) -> None:
        self.asked.set()
        await self.takes.wait()
        if self.is_away:
            raise Unavailable("events")
        await self._log.append(records)


class TestInterrupted:
    """What is told is what was sent, whatever ends it."""

    async def begun(self, log: MemoryEventLog) -> tuple[SlowLog, Replayed, asyncio.Task[None]]:
        slow, progress = SlowLog(log), Replayed(3)
        letters = DeadLetterTopic(log, "dead").letters(EVERYTHING)
        task = asyncio.create_task(
            replay(letters, slow, progress=progress, shown=lambda _: None)  # type: ignore[arg-type]
        )
        async with asyncio.timeout(DEADLINE):
            await slow.asked.wait()
        return slow, progress, task

    async def test_on_their_way(self) -> None:
        """Those that are on their way arrive, and are noted and counted; no other is begun."""
        log = await log_with(letter(1), letter(2), letter(3))
        slow, progress, task = await self.begun(log)

        task.cancel()
        await asyncio.sleep(0)
        slow.takes.set()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (progress.sent, progress.unsure) == (2, 0)
        assert await values(log, "orders") == [b"1", b"2"]
        assert await DeadLetterTopic(log, "dead").ids(EVERYTHING) == ["0/2"]

    async def test_too_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for ever: what may have arrived is told."""
        monkeypatch.setattr(replaying, "LAST", 0.0)
        _, progress, task = await self.begun(await log_with(letter(1), letter(2), letter(3)))

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert str(progress) == "0 of 3 sent again, 2 may have been"

    async def test_away(self) -> None:
        """So it is where the log goes away."""
        slow, progress, task = await self.begun(await log_with(letter(1), letter(2)))

        slow.is_away = True
        slow.takes.set()
        with pytest.raises(Unavailable):
            await task

        assert str(progress) == "0 of 3 sent again, 2 may have been"
