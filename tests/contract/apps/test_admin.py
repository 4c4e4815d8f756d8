"""The register of apps, on a real PostgreSQL: what it writes, the services read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from libs.common.apps import rotation
from libs.common.apps.admin import AppAdmin, Line, NoSuchApp, Taken, Unfit
from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.rotation import NotInUse, Secrets
from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from libs.common.postgres.connection import PostgresConnection, reason
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.contract.apps.test_apps import FULL
from tests.support.ports.apps import keep, operated, seen, tenants
from tests.support.servers.ports import free_port

UNKNOWN = "limits: Object contains unknown field `x`"
OLD, NEW = Secret("old"), Secret("new")


def plain(app_id: str, **fields: Any) -> App:
    return App(**({"id": app_id, "key": f"key-{app_id}", "secrets": (OLD,)} | fields))


def adding(text: str) -> Callable[[Secrets], Secrets]:
    """Make the step that adds a secret."""
    return lambda secrets: rotation.added(secrets, Secret(text))


def has_secrets(secrets: Secrets) -> Callable[[tuple[App, ...]], bool]:
    return lambda apps: [app.secrets for app in apps] == [secrets]


def opened(url: str) -> PostgresConnection:
    return PostgresConnection(Url(url), "apps", PostgresSettings())


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[AppAdmin]:
    """Yield the register of a database that has its tables, and no app."""
    await migrate(Url(database_url))
    async with opened(database_url) as connection:
        yield AppAdmin(connection)


class TestAdd:
    """Adding never takes the place of another app."""

    async def test_read_by_services(self, admin: AppAdmin, database_url: str) -> None:
        """Services read what was added, with everything that was said of it, without being told."""
        async with tenants(database_url) as held:
            assert await admin.add(lambda _: FULL, FULL.id) == FULL
            await admin.add(plain)

            await seen(held.apps, lambda known: known == (FULL, plain("11")))

    async def test_what_differs(self, admin: AppAdmin, database_url: str) -> None:
        """Of the limits only those are written down that differ: a new default is for all others."""
        limits = Limits(connections=5, reads=0.5)
        await admin.add(partial(plain, limits=limits))

        async with operated(database_url) as connection:
            (row,) = await connection.fetch("SELECT limits FROM fanfare_apps")
        assert row["limits"] == '{"reads": 0.5, "connections": 5}'

    async def test_numbers(self, admin: AppAdmin, database_url: str) -> None:
        """The next number is one above the highest, whatever else there is; a gap is not filled."""
        assert (await admin.add(plain)).id == "1"
        await keep(database_url, [plain("9"), plain("10"), plain("shop"), plain("9" * 30)])

        assert (await admin.add(plain)).id == "11"

    async def test_many_at_once(self, admin: AppAdmin, database_url: str) -> None:
        """Apps that are added at once by several operators get a number each."""
        async with opened(database_url) as other, asyncio.TaskGroup() as tasks:
            for number in range(8):
                own = (admin, AppAdmin(other))[number % 2]
                tasks.create_task(own.add(partial(plain, key=f"k{number}")))

        lines = await admin.lines()
        assert [line.id for line in lines] == [str(number) for number in range(1, 9)]

    @pytest.mark.parametrize(
        "app_id,key,said", [("1", "other", "the id '1'"), ("2", "key-1", "the key 'key-1'")]
    )
    async def test_taken(self, admin: AppAdmin, app_id: str, key: str, said: str) -> None:
        """An id or a key that another app has is refused, and nothing changes."""
        await admin.add(partial(plain, name="first"))

        with pytest.raises(Taken, match=f"another app has {said}"):
            await admin.add(partial(plain, key=key), app_id)

        assert [line.name for line in await admin.lines()] == ["first"]

    async def test_taken_key_of_a_new_number(self, admin: AppAdmin) -> None:
        """A key that is taken is no reason to try other numbers."""
        await admin.add(plain)

        with pytest.raises(Taken, match="the key 'key-1'"):
            await admin.add(partial(plain, key="key-1"))


class TestLines:
    """The list of apps."""

    async def test_order(self, admin: AppAdmin, database_url: str) -> None:
        """Numbers come in their order, then other ids; a row that makes no app is there too, and why."""
        await keep(database_url, [plain("shop"), plain("10"), plain("9", secrets=(OLD, NEW))])
        async with operated(database_url) as connection:
            broken = """UPDATE fanfare_apps SET limits = '{"x": 1}' WHERE id = '10'"""
            await connection.execute(broken)

        assert await admin.lines() == [
            Line("9", "key-9", "", enabled=True, secrets=2),
            Line("10", "key-10", "", enabled=True, secrets=1, fault=UNKNOWN),
            Line("shop", "key-shop", "", enabled=True, secrets=1),
        ]
        assert [app.id for app in await admin.apps()] == ["9", "shop"]


class TestSwitch:
    """Switching an app off and on."""

    async def test_heard_of(self, admin: AppAdmin, database_url: str) -> None:
        """Services hear of it; of other apps nothing changes."""
        async with tenants(database_url) as held:
            await held.hold(plain("1"), plain("2"))

            await admin.switch("1", enabled=False)
            await seen(held.apps, lambda known: [app.enabled for app in known] == [False, True])
            await admin.switch("1", enabled=True)
            await admin.switch("1", enabled=True)

            await seen(held.apps, lambda known: known == (plain("1"), plain("2")))

    async def test_unknown(self, admin: AppAdmin) -> None:
        """An app that does not exist is not made."""
        with pytest.raises(NoSuchApp, match="there is no app '7'"):
            await admin.switch("7", enabled=True)

        assert await admin.lines() == []


class TestChange:
    """Changing what an app may and has."""

    async def test_followed(self, admin: AppAdmin, database_url: str) -> None:
        """Services follow what was changed, and the rest stays as it was."""
        limits = Limits(connections=5, reads=0.5)
        async with tenants(database_url) as held:
            await held.hold(plain("1", limits=limits, tenant="company"), plain("2"))

            await admin.change(
                "1",
                {"name": "Shop", "tls_only": True, "allowed_origins": ["https://a.org"]},
                {"batch": 20, "connections": None},
            )

            changed = plain(
                "1",
                name="Shop",
                tls_only=True,
                allowed_origins=("https://a.org",),
                limits=Limits(batch=20, reads=0.5),
                tenant="company",
            )
            await seen(held.apps, lambda known: known == (changed, plain("2")))

    async def test_webhooks(self, admin: AppAdmin, database_url: str) -> None:
        """They are put in, replaced and taken out by name."""
        first = WebhookSettings(
            url="https://a.org", name="a", headers={"Authorization": Secret("hush")}
        )
        second = WebhookSettings(url="https://b.org", name="b", batching=True)
        async with tenants(database_url) as held:
            await held.hold(plain("1", webhooks=(first,)))

            await admin.change("1", {}, {}, webhooks={"b": second})
            await seen(held.apps, lambda known: known[0].webhooks == (first, second))
            await admin.change("1", {}, {}, webhooks={"a": None})

            await seen(held.apps, lambda known: known[0].webhooks == (second,))
        with pytest.raises(Unfit, match="there is no webhook 'a'"):
            await admin.change("1", {}, {}, webhooks={"a": None})

    async def test_default_written_down(self, admin: AppAdmin, database_url: str) -> None:
        """A limit that returns to its default is out of the row: a new default is for it too."""
        await admin.add(partial(plain, limits=Limits(batch=5, members=7)))

        await admin.change("1", {}, {"batch": None, "reads": None})

        async with operated(database_url) as connection:
            assert await connection.fetchval("SELECT limits FROM fanfare_apps") == '{"members": 7}'

    async def test_mends(self, admin: AppAdmin, database_url: str) -> None:
        """A row that makes no app is mended so, also where a limit's name is wrong."""
        await keep(database_url, [plain("1")])
        async with operated(database_url) as connection:
            await connection.execute("""UPDATE fanfare_apps SET limits = '{"x": 1}'""")
        with pytest.raises(Unfit, match="unknown field `x`"):
            await admin.change("1", {"name": "Shop"}, {"batch": 5})

        await admin.change("1", {}, {"x": None, "batch": 5})

        (line,) = await admin.lines()
        assert (line.name, line.fault) == ("", "")

    @pytest.mark.parametrize(
        "columns,limits,said",
        [
            ({"name": "n"}, {"conections": None}, "limit 'conections' is unknown; did you mean"),
            ({"allowed_origins": ["plain.org"]}, {}, 'found "plain.org"'),
            ({"name": "n"}, {"batch": -2}, "limits: Expected `int` >= -1"),
        ],
    )
    async def test_refused(
        self,
        admin: AppAdmin,
        columns: dict[str, Any],
        limits: dict[str, float | None],
        said: str,
    ) -> None:
        """What would make no app is refused, and nothing changes."""
        await admin.add(plain)
        before = await admin.lines()

        with pytest.raises(Unfit, match="nothing was changed: ") as raised:
            await admin.change("1", columns, limits)

        assert said in str(raised.value)
        assert await admin.lines() == before

    async def test_at_once(self, admin: AppAdmin, database_url: str) -> None:
        """Of changes by several operators at once none is lost."""
        names = ["connections", "channels", "members", "batch", "event_channels", "member_bytes"]
        await admin.add(plain)
        async with opened(database_url) as other, asyncio.TaskGroup() as tasks:
            for number, name in enumerate(names):
                own = (admin, AppAdmin(other))[number % 2]
                tasks.create_task(own.change("1", {}, {name: 7}))

        async with tenants(database_url) as held:
            limits = held.apps.by_id("1").limits
        assert [getattr(limits, name) for name in names] == [7] * len(names)

    async def test_unknown(self, admin: AppAdmin) -> None:
        """An app that does not exist is not made."""
        with pytest.raises(NoSuchApp, match="there is no app '7'"):
            await admin.change("7", {"name": "n"}, {})

        assert await admin.lines() == []


