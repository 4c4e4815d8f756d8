"""What only PostgreSQL can do to `PostgresApps`: go, come back, hold nonsense, notify."""

from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.postgres import PostgresApps
from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import Logs, events
from tests.support.ports.apps import keep, operated, postgres_apps, seen, tenants
from tests.support.servers import postgres_server
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually

FIRST = App(id="1", key="first", secrets=(Secret("s"),))
SECOND = App(id="2", key="second", secrets=(Secret("s"),))


class TestAway:
    """What is known is served while PostgreSQL is away."""

    async def test_at_the_start(self, logs: Logs) -> None:
        """While PostgreSQL was never there the start succeeds, look-ups say so, and the log does, once."""
        apps = postgres_apps(f"postgresql://u:secret@127.0.0.1:{free_port()}/db")

        async with apps.opened():
            for look_up in (apps.all, lambda: apps.by_key("first"), lambda: apps.by_id("1")):
                with pytest.raises(Unavailable) as raised:
                    look_up()
                assert raised.value.backend == "apps"

        (line,) = events(logs, "backend.lost")
        assert line["log_level"] == "warning"
        assert "secret" not in str(logs)

    async def test_later(self, logs: Logs) -> None:
        """When PostgreSQL goes, what is known is served; when it is back, what changed is."""
        async with postgres_server() as server:
            await migrate(Url(server.url))
            await keep(server.url, [FIRST])
            apps = postgres_apps(server.url)
            async with apps.opened():
                await server.stop()

                await eventually(lambda: logged(logs, "backend.lost"), timeout=DEADLINE)
                assert apps.by_key("first") == FIRST

                await server.start()
                await keep(server.url, [FIRST, SECOND])

                await seen(apps, lambda known: known == (FIRST, SECOND))

        assert len(events(logs, "backend.lost")) == 1
        assert len(events(logs, "backend.found")) == 1

    async def test_silent(self, logs: Logs) -> None:
        """A server that fell silent without a word counts as away by the next reading."""
        async with postgres_server() as server:
            await migrate(Url(server.url))
            await keep(server.url, [FIRST])
            settings = PostgresSettings(connect_timeout=0.5, command_timeout=0.5)
            apps = PostgresApps(Url(server.url), settings, reread=0.1)
            async with apps.opened():
                server.pause()
                await eventually(lambda: logged(logs, "backend.lost"), timeout=DEADLINE)
                assert apps.by_key("first") == FIRST

                server.resume()
                await eventually(lambda: logged(logs, "backend.found"), timeout=DEADLINE)

    async def test_changed_while_cut_off(self, database_url: str, postgres_url: str) -> None:
        """A change that nobody could be notified of is found on the next connection."""
        name = database_url.rpartition("/")[2]
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fanfare apps'"
        async with tenants(database_url) as held, operated(database_url) as inside:
            await held.hold(FIRST)
            async with operated(postgres_url) as outside:
                await outside.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
                await inside.execute(f"{cut} AND datname = current_database()")
                await eventually(lambda: nobody_listens(inside), timeout=DEADLINE)
                await inside.execute("UPDATE fanfare_apps SET key = 'changed'")
                await outside.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')

            await seen(held.apps, lambda known: [app.key for app in known] == ["changed"])

    async def test_not_migrated(self, database_url: str, logs: Logs) -> None:
        """Without its table it says what to run, and goes on by itself when that was done."""
        apps = postgres_apps(database_url)
        async with apps.opened():
            with pytest.raises(Unavailable):
                apps.all()
            (line,) = events(logs, "backend.lost")
            assert "fanfare migrate" in line["reason"]

            await migrate(Url(database_url))

            await seen(apps, lambda known: known == ())

    async def test_wrong_password(self, database_url: str, logs: Logs) -> None:
        """Credentials that PostgreSQL refuses count as away: an operator may mend them there."""
        head, _, tail = database_url.rpartition("@")
        apps = postgres_apps(f"{head}-wrong@{tail}")

        async with apps.opened():
            with pytest.raises(Unavailable):
                apps.all()

        (line,) = events(logs, "backend.lost")
        assert "password" in line["reason"]


async def logged(logs: Logs, event: str, *, times: int = 1) -> bool:
    return len(events(logs, event)) >= times


async def nobody_listens(connection: Any) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fanfare apps' AND datname = current_database()"
    return not await connection.fetchval(query)


