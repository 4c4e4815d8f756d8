"""
How a process is: what its services use, whether that is there, and whether clients may come.

A service is ready when it has reached once what it cannot serve without: so a roll-out with a wrong
URL stops before it replaces what works.  A backend that goes away later makes nobody unready:
clients stay connected, and other processes would be in the same place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from libs.common.errors import Unavailable
from libs.common.outage import reason_of
from libs.common.retry import Backoff

INTERVAL = 10.0  # Seconds between two rounds when nobody asks.
DEADLINE = 6.0  # Seconds that one check may take: longer than a backend's own deadlines.
PATIENCE = 2.0  # Seconds that who asks waits for a round.
SOONEST, LATEST = 0.1, 1.0  # Seconds between two rounds before the process is ready.

OK = "ok"

Check = Callable[[], Awaitable[None]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dependency:
    """
    What a service uses.

    Attributes:
        name: As operators know it: a backend of the settings, or a part of the service.
        check: Asks whether it can be used; raises `Unavailable`, whose cause says why, if not.
        is_needed: Whether the service is not ready before it was there once.
    """

    name: str
    check: Check
    is_needed: bool = True


class Dependent(Protocol):
    """A service, as its health sees it."""

    name: str

    def dependencies(self) -> Iterable[Dependency]:
        """Return what it uses; the same in every round."""


class Health:
    """
    The health of one process.

    Lives while `run` runs.  What several services use with the same check is asked once a round.

    Args:
        services: The services of the process.
        interval: Seconds between two rounds when nobody asks.
        patience: Seconds that who asks waits for a round.
    """

    def __init__(
        self,
        services: Sequence[Dependent],
        *,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        self._uses = {service.name: tuple(service.dependencies()) for service in services}
        self._interval = interval
        self._patience = patience
        self._missing = {
            (name, each.name)
            for name, uses in self._uses.items()
            for each in uses
            if each.is_needed
        }
        self._states: dict[Check, str] = {}
        self._told: dict[Check, int] = {}  # In which round a state was told.
        self._begun = 0  # Rounds.
        self._ended = asyncio.Condition()
        self._wanted = asyncio.Event()

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not reached yet, and is needed for being ready: names of dependencies."""
        return tuple(sorted({dependency for _, dependency in self._missing}))

    async def run(self) -> None:
        """Check all again and again, until cancelled."""
        await self._round()
        if self._missing:
            await self._become_ready()
        while True:
            await self._pause(self._interval)
            await self._round()

    async def _become_ready(self) -> None:
        began, backoff = _now(), Backoff(SOONEST, LATEST)
        while self._missing:
            await self._pause(backoff.delay())
            await self._round()
        log.info("process.ready", seconds=round(_now() - began, 3))

    async def states(self) -> dict[str, dict[str, str]]:
        """
        Check all now, and tell how each service's dependencies are.

        Returns:
            For each service, for each dependency: ``ok``, or ``away: `` and why.
        """
        target = self._begun + 1
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience), self._ended:
                await self._ended.wait_for(lambda: self._has_told(target))
        return {
            name: {each.name: self._state(each.check, target) for each in uses}
            for name, uses in self._uses.items()
        }

    def _has_told(self, target: int) -> bool:
        return all(
            self._told.get(each.check, 0) >= target for uses in self._uses.values() for each in uses
        )

    def _state(self, check: Check, target: int) -> str:
        if self._told.get(check, 0) >= target:
            return self._states[check]
        known = self._states.get(check, OK)
        # What was said before the answer failed to come is a better reason, if it is one.
        return known if known != OK else f"away: no answer within {self._patience:g} s"

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    async def _round(self) -> None:
        self._wanted.clear()
        self._begun += 1
        checks = dict.fromkeys(each.check for uses in self._uses.values() for each in uses)
        async with asyncio.TaskGroup() as tasks:
            for check in checks:
                tasks.create_task(self._ask(check))
        async with self._ended:
            self._ended.notify_all()
        self._missing -= {
            (name, each.name)
            for name, uses in self._uses.items()
            for each in uses
            if self._states[each.check] == OK
        }

    async def _ask(self, check: Check) -> None:
        self._states[check] = await state_of(check)
        self._told[check] = self._begun


async def state_of(check: Check) -> str:
    """Tell how a dependency is: ``ok``, or why it cannot be used."""
    try:
        async with asyncio.timeout(DEADLINE):
            await check()
    except Unavailable as error:
        return f"away: {reason_of(error)}"
    except TimeoutError:
        return f"away: no answer within {DEADLINE:g} s"
    return OK


def _now() -> float:
    return asyncio.get_running_loop().time()
