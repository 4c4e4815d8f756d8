"""Hearing control: when all commands in force are known, on a control that may be away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from libs.common.control import hearing
from libs.common.control.commands import Command
from libs.common.control.hearing import POLL, hear
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.retry import FIRST, Backoff
from tests.support.deadline import DEADLINE

AWAY = Unavailable("control")
INFORMED = "informed"

Answer = Sequence[str] | Unavailable


def command(subject: str) -> Command:
    return Command("revoke", "1", subject, 0.0, 60.0)


class Script(Control):
    """
    Control that answers as a test says, and then says nothing for ever.

    Attributes:
        timeouts: How long each look was ready to wait.
        is_over: Set when all answers were given.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.timeouts: list[float] = []
        self.is_over = asyncio.Event()

    async def check(self) -> None:
        raise NotImplementedError

    async def send(self, command: Command, *, most: int = 0) -> None:
        raise NotImplementedError

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["Script"]:
        yield self

    async def receive(self, timeout: float) -> list[Command]:
        self.timeouts.append(timeout)
        if not self._answers:
            self.is_over.set()
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return [command(subject) for subject in answer]


async def told(control: Script) -> list[str]:
    """Hear all that is said, and return what became known in order."""
    known: list[str] = []

    async def take(commands: Sequence[Command]) -> None:
        await asyncio.sleep(0)
        known.append(" ".join(each.subject for each in commands))

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        ear = tasks.create_task(hear(control, take, informed=lambda: known.append(INFORMED)))
        await control.is_over.wait()
        ear.cancel()
    return known


class Pauses(Backoff):
    """Pauses of no length, which are written down: the bound of each."""

    taken: list[float]

    def delay(self) -> float:
        self.taken.append(self._bound)
        super().delay()
        return 0.0


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Yield the pauses that are made, which nobody waits for."""
    monkeypatch.setattr(Pauses, "taken", [], raising=False)
    monkeypatch.setattr(hearing, "Backoff", Pauses)
    return Pauses.taken


class TestInformed:
    """All commands in force are known at the first silence, and not before."""

    async def test_nothing_in_force(self) -> None:
        """Where there are none, that is known at once, and said once."""
        assert await told(Script([], [], [])) == [INFORMED]

    async def test_all_first(self) -> None:
        """What is in force comes before, batch by batch."""
        known = await told(Script(["a", "b"], ["c"], [], ["d"], []))

        assert known == ["a b", "c", INFORMED, "d"]

    async def test_away_is_no_silence(self) -> None:
        """While control is away nothing is known of what it has not said."""
        known = await told(Script(AWAY, AWAY, ["a"], AWAY, ["b"], AWAY, []))

        assert known == ["a", "b", INFORMED]

    async def test_away_afterwards(self) -> None:
        """What was known stays known, and what comes later is taken."""
        assert await told(Script([], AWAY, ["a"], AWAY, [], ["b"])) == [INFORMED, "a", "b"]


class TestWaiting:
    """There is no wait before all in force are known, and no asking without a wait after."""

    async def test_timeouts(self) -> None:
        """The looks until the first silence do not wait."""
        control = Script(["a"], AWAY, [], ["b"], AWAY, [])

        await told(control)

        assert control.timeouts == [0, 0, 0, POLL, POLL, POLL, POLL]

    async def test_pauses(self, pauses: list[float]) -> None:
        """A pause follows each failure, and they begin anew with each answer."""
        await told(Script(AWAY, AWAY, ["a"], AWAY, [], AWAY))

        assert pauses == [FIRST, 2 * FIRST, FIRST, FIRST]


class TestEnd:
    """It ends with what is not a matter of control."""

    async def test_trouble_of_the_taker(self) -> None:
        """What the taker raises ends it."""
        control = Script(["a"], [])

        async def take(_: Sequence[Command]) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            await hear(control, take, informed=lambda: None)
