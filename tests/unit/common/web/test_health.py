"""What a process says of what its services use, and when it is ready."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.web.health import Dependency, Health, state_of
from tests.support.deadline import DEADLINE


class Backend:
    """
    A backend of which a test decides how it is.

    Attributes:
        reason: Why it is away; empty: it is there.
        since: Since when it says that it is, in UTC epoch seconds.
        answering: Cleared to have it say nothing.
        asked: How often it was.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.since: float | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked = 0

    async def check(self) -> None:
        """See `Dependency.check`."""
        self.asked += 1
        await self.answering.wait()
        if self.reason:
            error = Unavailable("bus")
            error.since = self.since
            raise error from OSError(self.reason)


class Serving:
    """A service that uses some backends."""

    def __init__(self, name: str, *dependencies: Dependency) -> None:
        self.name = name
        self._dependencies = dependencies

    def dependencies(self) -> Iterable[Dependency]:
        """See `Dependent.dependencies`."""
        return self._dependencies


@asynccontextmanager
async def living(*services: Serving, patience: float = DEADLINE) -> AsyncIterator[Health]:
    """Yield the health of a process, which nobody asks by itself."""
    health = Health(services, interval=DEADLINE, patience=patience)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(health.run())
        yield health
        task.cancel()


async def became_ready(health: Health) -> None:
    """Wait until nothing is missing."""
    async with asyncio.timeout(DEADLINE):
        while health.missing:
            await asyncio.sleep(0)


class TestStates:
    """Whoever asks learns how things are now."""

    async def test_told(self) -> None:
        """Each dependency of each service is told, with the reason."""
        bus, events = Backend(), Backend("Connection refused")
        gateway = Serving("gateway", Dependency("bus", bus.check))
        dispatcher = Serving(
            "dispatcher",
            Dependency("bus", bus.check),
            Dependency("events", events.check, is_needed=False),
        )
        async with living(gateway, dispatcher) as health:
            states = await health.states()

        assert states == {
            "gateway": {"bus": "ok"},
            "dispatcher": {"bus": "ok", "events": "away: Connection refused"},
        }

    async def test_now(self) -> None:
        """What changed since the last round is told."""
        bus = Backend()
        async with living(Serving("gateway", Dependency("bus", bus.check))) as health:
            before = await health.states()
            bus.reason = "killed"
            after = await health.states()

        assert before == {"gateway": {"bus": "ok"}}
        assert after == {"gateway": {"bus": "away: killed"}}

    async def test_asked_once(self) -> None:
        """What several services use, and several people ask at once, is asked once."""
        bus = Backend()
        services = [Serving(name, Dependency("bus", bus.check)) for name in ("a", "b", "c")]
        async with living(*services) as health:
            await health.states()
            before = bus.asked
            await asyncio.gather(*(health.states() for _ in range(10)))

        assert bus.asked == before + 1

    async def test_silent(self) -> None:
        """One that does not answer keeps nobody waiting, and hides nothing of the others, at any time."""
        silent, away, there = Backend(), Backend("gone"), Backend()
        silent.answering.clear()
        uses = (
            Dependency("bus", silent.check),
            Dependency("roster", away.check),
            Dependency("apps", there.check),
        )
        async with living(Serving("gateway", *uses), patience=0.05) as health:
            told = [await health.states() for _ in range(5)]
            silent.answering.set()
            after = await health.states()

        for states in told:
            assert states["gateway"] == {
                "bus": "away: no answer within 0.05 s",
                "roster": "away: gone",
                "apps": "ok",
            }
        assert after["gateway"]["bus"] == "ok"

    async def test_ends(self) -> None:
        """Who asks a process that ends gets an answer."""
        async with living(Serving("gateway", Dependency("bus", Backend().check))) as health:
            await health.states()

        assert await health.states() == {"gateway": {"bus": "away: the process ends"}}

    async def test_absences(self) -> None:
        """What is away is remembered, each name once, since it was first found so."""
        bus, other, roster = Backend("gone"), Backend("gone, too"), Backend()
        gateway = Serving(
            "gateway", Dependency("roster", roster.check), Dependency("bus", bus.check)
        )
        dispatcher = Serving("dispatcher", Dependency("bus", other.check))
        before = time.time()
        async with living(gateway, dispatcher) as health:
            await health.states()
            first = health.absences()
            bus.reason = other.reason = "still gone"
            await health.states()
            later = health.absences()
            bus.reason = other.reason = ""
            await health.states()
            after = health.absences()

        ((name, since),) = [(each.name, each.since) for each in first]
        assert name == "bus"
        assert before <= since <= time.time()
        assert [(each.since, each.reason) for each in later] == [(since, "still gone")]
        assert after == []

    async def test_since_when(self) -> None:
        """Who knows since when it is away is believed; it may have been back and away again."""
        bus = Backend("gone")
        bus.since = 1000.0
        async with living(Serving("gateway", Dependency("bus", bus.check))) as health:
            await health.states()
            first = health.absences()
            bus.since = 2000.0
            await health.states()
            second = health.absences()

        assert [each.since for each in (*first, *second)] == [1000.0, 2000.0]

    async def test_of_others(self) -> None:
        """That something of an app's is away is told, and all is well with the process."""
        hooks, roster = Backend("answered 500"), Backend()
        presence = Serving(
            "presence",
            Dependency("roster", roster.check),
            Dependency("webhooks", hooks.check, is_needed=False, is_own=False),
        )
        async with living(presence) as health:
            told = await health.states()
            well = health.is_well(told)
            ((name, is_own),) = [(each.name, each.is_own) for each in health.absences()]
            roster.reason = "gone"
            later = health.is_well(await health.states())

        assert told["presence"]["webhooks"] == "away: answered 500"
        assert (well, later) == (True, False)
        assert (name, is_own) == ("webhooks", False)

    async def test_state_of(self) -> None:
        backend = Backend("gone")
        assert await state_of(backend.check) == "away: gone"
        backend.reason = ""
        assert await state_of(backend.check) == "ok"


