"""`fanfare apps`: what an operator does to apps on the command line, and that running services follow."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs

from libs.common.apps import App
from libs.common.secret import Secret
from tests.support import pusher
from tests.support.backends import BackEnd, back_end
from tests.support.deployment import migrate
from tests.support.eventlogs import create
from tests.support.fleet import APP, Fleet, said
from tests.support.program import ROOT, Program
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually
from tests.support.tenants import operated
from tests.support.visitors import DEADLINE, Visitor, visitors

FILE = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["hush-hush"]\n'


class Outcome(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int | None
    output: str
    complaint: str

    @property
    def variables(self) -> dict[str, str]:
        """What it printed to be pasted into a back end's settings."""
        return dict(line.split("=", 1) for line in self.output.splitlines())


class Operator:
    """
    Who sits at the command line.

    Args:
        config: The settings.
        environ: Settings over those of the file.
    """

    def __init__(self, config: Path, environ: Mapping[str, str]) -> None:
        self.config = config
        self.environ = dict(environ)

    async def apps(self, *words: str) -> Outcome:
        """Run ``fanfare apps``, and wait for its end."""
        given = {name: text for name, text in os.environ.items() if not name.startswith("FANFARE_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "apps", *words, "--config", str(self.config),
            cwd=ROOT, env={**given, **self.environ},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(DEADLINE):
                output, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        return Outcome(process.returncode, output.decode(), complaint.decode())

    async def done(self, *words: str) -> Outcome:
        """Run it, and see that it was done."""
        outcome = await self.apps(*words)
        assert outcome.status == 0, outcome
        return outcome

    async def failed(self, *words: str) -> tuple[int | None, str]:
        """Run it, and return the status and the one line in which it said what is wrong."""
        outcome = await self.apps(*words)
        assert outcome.output == ""
        (line,) = outcome.complaint.splitlines()
        assert line.startswith("fanfare: ")
        assert "hush" not in line
        return outcome.status, line.removeprefix("fanfare: ")


@pytest.fixture
async def operator(tmp_path: Path, database_url: str) -> Operator:
    """Return the operator of a database that has its tables, and no app."""
    fleet = Fleet(tmp_path, postgres=database_url)
    await migrate(fleet.write_settings(), fleet.environ)
    return Operator(fleet.write_settings(), fleet.environ)


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


def secret_of(outcome: Outcome) -> Secret:
    """Return the secret that a command has shown."""
    return Secret(outcome.variables["PUSHER_APP_SECRET"])


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


class TestOutput:
    """What is printed: for programs on the one stream, for people on the other."""

    async def test_add(self, operator: Operator) -> None:
        """The new app's settings are printed to be pasted into its back end, all of them random."""
        first = await operator.done("add", "--master-key", "--name", "Läden", "--client-events")
        second = await operator.done("add", "--limit", "connections=5", "--limit", "reads=0.5")

        assert list(first.variables) == [
            f"PUSHER_APP_{name}" for name in ("ID", "KEY", "SECRET", "ENCRYPTION_MASTER_KEY")
        ]
        assert list(second.variables) == [f"PUSHER_APP_{name}" for name in ("ID", "KEY", "SECRET")]
        one, two = first.variables, second.variables
        assert (one["PUSHER_APP_ID"], two["PUSHER_APP_ID"]) == ("1", "2")
        for name, length in (("KEY", 20), ("SECRET", 64)):
            assert len(one[f"PUSHER_APP_{name}"]) == length
            assert one[f"PUSHER_APP_{name}"] != two[f"PUSHER_APP_{name}"]
        assert "shown this once" in first.complaint
        assert one["PUSHER_APP_SECRET"] not in first.complaint

    async def test_list(self, operator: Operator) -> None:
        """The list has all apps, and never a secret."""
        nothing = await operator.done("list")
        made = await operator.done("add", "--key", "shop-key", "--name", "Läden", "--master-key")
        rotated = await operator.done("rotate", "1")
        await operator.done("disable", "1")

        for_people, for_programs = (
            await operator.done("list"),
            await operator.done("list", "--json"),
        )

        assert (nothing.output, "fanfare apps add" in nothing.complaint) == ("", True)
        assert for_people.output.splitlines()[1].split() == ["1", "shop-key", "no", "2", "Läden"]
        assert json.loads(for_programs.output) == [
            {"id": "1", "key": "shop-key", "name": "Läden", "enabled": False, "secrets": 2}
        ]
        hidden = [
            made.variables["PUSHER_APP_SECRET"],
            made.variables["PUSHER_APP_ENCRYPTION_MASTER_KEY"],
            rotated.variables["PUSHER_APP_SECRET"],
        ]
        for text in hidden:
            assert text not in for_people.output + for_programs.output

    async def test_known_secret(self, operator: Operator, tmp_path: Path) -> None:
        """An app that exists elsewhere keeps its id, key and secret, which is not shown again."""
        file = tmp_path / "secret"
        file.write_text("hush-hush\n")

        added = await operator.done(
            "add", "--id", "shop", "--key", "shop-key", "--secret-file", str(file)
        )

        assert added.variables == {"PUSHER_APP_ID": "shop", "PUSHER_APP_KEY": "shop-key"}
        assert "hush" not in added.complaint
        assert "warning: the Python SDK refuses the id 'shop'" in added.complaint

    async def test_set(self, operator: Operator) -> None:
        """What was changed is named."""
        await operator.done("add")

        changed = await operator.done(
            "set", "1", "--name", "Shop", "--tls-only", "on", "--limit", "batch=5",
            "--origin", "https://a.org", "http://localhost:5173", "--client-events", "off",
        )  # fmt: skip
        opened = await operator.done("set", "1", "--origins-any", "--limit", "batch=")

        assert changed.output == ""
        assert changed.complaint.strip() == (
            "app 1: name, allowed_origins, client_events, tls_only, limits.batch changed."
        )
        assert opened.complaint.strip() == "app 1: allowed_origins, limits.batch changed."
        assert "Shop" in (await operator.done("list")).output

    async def test_next_step(self, operator: Operator) -> None:
        """Each step of a rotation says what comes next; the last one leaves a single secret."""
        await operator.done("add")

        first = await operator.done("rotate", "1")
        second = await operator.done("rotate", "1", "--use")
        third = await operator.done("rotate", "1", "--finish")

        assert first.complaint.strip().endswith("fanfare apps rotate 1 --use")
        assert second.complaint.strip().endswith("fanfare apps rotate 1 --finish")
        assert (second.output, third.output) == ("", "")
        (line,) = json.loads((await operator.done("list", "--json")).output)
        assert line["secrets"] == 1


class TestRefused:
    """What cannot be done is said in one line: status 2 for wrong words and settings, 1 for the rest."""

    WRONG: tuple[tuple[str, int, str], ...] = (
        ("disable 7", 1, "there is no app '7'"),
        ("rotate 7 --use", 1, "there is no app '7'"),
        ("add --id 1", 1, "another app has the id '1'"),
        ("add --key k", 1, "another app has the key 'k'"),
        ("rotate 1 --use", 1, "there is only one secret"),
        ("set 7 --name n", 1, "there is no app '7'"),
        ("set 1", 2, "nothing to change"),
        ("set 1 --limit conections=5", 2, "did you mean connections?"),
        ("set 1 --limit conections=", 1, "did you mean connections?"),
        ("set 1 --name n --origin plain.org", 2, 'found "plain.org"'),
        ("add --secret-file /nowhere", 2, "cannot be read: No such file or directory"),
        ("add --key a/b", 2, "--key 'a/b': expected letters, digits"),
        ("add --limit conections=5", 2, "did you mean connections?"),
        ("add --limit batch=many", 2, "--limit batch: expected a whole number"),
    )

    async def test_words(self, operator: Operator) -> None:
        """Whatever is refused changes nothing."""
        await operator.done("add", "--key", "k")
        before = await operator.done("list")

        for words, expected, sentence in self.WRONG:
            status, said = await operator.failed(*words.split())

            assert status == expected
            assert sentence in said
        assert (await operator.done("list")).output == before.output

    async def test_finished_too_early(self, operator: Operator) -> None:
        """The secret that was just made is not dropped by mistake."""
        await operator.done("add")
        await operator.done("rotate", "1")

        status, said = await operator.failed("rotate", "1", "--finish")

        assert (status, "put it to use first" in said) == (1, True)

    async def test_apps_of_the_file(self, tmp_path: Path) -> None:
        """Apps of the file are changed in the file."""
        config = tmp_path / "fanfare.toml"
        config.write_text(FILE)

        status, said = await Operator(config, {}).failed("list")

        assert status == 2
        assert said.startswith("apps are those of the file")

    async def test_not_migrated(self, tmp_path: Path, database_url: str) -> None:
        """Without the table it says what to run."""
        fleet = Fleet(tmp_path, postgres=database_url)

        status, said = await Operator(fleet.write_settings(), fleet.environ).failed("add")

        assert status == 1
        assert "run fanfare migrate" in said

    async def test_away(self, tmp_path: Path) -> None:
        """Where PostgreSQL is away it says where it was sought, without the password."""
        url = f"postgresql://me:hush-hush@127.0.0.1:{free_port()}/db"
        fleet = Fleet(tmp_path, postgres=url)

        status, said = await Operator(fleet.write_settings(), fleet.environ).failed("list")

        assert status == 1
        assert "the apps backend is unavailable" in said
        assert "127.0.0.1" in said
