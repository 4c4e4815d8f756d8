"""Whether a connection that is quiet still hears."""

import asyncio
from collections.abc import Awaitable, Callable

MOST_PATIENT = 10  # Probe intervals that it waits at most, when connecting anew did not help.


class Deaf(Exception):
    """A probe was published and did not arrive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"its own probe did not arrive within {seconds:g} s")


class HearingWatch:
    """
    Probes a connection after silence, and outlives it: the next one is judged with more patience.

    Args:
        interval: Seconds of silence after which it probes, and then waits for the probe.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._deaf_times = 0

    async def run(self, probe: Callable[[], Awaitable[bool]], heard: Callable[[], int]) -> None:
        """
        Watch until cancelled.

        Args:
            probe: Publishes something that will be heard, and tells whether it could: that nothing
                can be published says nothing about what is heard.
            heard: Tells how many messages were heard until now.

        Raises:
            Deaf: A probe was published and did not arrive.
        """
        while True:
            interval = self._interval * min(2**self._deaf_times, MOST_PATIENT)
            before = heard()
            await asyncio.sleep(interval)
            if heard() == before and await probe():
                await asyncio.sleep(interval)
                if heard() == before:
                    self._deaf_times += 1
                    raise Deaf(interval)
            if heard() > before:
                self._deaf_times = 0
