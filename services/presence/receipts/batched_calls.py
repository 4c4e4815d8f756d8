"""
Batched calls: what many ask for at the same time is done in one go.

While one batch is under way, the next one gathers; so that who asks alone waits for nobody, and
more are done at once the more there are.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from libs.common.errors import Unavailable

A = TypeVar("A")
R = TypeVar("R")


class TooManyWaiting(Unavailable):
    """So much waits for a batch that what is asked now would wait for too long."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(name)
        self.args = (f"more than {most} {name} wait to be stored",)


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[A, R]):
    asked: Sequence[A]
    answer: asyncio.Future[Sequence[R]]

    def done(self, answers: Sequence[R]) -> None:
        if not self.answer.done():
            self.answer.set_result(answers)

    def failed(self, error: Unavailable) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # Who asked may be gone.


class BatchedCalls(Generic[A, R]):
    """
    Gathers what is asked.  Lives while `run` runs.

    Args:
        work: Answers several at once, one for each, in order; may raise Unavailable.
        name: What is stored, for `Unavailable` where none of the backends is to blame.
        at_once: The most of one batch, and so of one call.
        most_waiting: The most that wait.
    """

    def __init__(
        self,
        work: Callable[[Sequence[A]], Awaitable[Sequence[R]]],
        name: str,
        *,
        at_once: int,
        most_waiting: int,
    ) -> None:
        self._work = work
        self._name = name
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting[A, R]] = deque()
        self._number = 0  # Of what is asked by those who wait.
        self._wake = asyncio.Event()
        self._is_over = False

    async def ask(self, asked: Sequence[A]) -> Sequence[R]:
        """
        Ask, and wait until it is done.

        Raises:
            TooManyWaiting: No more may wait; it may be asked again.
            Unavailable: That of the work; or the process ends.
        """
        if self._is_over:
            raise Unavailable(self._name)
        if self._number + len(asked) > self._most_waiting:
            raise TooManyWaiting(self._name, self._most_waiting)
        one = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._number += len(asked)
        self._wake.set()
        return await one.answer

    async def run(self) -> None:
        """Do what is asked, until cancelled."""
        batch: Sequence[_Waiting[A, R]] = ()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    batch = self._next()
                    await self._do(batch)
        finally:
            self._is_over = True
            for one in (*batch, *self._waiting):
                one.failed(Unavailable(self._name))

    def _next(self) -> Sequence[_Waiting[A, R]]:
        batch = [self._waiting.popleft()]
        number = len(batch[0].asked)
        while self._waiting and number + len(self._waiting[0].asked) <= self._at_once:
            batch.append(self._waiting.popleft())
            number += len(batch[-1].asked)
        self._number -= number
        return batch

    async def _do(self, batch: Sequence[_Waiting[A, R]]) -> None:
        try:
            answers = await self._work([each for one in batch for each in one.asked])
        except Unavailable as error:
            for one in batch:
                one.failed(_alike(error))
            return
        start = 0
        for one in batch:
            end = start + len(one.asked)
            one.done(answers[start:end])
            start = end


def _alike(error: Unavailable) -> Unavailable:
    """Make another such error: each that is raised goes its own way."""
    made = Unavailable(error.backend)
    made.__cause__ = error
    return made