class TestReady:
    """Ready is who has reached once what it needs."""

    async def test_at_once(self) -> None:
        """Where all is there nothing is logged: `process.started` said it."""
        with capture_logs() as logs:
            async with living(Serving("gateway", Dependency("bus", Backend().check))) as health:
                await became_ready(health)

        assert logs == []

    async def test_becomes_ready(self) -> None:
        """It becomes so by itself when what was away is there, and says so."""
        bus, events = Backend("refused"), Backend("refused")
        uses = Dependency("bus", bus.check), Dependency("events", events.check, is_needed=False)
        with capture_logs() as logs:
            async with living(Serving("dispatcher", *uses)) as health:
                await health.states()
                missing = health.missing
                bus.reason = ""
                await became_ready(health)
                async with asyncio.timeout(DEADLINE):
                    while not logs:
                        await asyncio.sleep(0)

        assert missing == ("bus",)
        assert [line["event"] for line in logs] == ["process.ready"]

    async def test_one_after_the_other(self) -> None:
        """What was there once counts, though it is away when the last one comes."""
        bus, apps = Backend(), Backend("refused")
        uses = Dependency("bus", bus.check), Dependency("apps", apps.check)
        async with living(Serving("dispatcher", *uses)) as health:
            await health.states()
            bus.reason, apps.reason = "killed", ""

            await became_ready(health)

    async def test_stays_ready(self) -> None:
        """A backend that goes away later makes nobody unready."""
        bus = Backend()
        async with living(Serving("gateway", Dependency("bus", bus.check))) as health:
            await became_ready(health)
            bus.reason = "killed"
            states = await health.states()

            assert states == {"gateway": {"bus": "away: killed"}}
            assert health.missing == ()

    async def test_our_own_fault(self) -> None:
        """What is no backend's trouble ends the process, as it does everywhere."""

        async def check() -> None:
            raise ValueError("ours")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(Health([Serving("gateway", Dependency("bus", check))]).run())

        assert caught.group_contains(ValueError, match="ours")
