"""`fanfare apps set --webhook` and `fanfare webhooks`: what an operator does on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.dead_letters.port import DeadLetter
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.lifecycle.facts import Fact
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.settings import PostgresSettings
from services.presence.webhooks.signing import webhook_secret
from tests.support.clients.operators import Operator, secret_of
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import Fleet
from tests.support.fakes.webhook_receiver import receiver
from tests.support.ports.apps import operated

NOW = 1_700_000_000.0


@pytest.fixture
async def operator(tmp_path: Path, database_url: str) -> Operator:
    """Return the operator of a database that has its tables, and no app."""
    fleet = Fleet(tmp_path, postgres=database_url)
    settings = {
        "FANFARE_BACKENDS_SIGHTINGS": database_url,
        "FANFARE_EGRESS_ALLOW": "127.0.0.0/8",
    }
    operator = Operator(fleet.write_settings(), fleet.environ | settings)
    await migrate(operator.config, operator.environ)
    return operator


async def webhooks(operator: Operator, *words: str) -> Outcome:
    return await command("webhooks", *words, config=operator.config, environ=operator.environ)


async def rows(url: str) -> list[dict[str, Any]]:
    async with operated(url) as connection:
        text = await connection.fetchval("SELECT webhooks FROM fanfare_apps")
    kept: list[dict[str, Any]] = json.loads(text)
    return kept


async def test_set(operator: Operator, database_url: str) -> None:
    """Webhooks come, are replaced whole, and go; a private address is refused."""
    await operator.done("add")
    first = await operator.done(
        "set", "1", "--webhook", "a=https://a.example.org/x", "events=client_event", "header=X-A: b",
        "--webhook", "b=https://b.example.org/x",
    )  # fmt: skip
    await operator.done("set", "1", "--webhook", "a=https://a.example.org/y", "--no-webhook", "b")
    refused = await operator.failed("set", "1", "--webhook", "c=https://10.0.0.1/")

    assert "webhooks.a, webhooks.b changed" in first.complaint
    assert await rows(database_url) == [{"name": "a", "url": "https://a.example.org/y"}]
    assert refused[0] == 2
    assert "leads to 10.0.0.1" in refused[1]


async def test_secret(operator: Operator) -> None:
    """It is derived from the app's secret; while that one is replaced either can be had."""
    old = secret_of(await operator.done("add"))
    new = secret_of(await operator.done("rotate", "1"))

    signing = await webhooks(operator, "secret", "1")
    newest = await webhooks(operator, "secret", "1", "--newest")
    unknown = await webhooks(operator, "secret", "2")

    assert Secret(signing.output.strip()) == webhook_secret(old)
    assert Secret(newest.output.strip()) == webhook_secret(new)
    assert "a signature of each" in signing.complaint
    assert (unknown.status, "no app '2'" in unknown.complaint) == (2, True)


async def test_dead_letters(operator: Operator, database_url: str) -> None:
    """They are listed, sent again, and then no more."""
    await operator.done("add")
    async with receiver() as here:
        await operator.done("set", "1", "--webhook", f"a={here.url}")
        await lay_by(database_url)

        listed = await webhooks(operator, "list")
        whole = await webhooks(operator, "list", "--json", "--limit", "1")
        newest = await webhooks(operator, "list", "--json", "--limit", "1", "--newest")
        unsaid = await webhooks(operator, "replay")
        too_much = await webhooks(operator, "replay", "--all", "msg_1")
        gone = await webhooks(operator, "replay", "msg_0")
        nowhere = [
            await webhooks(operator, *words)
            for words in (("replay", "--app", "9"), ("list", "--webhook", "b"))
        ]
        replayed = await webhooks(operator, "replay", "--app", "1")
        nothing = await webhooks(operator, "list")

    assert [line.split()[0] for line in listed.output.splitlines()] == ["ID", "msg_1", "msg_2"]
    assert json.loads(whole.output)["id"] == "msg_1"
    assert "1 more; --newest lists the newest, --limit 2 lists all" in whole.complaint
    assert json.loads(newest.output)["id"] == "msg_2"
    assert "1 more; --limit 2 lists all" in newest.complaint
    assert (unsaid.status, "--all" in unsaid.complaint) == (2, True)
    assert (too_much.status, "--all goes with no ID" in too_much.complaint) == (2, True)
    assert (gone.status, "msg_0: there is no such letter" in gone.complaint) == (1, True)
    assert [each.status for each in nowhere] == [2, 2]
    assert "there is no app '9'" in nowhere[0].complaint
    assert "there is no webhook 'b'" in nowhere[1].complaint
    assert (replayed.status, replayed.complaint) == (0, "2 of 2: 2 delivered.\n")
    assert [told.id for told in here.told] == ["msg_1", "msg_2"]
    assert "nothing that could not be delivered" in nothing.complaint


async def test_memory(tmp_path: Path) -> None:
    """Without PostgreSQL it is said where they are."""
    fleet = Fleet(tmp_path)
    config, environ = fleet.write_settings(), fleet.environ

    outcome = await command("webhooks", "list", config=config, environ=environ)

    assert outcome.status == 2
    assert "name a PostgreSQL in backends.sightings" in outcome.complaint


async def lay_by(url: str) -> None:
    async with PostgresConnection(Url(url), "sightings", PostgresSettings()) as connection:
        letters = PostgresDeadLetters(connection, 100, 1e9)
        for number in (1, 2):
            letter = DeadLetter(
                id=f"msg_{number}",
                app="1",
                webhook="a",
                facts=(Fact(kind="cache_miss", app="1", channel="cache-a"),),
                reason="answered 500",
                tries=3,
                first_at=NOW,
                died_at=NOW + number,
            )
            await letters.keep(letter)
