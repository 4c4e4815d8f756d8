"""The dispatcher, while apps come and go."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.bus.memory import MemoryBus
from libs.common.channels import Channel
from libs.common.config.secret import Secret
from libs.common.control.memory import MemoryControl
from libs.common.errors import Unavailable
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.records import NewRecord
from libs.common.leases.memory import MemoryLeases
from libs.common.rates.memory import MemoryRates
from libs.common.roster.memory import MemoryRoster
from libs.common.tally.memory import MemoryTally
from libs.common.typists.memory import MemoryTypists
from services.dispatcher.routing.rules import BadRoute
from services.dispatcher.service import Dispatcher, compiled
from services.dispatcher.settings import DispatcherSettings, Route
from tests.support.deadline import DEADLINE

ONE = App(id="1", key="one", secrets=(Secret("s"),))
TWO = App(id="2", key="two", secrets=(Secret("s"),), topic="second")
SETTINGS = DispatcherSettings()


def route(app: str) -> Route:
    return Route(name=f"of {app}", app=app, channels=("news",), event="told")


class ComingApps:
    """Apps of a database, as an adapter keeps them."""

    follow_file = False

    def __init__(self, *apps: App) -> None:
        self.apps = apps

    async def check(self) -> None:
        """See `Apps.check`."""

    def adopt(self, apps: Iterable[App]) -> None:
        raise NotImplementedError

    def by_key(self, key: str) -> App:
        return next(app for app in self.apps if app.key == key)

    def by_id(self, app_id: str) -> App:
        return next(app for app in self.apps if app.id == app_id)

    def all(self) -> tuple[App, ...]:
        return self.apps

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield


class UnknownApps(ComingApps):
    """Apps of a database that never answered."""

    def all(self) -> tuple[App, ...]:
        raise Unavailable("apps")


class TestCompiled:
    """Routes of apps that are there, and of others."""

    def test_of_a_file(self) -> None:
        """
        A route of the file names an app of the file.
        """
        with pytest.raises(BadRoute, match="there is no app '2'"):
            compiled([route("1"), route("2")], MemoryApps([ONE]), SETTINGS)

    def test_of_a_database(self) -> None:
        """
        Where apps come and go, a route waits for its app.
        """
        apps: Apps = ComingApps(ONE)

        assert compiled([route("1"), route("2")], apps, SETTINGS).topics == {"fanfare.events.1"}

    def test_what_never_works(self) -> None:
        """
        A route that cannot work is refused, whether its app is there or not.
        """
        broken = Route(name="broken", app="2", channels=("a b",), event="told")

        with pytest.raises(BadRoute):
            compiled([broken], ComingApps(ONE), SETTINGS)

    def test_what_never_works_of_apps_unknown(self) -> None:
        """
        It is refused while the database is away, too: a start then says the same as one with it.
        """
        broken = Route(name="broken", app="2", channels=("news",), event="{timestamp(time)}")

        with pytest.raises(BadRoute, match="it fails on any event"):
            compiled([broken], UnknownApps(), SETTINGS)


async def test_an_app_that_comes() -> None:
    """
    An app that comes while the dispatcher runs has its routes soon, and one that changes its topic too.

    Of routes whose app is not there the log tells once, and not at each change of another.
    """
    apps, bus, events = ComingApps(ONE), MemoryBus(), MemoryEventLog()
    leases = MemoryLeases()
    dispatcher = Dispatcher(
        SETTINGS,
        apps,
        routes=[route("2"), route("3")],
        bus=bus,
        events=events,
        control=MemoryControl(),
        roster=MemoryRoster(bus.announce, leases),
        tally=MemoryTally(bus.announce, leases),
        typists=MemoryTypists(bus.announce, leases, lambda _: 0),
        rates=MemoryRates(),
    )
    news = Channel("2", "news")
    body = json.dumps({"type": "t"}).encode()
    with capture_logs() as logs:
        async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(dispatcher.run())
            for number, topic in enumerate(["second", "third"], start=1):
                apps.apps = (ONE, App(id="2", key="two", secrets=TWO.secrets, topic=topic))
                await events.append([NewRecord(topic, body)])
                while (await bus.tops([news]))[news].offset < number:
                    await asyncio.sleep(0.02)
            running.cancel()

    assert (await bus.tops([news]))[news].offset == 2
    assert [line["apps"] for line in logs if line["event"] == "routes.skipped"] == [["3"]]
