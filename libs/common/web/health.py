"""
How a process is: what its services use, whether that is there, and whether clients may come.

A service is ready when it has reached once what it cannot serve without: so a roll-out with a wrong
URL stops before it replaces what works.  A backend that goes away later makes nobody unready:
clients stay connected, and other processes would be in the same place.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
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
AWAY = "away: "

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
        is_own: Whether it is the deployment's.  What belongs to an app, as receivers of webhooks
            do, is told of where it is away; the process is well without it.
    """

    name: str
    check: Check
    is_needed: bool = True
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class Absence:
    """
    Something that cannot be used.

    Attributes:
        name: As `Dependency.name`.
        since: Since when, as whoever uses it says, or when it was first found so.  In UTC epoch
            seconds.
        reason: Why, when it was last asked.
        is_own: As `Dependency.is_own`.
    """

    name: str
    since: float
    reason: str
    is_own: bool


class Dependent(Protocol):
    """A service, as its health sees it."""

    name: str

    def dependencies(self) -> Iterable[Dependency]:
        """Return what it uses; the same in every round."""


class Health:
    """
    The health of one process.

    Lives while `run` runs.  What several services use with the same check is asked once, and who
    asks while an answer is awaited waits for that one.

    Args:
        services: The services of the process.
        interval: Seconds between two rounds when nobody asks.
        patience: Seconds that who asks waits for answers.
    """

    def __init__(
        self,
        services: Sequence[Dependent],
        *,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        self._uses = {service.name: tuple(service.dependencies()) for service in services}
        self._checks = {each.check for uses in self._uses.values() for each in uses}
        self._missing = {each for uses in self._uses.values() for each in uses if each.is_needed}
        self._interval = interval
        self._patience = patience
        self._tasks: asyncio.TaskGroup | None = None
        self._has_begun = asyncio.Event()
        self._asking: dict[Check, asyncio.Task[str]] = {}
        self._absences: dict[Check, Absence] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not reached yet, and is needed for being ready: names of dependencies."""
        return tuple(sorted({each.name for each in self._missing}))

    def absences(self) -> list[Absence]:
        """Tell what was away when it was last asked: each name once, in order, the longest away."""
        longest = sorted(self._absences.values(), key=lambda each: (each.name, -each.since))
        return list({each.name: each for each in longest}.values())

    async def run(self) -> None:
        """Check all again and again, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._has_begun.set()
                await self._ask_all(DEADLINE)
                if self._missing:
                    await self._become_ready()
                while True:
                    await asyncio.sleep(self._interval)
                    await self._ask_all(DEADLINE)
        finally:
            self._tasks = None

    async def _become_ready(self) -> None:
        began, backoff = _now(), Backoff(SOONEST, LATEST)
        while self._missing:
            delay = backoff.delay()
            await asyncio.sleep(delay)
            await self._ask_all(delay)
        log.info("process.ready", seconds=round(_now() - began, 3))

    async def states(self) -> dict[str, dict[str, str]]:
        """
        Check all now, and tell how each service's dependencies are.

        Returns:
            For each service, for each dependency: ``ok``, or ``away: `` and why.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._has_begun.wait()
        states = await self._ask_all(self._patience)
        return {
            name: {each.name: states[each.check] for each in uses}
            for name, uses in self._uses.items()
        }

    def is_well(self, states: Mapping[str, Mapping[str, str]]) -> bool:
        """Tell whether all that is the deployment's can be used, by what `states` told."""
        return all(
            states[name][each.name] == OK
            for name, uses in self._uses.items()
            for each in uses
            if each.is_own
        )

    async def _ask_all(self, patience: float) -> dict[Check, str]:
        """Ask all together, and wait for a while: one that hangs hides no other's answer."""
        asked = {check: self._ask(check) for check in self._checks}
        tasks = [task for task in asked.values() if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        return {check: _answer(task, patience) for check, task in asked.items()}

    def _ask(self, check: Check) -> asyncio.Task[str] | None:
        """Ask, or wait for the answer that is awaited; None: the process ends."""
        if self._tasks is None:
            return None
        asking = self._asking.get(check)
        if asking is None or asking.done():
            asking = self._asking[check] = self._tasks.create_task(self._asked(check))
        return asking

    async def _asked(self, check: Check) -> str:
        state, since = await _found(check)
        self._note(check, state, since=since)
        if state == OK:
            self._missing = {each for each in self._missing if each.check != check}
        return state

    def _note(self, check: Check, state: str, *, since: float | None) -> None:
        """Remember since when what cannot be used is away."""
        known = self._absences.pop(check, None)
        if state == OK:
            return
        if since is None:
            since = known.since if known else time.time()
        one = next(each for uses in self._uses.values() for each in uses if each.check == check)
        self._absences[check] = Absence(
            one.name, since, reason=state.removeprefix(AWAY), is_own=one.is_own
        )


def _answer(asking: asyncio.Task[str] | None, patience: float) -> str:
    if asking is None or asking.cancelled():
        return f"{AWAY}the process ends"
    return asking.result() if asking.done() else f"{AWAY}no answer within {patience:g} s"


async def state_of(check: Check) -> str:
    """Tell how a dependency is: ``ok``, or why it cannot be used."""
    state, _ = await _found(check)
    return state


async def _found(check: Check) -> tuple[str, float | None]:
    """Tell besides since when it cannot be used, where that is known (UTC epoch seconds)."""
    try:
        async with asyncio.timeout(DEADLINE):
            await check()
    except Unavailable as error:
        return f"{AWAY}{reason_of(error)}", error.since
    except TimeoutError:
        return f"{AWAY}no answer within {DEADLINE:g} s", None
    return OK, None


def _now() -> float:
    return asyncio.get_running_loop().time()