class TestRows:
    """What the rows of ``fanfare_apps`` mean, and how their changes are heard of."""

    async def test_only_what_must_be_said(self, database_url: str) -> None:
        """A row with id, key and secrets alone is an app with the defaults of the file's."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await connection.execute(
                "INSERT INTO fanfare_apps (id, key, secrets) VALUES ('1', 'first', '{s}')"
            )

            await seen(held.apps, lambda known: known == (FIRST,))

    async def test_never_good(self, database_url: str, logs: Logs) -> None:
        """A row that never made an app is skipped and said once, without its secrets; the others are served."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(SECOND)
            await connection.execute(
                "INSERT INTO fanfare_apps (id, key, secrets, encryption_master_key) "
                "VALUES ('1', 'first', '{s}', 'hush')"
            )
            await connection.execute("UPDATE fanfare_apps SET name = 'n' WHERE id = '2'")
            await seen(held.apps, lambda known: [app.name for app in known] == ["n"])

            (line,) = events(logs, "app.skipped")
            assert (line["app"], line["log_level"]) == ("1", "error")
            assert "encryption_master_key" in line["reason"]
            assert "hush" not in str(logs)
            assert events(logs, "app.kept") == []

    async def test_not_good_any_more(self, database_url: str, logs: Logs) -> None:
        """Of a row that makes no app any more the last version stays in force, and that is said once."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST, SECOND)
            await connection.execute(
                """UPDATE fanfare_apps SET name = 'x', limits = '{"conections": 5}' WHERE id = '1'"""
            )
            await connection.execute("UPDATE fanfare_apps SET name = 'n' WHERE id = '2'")
            await seen(held.apps, lambda known: known[1].name == "n")

            assert held.apps.by_key("first") == FIRST
            (line,) = events(logs, "app.kept")
            assert (line["app"], line["log_level"]) == ("1", "error")
            assert events(logs, "app.skipped") == []

    async def test_switch_and_secrets_of_it(self, database_url: str) -> None:
        """It still is switched off, and a secret that was dropped is good no more."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            await connection.execute(
                """UPDATE fanfare_apps SET limits = '{"x": 5}', secrets = '{t}', enabled = false"""
            )

            off = structs.replace(FIRST, enabled=False, secrets=(Secret("t"),))
            await seen(held.apps, lambda known: known == (off,))

    async def test_key_of_it(self, database_url: str) -> None:
        """A key that such a row gave up, and another took, is the other's."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST, SECOND)
            await connection.execute(
                """UPDATE fanfare_apps SET key = 'renamed', limits = '{"x": 5}' WHERE id = '1'"""
            )
            await connection.execute("UPDATE fanfare_apps SET key = 'first' WHERE id = '2'")

            await seen(held.apps, lambda known: known == (structs.replace(SECOND, key="first"),))

    async def test_removed(self, database_url: str) -> None:
        """A row that is gone leaves nothing behind, whatever was wrong with it."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            await connection.execute("""UPDATE fanfare_apps SET limits = '{"x": 5}'""")
            await connection.execute("DELETE FROM fanfare_apps")

            await seen(held.apps, lambda known: known == ())

    @pytest.mark.parametrize(
        "column,value,reason",
        [
            (
                "limits",
                '{"conections": 5}',
                "limits: Object contains unknown field `conections`",
            ),
            (
                "limits",
                '{"connections": "many"}',
                "limits: Expected `int`, got `str` - at `$.connections`",
            ),
            ("limits", '{"batch": -2}', "limits: Expected `int` >= -1 - at `$.batch`"),
            ("allowed_origins", ["plain.org"], 'found "plain.org"'),
        ],
    )
    async def test_reason(
        self, database_url: str, logs: Logs, column: str, value: object, *, reason: str
    ) -> None:
        """The log says what is wrong with a row."""
        update = f"UPDATE fanfare_apps SET {column} = $1 WHERE id = '1'"  # noqa: S608
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST, SECOND)
            await connection.execute(update, value)
            await eventually(lambda: logged(logs, "app.kept"), timeout=DEADLINE)

            (line,) = events(logs, "app.kept")
            assert line["app"] == "1"
            assert line["reason"].endswith(reason)

    @pytest.mark.parametrize(
        "keys,reason",
        [
            ('[{"kid": "a"}]', "token_keys: Object missing required field `public_key`"),
            (
                '[{"kid": "a", "public_key": "hush"}]',
                'token_keys: token key "a": public_key: expected',
            ),
            ('[{"kid": "a", "public_key": "hush", "private_key": "hush"}]', "`private_key`"),
        ],
    )
    async def test_bad_token_keys(
        self, database_url: str, logs: Logs, keys: str, reason: str
    ) -> None:
        """Where token keys cannot be used the last ones stay in force, and no text of a key is logged."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST, SECOND)
            await connection.execute("UPDATE fanfare_apps SET token_keys = $1 WHERE id = '1'", keys)
            await eventually(lambda: logged(logs, "app.kept"), timeout=DEADLINE)

            (line,) = events(logs, "app.kept")
            assert reason in line["reason"]
            assert "hush" not in str(logs)
            assert held.apps.by_id("1") == FIRST

    async def test_webhook_within(self, database_url: str, logs: Logs) -> None:
        """A webhook whose URL is a private address is left out, and said once a change; others work."""
        update = "UPDATE fanfare_apps SET webhooks = $1, name = $2"
        shop = {"name": "shop", "url": "https://shop.example.org/"}
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            for name, host in enumerate(("10.0.0.1", "10.0.0.1", "10.0.0.2", "example.org")):
                inside = {"url": f"https://{host}/hush"}
                hooks = msgspec.json.encode([inside, shop]).decode()
                await connection.execute(update, hooks, str(name))
                await seen(held.apps, lambda known, name=name: known[0].name == str(name))  # type: ignore[misc]
                left = [webhook.name for webhook in held.apps.by_id("1").webhooks]
                assert left == (["shop"] if host.startswith("10.") else ["1", "shop"])

        first, second = events(logs, "webhook.refused")
        assert (first["app"], first["webhook"], first["log_level"]) == ("1", "1", "error")
        assert "leads to 10.0.0.1, which is not public" in first["reason"]
        assert "10.0.0.2" in second["reason"]
        assert "hush" not in str(logs)

    async def test_topic_of_others(self, database_url: str, logs: Logs) -> None:
        """An app never writes where dead letters go: such a row is not taken, and that is said once."""
        await migrate(Url(database_url))
        await keep(database_url, [FIRST, structs.replace(SECOND, topic="letters")])
        apps = PostgresApps(
            Url(database_url), PostgresSettings(), reserved={"letters": "dispatcher.topic"}
        )
        async with apps.opened(), operated(database_url) as connection:
            await seen(apps, lambda known: known == (FIRST,))
            await connection.execute(
                "UPDATE fanfare_apps SET topic = 'letters', enabled = false WHERE id = '1'"
            )
            await seen(apps, lambda known: known == (structs.replace(FIRST, enabled=False),))

        (skipped,), (kept,) = events(logs, "app.skipped"), events(logs, "app.kept")
        assert (skipped["app"], kept["app"]) == ("2", "1")
        assert skipped["reason"] == kept["reason"] == "topic: letters is dispatcher.topic"

    async def test_webhook_within_that_is_allowed(self, database_url: str, logs: Logs) -> None:
        hooked = structs.replace(FIRST, webhooks=(WebhookSettings(url="https://10.0.0.1/"),))
        await migrate(Url(database_url))
        await keep(database_url, [hooked])
        allow = [ip_network("10.0.0.0/8")]
        apps = PostgresApps(Url(database_url), PostgresSettings(), allow=allow)
        async with apps.opened():
            await seen(apps, lambda known: known == (hooked,))

        assert events(logs, "webhook.refused") == []

    async def test_limits_that_are_no_object(self, database_url: str) -> None:
        """PostgreSQL itself refuses limits that are no object."""
        await migrate(Url(database_url))
        async with operated(database_url) as connection:
            await keep(database_url, [FIRST])
            for limits in ("5", "[]", "null"):
                with pytest.raises(Exception, match="violates check constraint"):
                    await connection.execute("UPDATE fanfare_apps SET limits = $1", limits)

    async def test_mended(self, database_url: str, logs: Logs) -> None:
        """A bad row that was mended is followed again; when it is bad again it is said again."""
        break_it = "UPDATE fanfare_apps SET name = 'bad', encryption_master_key = 'hush'"
        mend_it = "UPDATE fanfare_apps SET name = 'mended', encryption_master_key = ''"
        mended = structs.replace(FIRST, name="mended")
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            await connection.execute(break_it)
            await eventually(lambda: logged(logs, "app.kept"), timeout=DEADLINE)
            assert held.apps.all() == (FIRST,)
            await connection.execute(mend_it)
            await seen(held.apps, lambda known: known == (mended,))
            await connection.execute(break_it)

            await eventually(lambda: logged(logs, "app.kept", times=2), timeout=DEADLINE)
            assert held.apps.all() == (mended,)

    @pytest.mark.parametrize(
        "values",
        [
            "('', 'k', '{s}')",
            "('1', '', '{s}')",
            "('1', 'k', '{}')",
            "('1', 'k', '{\"\"}')",
            "('1', 'k', '{NULL}')",
        ],
    )
    async def test_refused(self, database_url: str, values: str) -> None:
        """PostgreSQL itself refuses most of what would make no app."""
        await migrate(Url(database_url))
        async with operated(database_url) as connection:
            with pytest.raises(Exception, match="violates check constraint"):
                await connection.execute(
                    f"INSERT INTO fanfare_apps (id, key, secrets) VALUES {values}"  # noqa: S608
                )

    async def test_without_notifications(self, database_url: str) -> None:
        """Where no notification arrives, as behind some poolers, changes are seen after a while."""
        await migrate(Url(database_url))
        apps = PostgresApps(Url(database_url), PostgresSettings(), reread=0.1)
        async with apps.opened(), operated(database_url) as connection:
            await connection.execute("DROP TRIGGER fanfare_apps_changed ON fanfare_apps")
            await keep(database_url, [FIRST])

            await seen(apps, lambda known: known == (FIRST,))

    async def test_emptied(self, database_url: str) -> None:
        """TRUNCATE is a change as any other."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            await connection.execute("TRUNCATE fanfare_apps")

            await seen(held.apps, lambda known: known == ())

    async def test_many_changes_at_once(self, database_url: str) -> None:
        """Many changes in a row end in what is there at last."""
        async with tenants(database_url) as held, operated(database_url) as connection:
            await held.hold(FIRST)
            for number in range(300):
                await connection.execute("UPDATE fanfare_apps SET name = $1", str(number))

            await seen(held.apps, lambda known: known[0].name == "299")
