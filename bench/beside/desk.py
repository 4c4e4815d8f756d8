"""Where back ends publish, and what an event costs there until all subscribers have it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.load.posts import size
from bench.workers import Crowd, Worker, cpu_seconds


@dataclass(frozen=True, slots=True)
class Audience:
    """
    Clients that are subscribed to all channels.

    Attributes:
        crowd: Their process.
        subscribers: Of each channel.
    """

    crowd: Crowd
    subscribers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """
    A deployment where back ends publish.

    Attributes:
        pids: Of the processes whose CPU time counts.
        back_ends: Who publish.
        channels: In which the events are in turn: how many.
        prefix: Begins their names.
        audience: Who receives them; None: nobody is subscribed.
        rates: Events a second of each turn so far.
    """

    pids: Sequence[int]
    back_ends: Worker
    channels: int
    prefix: str
    audience: Audience | None = None
    rates: list[float] = field(default_factory=list)

    async def publish(self, count: int, batch: int) -> float:
        """Have so many events posted, so many in a request; return the CPU seconds of one."""
        await self.back_ends.ask(f"prepare {count} {batch} {self.channels} {self.prefix}")
        before = self._spent()
        if self.audience is None:
            answer = await self.back_ends.ask("go")
        else:
            answer = await self._received(self.audience, count)
        self.rates.append(count / int(answer.removeprefix("done ")) * 1e6)
        return (self._spent() - before) / count

    async def _received(self, audience: Audience, count: int) -> str:
        """Have them posted, and wait until all subscribers have them."""
        expected = count * audience.subscribers * size(self.prefix)
        audience.crowd.tell(f"receive {expected}")
        answer = await self.back_ends.ask("go")
        await audience.crowd.received(expected)
        return answer

    def _spent(self) -> float:
        return sum(map(cpu_seconds, self.pids))
