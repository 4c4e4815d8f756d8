"""Rules that are read again: every service is told, or nothing changes."""

from collections.abc import Iterable

import msgspec
import pytest
from aiohttp import web

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.apps.postgres import PostgresApps
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Misconfigured
from libs.common.policies.selections import ReceiptRule, TypingRule
from libs.common.policies.settings import ChannelPolicy
from libs.common.postgres.settings import PostgresSettings
from libs.common.telemetry.metrics.families import Metric
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.settings import TokenSettings
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.health import Dependency
from services.dispatcher.settings import Route
from services.reload import Rules, adopt
from services.settings import Settings

ONE = App(id="1", key="one", secrets=(Secret("s"),))
TWO = App(id="2", key="two", secrets=(Secret("s"),))
POLICY = ChannelPolicy(pattern="private-{name}", allow="true", app="2")
BROKEN = ChannelPolicy(pattern="private-{name", allow="true", app="2")


class Told:
    """A service that writes down which rules it is given."""

    name = "told"

    def __init__(self) -> None:
        self.rules: list[Rules] = []

    def ways(self) -> Ways:
        return NO_WAYS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return []

    def dependencies(self) -> Iterable[Dependency]:
        return []

    async def run(self) -> None:
        raise NotImplementedError

    async def drain(self) -> None:
        raise NotImplementedError

    def metrics(self) -> Iterable[Metric]:
        return []

    def adopt(self, rules: Rules, /) -> None:
        self.rules.append(rules)


class ApartApps(PostgresApps):
    """Apps of a database that was read, or not, and is asked no more."""

    def __init__(self, *apps: App, is_read: bool = True) -> None:
        super().__init__(Url("postgresql://nowhere.example/fanfare"), PostgresSettings())
        self._apps = MemoryApps(apps) if is_read else None


def route(app: str) -> Route:
    return Route(name="told", app=app, topic="told", channels=("news",), event="told")


def settings(
    *apps: App, policy: ChannelPolicy = POLICY, routes: Iterable[Route] = (), **others: object
) -> Settings:
    """Make settings as if they had been read again."""
    return msgspec.structs.replace(
        Settings(), apps=apps, channels=(policy,), routes=tuple(routes), **others
    )


def take(read: Settings, apps: Apps, *services: Told) -> None:
    """Adopt settings, with a ring that they leave as it is."""
    adopt(read, services, apps=apps, ring=KeyRing(TokenSettings()))


class TestAdopted:
    """Everything changes at once."""

    def test_every_service_is_told(self) -> None:
        """All get the same rules, whatever concerns them."""
        first, second = Told(), Told()
        routes = [route("2")]

        take(settings(TWO, routes=routes), MemoryApps([ONE]), first, second)

        (rules,) = first.rules
        assert second.rules == [rules]
        assert tuple(rules.routes) == tuple(routes)

    def test_selections(self) -> None:
        """Channels in which typing and reading are kept are selected by the new rules."""
        service = Told()
        typing = (TypingRule(pattern="private-a", app="2"),)
        receipts = (ReceiptRule(pattern="private-b", app="2"),)

        take(settings(TWO, typing=typing, receipts=receipts), MemoryApps([ONE]), service)

        (rules,) = service.rules
        assert rules.typing.rule(Channel("2", "private-a")) == typing[0]
        assert rules.receipts.rule(Channel("2", "private-b")) == receipts[0]
        assert rules.typing.rule(Channel("2", "private-b")) is None

    def test_apps_of_the_file(self) -> None:
        """Apps that follow the file become those that it names."""
        apps = MemoryApps([ONE])

        take(settings(TWO, routes=[route("2")]), apps)

        assert apps.all() == (TWO,)

    @pytest.mark.parametrize("is_read", [False, True])
    def test_apps_elsewhere(self, *, is_read: bool) -> None:
        """Others stay; a route may name one that is not there yet, or not known yet."""
        apps, service = ApartApps(ONE, is_read=is_read), Told()

        take(settings(routes=[route("2")]), apps, service)

        assert len(service.rules) == 1
        if is_read:
            assert apps.all() == (ONE,)


class TestRefused:
    """If one rule cannot work, nothing changes."""

    @pytest.mark.parametrize(
        "read",
        [
            settings(TWO, policy=BROKEN),
            settings(TWO, routes=[route("1")]),
            settings(TWO, TWO),
            settings(TWO, receipts=(ReceiptRule(pattern="private-{b", app="2"),)),
        ],
        ids=["policy", "route of an app that is gone", "two apps alike", "selection"],
    )
    def test_nothing_changes(self, read: Settings) -> None:
        """Neither apps nor services have heard of it."""
        apps, service = MemoryApps([ONE]), Told()

        with pytest.raises(Misconfigured):
            take(read, apps, service)

        assert apps.all() == (ONE,)
        assert service.rules == []
