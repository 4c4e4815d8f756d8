"""Dead letters of the pipeline, on memory."""

import asyncio
from collections import Counter

from libs.common.bus import MemoryBus
from libs.common.eventlog import MemoryEventLog
from libs.common.records import NewRecord, Record
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.routing import Router
from services.dispatcher.settings import DispatcherSettings, Route

LIMIT = 2000  # Bytes of a record.
SETTINGS = DispatcherSettings()
ROUTE = Route(name="all", topic="upstream", channels=("news",), event="told")


async def _letters(log: MemoryEventLog, count: int) -> list[Record]:
    """Run a pipeline until there are so many dead letters, and return them."""
    router = Router([ROUTE], topics={"1": "posted"}, settings=SETTINGS)
    pipeline = Pipeline(SETTINGS, router, events=log, bus=MemoryBus(), counts=Counter())
    letters: list[Record] = []
    async with (
        asyncio.timeout(10),
        asyncio.TaskGroup() as tasks,
        log.consume([SETTINGS.dead_letter_topic], group="reader") as reader,
    ):
        running = tasks.create_task(pipeline.run())
        while len(letters) < count:
            letters += await reader.fetch(1)
        running.cancel()
    return letters


class TestTooLarge:
    """A record that has room for nothing more."""

    async def test_only_where_it_lies(self) -> None:
        """
        Its letter says why and where it lies, and leaves its content behind; others keep theirs.
        """
        log = MemoryEventLog(max_record=LIMIT)
        await log.append(
            [
                NewRecord("upstream", b"x", b"small"),
                NewRecord("upstream", b"x" * (LIMIT - 10), b"large", (("h", b"1"),)),
                NewRecord("upstream", b"y", b"last"),
            ]
        )

        letters = await _letters(log, 3)

        assert [(letter.key, letter.value) for letter in letters] == [
            (b"small", b"x"),
            (None, None),
            (b"last", b"y"),
        ]
        headers = dict(letters[1].headers)
        assert headers.pop("fanfare-dlq-error").startswith(b"undecodable event")
        assert float(headers.pop("fanfare-dlq-timestamp")) > 0
        assert headers == {
            "fanfare-dlq-topic": b"upstream",
            "fanfare-dlq-partition": b"0",
            "fanfare-dlq-offset": b"1",
            "fanfare-dlq-reason": b"Undecodable",
        }