class TestRotate:
    """Secrets come and go in steps, each upon what the one before has left."""

    async def test_three_steps(self, admin: AppAdmin, database_url: str) -> None:
        """Services follow each step, and the secret that signs is always one that they know."""
        async with tenants(database_url) as held:
            await held.hold(plain("1"))
            for step, signs, known in (
                (adding("new"), OLD, {OLD, NEW}),
                (rotation.used, NEW, {OLD, NEW}),
                (rotation.used, NEW, {OLD, NEW}),
                (rotation.finished, NEW, {NEW}),
            ):
                secrets = await admin.rotate("1", step)

                assert (secrets[0], set(secrets)) == (signs, known)
                await seen(held.apps, has_secrets(secrets))

    async def test_at_once(self, admin: AppAdmin, database_url: str) -> None:
        """Of secrets that several operators add at once none is lost."""
        await admin.add(plain)
        texts = {f"secret-{number}" for number in range(12)}
        async with opened(database_url) as other, asyncio.TaskGroup() as tasks:
            for number, text in enumerate(sorted(texts)):
                own = (admin, AppAdmin(other))[number % 2]
                tasks.create_task(own.rotate("1", adding(text)))

        known = await admin.rotate("1", lambda secrets: secrets)
        assert known[0] == OLD
        assert {secret.reveal() for secret in known[1:]} == texts

    async def test_refused_step(self, admin: AppAdmin) -> None:
        """A step that is taken too early changes nothing."""
        await admin.add(plain)
        await admin.rotate("1", adding("new"))

        with pytest.raises(NotInUse):
            await admin.rotate("1", rotation.finished)

        assert await admin.rotate("1", lambda secrets: secrets) == (OLD, NEW)

    async def test_unknown(self, admin: AppAdmin) -> None:
        """An app that does not exist is told."""
        with pytest.raises(NoSuchApp):
            await admin.rotate("'; DROP TABLE fanfare_apps; --", adding("x"))

        assert await admin.lines() == []


class TestAway:
    """What is said where nothing can be done."""

    async def test_not_migrated(self, database_url: str) -> None:
        """Without its table it says what to run."""
        async with opened(database_url) as connection:
            with pytest.raises(Unavailable) as raised:
                await AppAdmin(connection).lines()

        assert "run fanfare migrate" in reason(raised.value)

    async def test_nobody_there(self) -> None:
        """Where no PostgreSQL is it is unavailable."""
        async with opened(f"postgresql://u:hush@127.0.0.1:{free_port()}/db") as connection:
            with pytest.raises(Unavailable) as raised:
                await AppAdmin(connection).switch("1", enabled=True)

        assert "hush" not in reason(raised.value)
