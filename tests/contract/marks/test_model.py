"""Marks of two processes agree with a plain dictionary, whatever is told in whatever batches."""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading, TooManyMarks
from libs.common.postgres.migrate import migrate
from tests.support.ports.marks import opened_marks
from tests.support.ports.sightings import MEMORY

STEPS = settings(max_examples=25, stateful_step_count=20)
READERS = 3  # Of one channel.
USERS = ("ann", "Bob", "Zoë", "\N{GRINNING FACE}", "1")
ROOMS = ("private-a", "private-b")

_Result = TypeVar("_Result")

which = st.integers(0, 1)
told = st.tuples(
    st.sampled_from(ROOMS),
    st.sampled_from(USERS),
    st.builds(Mark, st.integers(0, 9), st.sampled_from(["", "e", "f"])),
)


class MarksAndTruth(RuleBasedStateMachine):
    """Marks beside the truth; the app is of this run alone."""

    url = MEMORY

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.app = secrets.token_hex(4)
        self.truth: dict[tuple[str, str], Mark] = {}
        self.marks = self.done(
            self.stack.enter_async_context(opened_marks(self.url, readers=READERS))
        )

    def done(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.done(self.stack.aclose())
        self.runner.close()

    @rule(process=which, batch=st.lists(told, max_size=6))
    def move(self, process: int, batch: list[tuple[str, str, Mark]]) -> None:
        """Tell marks: each moves as if it were alone, in order."""
        readings = [Reading(Channel(self.app, room), user, mark) for room, user, mark in batch]

        answers = self.done(self.marks[process].move(readings))

        for room, user, mark in batch:
            self._move(room, user, mark)
        for (room, user, _), answer in zip(batch, answers, strict=True):
            stands = self.truth.get((room, user))
            assert isinstance(answer, TooManyMarks) if stands is None else answer == stands

    def _move(self, room: str, user: str, mark: Mark) -> None:
        stands = self.truth.get((room, user))
        if stands is None and sum(name == room for name, _ in self.truth) == READERS:
            return
        if stands is not None and stands.epoch == mark.epoch and stands.number > mark.number:
            return
        self.truth[room, user] = mark

    @rule(process=which, user=st.sampled_from(USERS))
    def erase(self, process: int, user: str) -> None:
        mine = {reader for reader in self.truth if reader[1] == user}

        assert self.done(self.marks[process].erase(self.app, user)) == len(mine)

        for reader in mine:
            del self.truth[reader]

    @rule(process=which)
    def forget(self, process: int) -> None:
        """Nothing of this run is old."""
        self.done(self.marks[process].forget(moved_before=time.time() - 3600.0, limit=9))

    @invariant()
    def agree(self) -> None:
        for room in ROOMS:
            kept = self.done(self.marks[0].page(Channel(self.app, room), after="", limit=9))
            users = sorted((user for name, user in self.truth if name == room), key=str.encode)
            assert kept == [(user, self.truth[room, user]) for user in users]

    @rule(user=st.sampled_from(USERS), room=st.sampled_from(ROOMS))
    def ask(self, user: str, room: str) -> None:
        mark = self.done(self.marks[1].mark(Channel(self.app, room), user))
        read = self.done(self.marks[1].read_by(self.app, user, limit=9))

        assert mark == self.truth.get((room, user))
        assert read == [
            Reading(Channel(self.app, name), user, self.truth[name, user])
            for name in ROOMS
            if (name, user) in self.truth
        ]


class TestMarks:
    """The same model on both."""

    def test_memory(self) -> None:
        """In memory."""
        run_state_machine_as_test(MarksAndTruth, settings=STEPS)

    def test_postgres(self, database_url: str) -> None:
        """On PostgreSQL."""
        asyncio.run(migrate(Url(database_url)))
        on_postgres = type("OnPostgres", (MarksAndTruth,), {"url": database_url})
        run_state_machine_as_test(on_postgres, settings=STEPS)
