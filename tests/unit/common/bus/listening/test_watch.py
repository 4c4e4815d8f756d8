"""Whether a quiet connection is found to be deaf."""

import asyncio

import pytest

from libs.common.bus.listening.watch import Deaf, HearingWatch

OFTEN = 0.001


class Ear:
    """Counts what it hears: of its own probes as many as it is told, then none."""

    def __init__(self, *, hears: int, publishes: int = 1_000_000) -> None:
        self.heard = 0
        self.probes = 0
        self._hears = hears
        self._publishes = publishes

    async def probe(self) -> bool:
        self.probes += 1
        if self.probes <= self._hears:
            self.heard += 1
        return self.probes <= self._publishes

    def count(self) -> int:
        return self.heard


async def test_deaf() -> None:
    """A probe that was published and is not heard shows it; those before it were."""
    ear = Ear(hears=3)

    with pytest.raises(Deaf, match="its own probe did not arrive"):
        await HearingWatch(OFTEN).run(ear.probe, ear.count)

    assert ear.probes == 4


async def test_patience() -> None:
    """Each time that it did not help to connect anew, the next connection is given twice as long."""
    watch = HearingWatch(OFTEN)

    for factor in (1, 2, 4, 8, 10, 10):
        with pytest.raises(Deaf, match=f"within {OFTEN * factor:g} s"):
            await watch.run((ear := Ear(hears=0)).probe, ear.count)
    with pytest.raises(Deaf, match=f"within {OFTEN:g} s"):
        await watch.run((ear := Ear(hears=1)).probe, ear.count)


async def test_nothing_published() -> None:
    """That nothing can be published says nothing of what is heard."""
    ear = Ear(hears=0, publishes=0)
    watching = asyncio.create_task(HearingWatch(OFTEN).run(ear.probe, ear.count))

    while ear.probes < 5:
        await asyncio.sleep(OFTEN)

    assert not watching.done()
    watching.cancel()
    await asyncio.wait([watching])
