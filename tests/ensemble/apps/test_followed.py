"""What an operator does to apps on the command line while services run: all of them follow."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from libs.common.apps.app import App
from tests.support.clients import pusher
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.operators import Operator, secret_of
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program
from tests.support.ports.apps import operated
from tests.support.ports.eventlogs import create
from tests.support.servers.process import eventually


@pytest.fixture
async def fleet(tmp_path: Path, redis_url: str, kafka_url: str, database_url: str) -> Fleet:
    """Return a deployment with its topic and its tables, and no app."""
    fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka_url, postgres=database_url)
    await create(kafka_url, fleet.topic)
    await migrate(fleet.write_settings(), fleet.environ)
    return fleet


@dataclass(frozen=True, slots=True)
class Tenant:
    """
    An app that was added while services run.

    Attributes:
        app: As it was added.
        operator: Who added it.
        gateway: Where its clients come.
        dispatcher: Where its back ends come.
        visitor: Makes a client of it.
        back: A back end of it.
    """

    app: App
    operator: Operator
    gateway: Program
    dispatcher: Program
    visitor: Callable[[], Visitor]
    back: BackEnd

    async def publish(self) -> int:
        """Publish an event, and return the status."""
        return await self.publish_by(self.back)

    async def publish_by(self, back: BackEnd) -> int:
        """Let another back end do so."""
        return (await back.publish(self.dispatcher.url, "news", 1)).status

    async def connect(self) -> int:
        """Let another client come, and return the code with which it was sent away, else 200."""
        guest = self.visitor()
        await guest.connect(self.gateway.url)
        return guest.closed_with or 200

    def hides(self, app: App) -> bool:
        """Tell whether no log has an app's secret."""
        logs = (process.log.read_text() for process in (self.gateway, self.dispatcher))
        return not any(app.secrets[0].reveal() in log for log in logs)


@asynccontextmanager
async def added(fleet: Fleet) -> AsyncIterator[Tenant]:
    """Run a gateway and a dispatcher, and add an app that both come to know."""
    operator = Operator(fleet.write_settings(), fleet.environ)
    async with fleet.running("gateway") as gateway, fleet.running("dispatcher") as dispatcher:
        outcome = await operator.done("add", "--id", "1", "--key", "app-key")
        app = App(id="1", key="app-key", secrets=(secret_of(outcome),))
        async with visitors(app) as visitor, back_end(app) as back:
            tenant = Tenant(app, operator, gateway, dispatcher, visitor, back)
            await becomes(tenant.publish, 200)
            await becomes(tenant.connect, 200)
            yield tenant


async def becomes(ask: Callable[[], Awaitable[int]], status: int) -> None:
    """Wait until a question is answered with a status."""

    async def is_so() -> bool:
        return await ask() == status

    await eventually(is_so, timeout=DEADLINE)


class TestFollowed:
    """Running services follow every change, without a restart."""

    async def test_switched(self, fleet: Fleet) -> None:
        """
        Clients and back ends of an app that is added meet its being switched off and on, silent clients too.
        """
        async with added(fleet) as tenant:
            ann = tenant.visitor()
            await ann.connect(tenant.gateway.url)
            await ann.join("private-room")

            await tenant.operator.done("disable", "1")
            await becomes(tenant.publish, 403)
            await becomes(tenant.connect, 4003)
            assert await ann.until_closed() == 4003

            await tenant.operator.done("enable", "1")
            await becomes(tenant.publish, 200)
            await becomes(tenant.connect, 200)

        assert tenant.hides(tenant.app)

    async def test_rotated(self, fleet: Fleet) -> None:
        """
        While an app's secret is rotated both count, for clients that stay connected too; at its end the new one.
        """
        async with added(fleet) as tenant:
            ann = tenant.visitor()
            await ann.connect(tenant.gateway.url)
            outcome = await tenant.operator.done("rotate", "1")
            renewed = structs.replace(tenant.app, secrets=(secret_of(outcome),))
            async with back_end(renewed) as back:
                publish_anew = partial(tenant.publish_by, back)
                await becomes(publish_anew, 200)
                assert await tenant.publish() == 200
                await until_believed(ann, renewed)
                await ann.join("private-room")

                await tenant.operator.done("rotate", "1", "--use")
                await tenant.operator.done("rotate", "1", "--finish")
                await becomes(tenant.publish, 401)
                assert await publish_anew() == 200
                await until_refused(ann, tenant.app)
                await until_believed(ann, renewed)

        assert tenant.hides(tenant.app)
        assert tenant.hides(renewed)

    async def test_a_mistake_leaves_clients_alone(self, tmp_path: Path, database_url: str) -> None:
        """
        An app whose row has a mistake goes on as it was, and `apps list` says what is wrong until `apps set` mends it.
        """
        fleet = Fleet(tmp_path, postgres=database_url)
        await fleet.found()
        operator = Operator(fleet.write_settings(), fleet.environ)
        added = await operator.done("add", "--id", "2", "--key", "other")
        other = App(id="2", key="other", secrets=(secret_of(added),))
        async with (
            fleet.running() as process,
            visitors(APP) as visitor,
            visitors(other) as others,
            back_end(APP) as back,
            operated(database_url) as database,
        ):
            ann, bob = visitor(), others()
            await ann.connect(process.url)
            await ann.join("news")
            await bob.connect(process.url)
            await database.execute(
                """UPDATE fanfare_apps SET limits = '{"conections": 5}' WHERE id = '1'"""
            )
            await operator.done("disable", "2")
            assert await bob.until_closed() == 4003

            published = await back.publish(process.url, "news", {"n": 1})
            await ann.until_heard("news", {"n": 1})
            cat = visitor()
            await cat.connect(process.url)

            assert (published.status, ann.is_open, cat.is_open) == (200, True, True)
            (line,) = said(process, "app.kept")
            assert (line["app"], "conections" in line["reason"]) == ("1", True)
            assert "conections" in (await operator.done("list")).output
            await operator.done("set", "1", "--limit", "conections=", "--limit", "connections=5")
            assert "FAULT" not in (await operator.done("list")).output


async def until_believed(visitor: Visitor, app: App) -> None:
    """Ask for channels with tokens of an app's secret until one is believed."""
    await _asked(visitor, app, "pusher_internal:subscription_succeeded")


async def until_refused(visitor: Visitor, app: App) -> None:
    """Ask for channels with tokens of an app's secret until one is refused."""
    await _asked(visitor, app, "pusher:subscription_error")


async def _asked(visitor: Visitor, app: App, answer: str) -> None:
    async def is_so() -> bool:
        channel = f"private-{len(visitor.frames)}"
        await visitor.say(pusher.subscribe_private(app, visitor.socket_id, channel))

        def answers() -> list[str]:
            return [each["event"] for each in visitor.frames if each.get("channel") == channel]

        await visitor.until(lambda: bool(answers()))
        return answers() == [answer]

    await eventually(is_so, timeout=DEADLINE)
