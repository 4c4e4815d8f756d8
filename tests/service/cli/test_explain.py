"""`fanfare explain` asks the database that the services ask."""

import asyncio
from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.postgres.migrate import migrate
from services.cli import main
from tests.support.ports.apps import operated

SETTINGS = """
[[apps]]
id = "1"
key = "k"
secrets = ["s"]

[backends]
memberships = "{url}"

[[channels]]
pattern = "private-campaign.{{id}}"
member_of = "campaign:{{id}}"
"""
QUERY = """
[auth.memberships]
query = "SELECT 1 FROM campaign_users WHERE user_id = $2 AND campaign_id = $5"
"""


async def explained(
    file: Path, capsys: pytest.CaptureFixture[str], channel: str
) -> tuple[int, list[str]]:
    """Run the command for user 7, in a thread: it has a loop of its own."""
    argv = ["explain", "--config", str(file), "--user", "7", "--channel", channel]
    status = await asyncio.to_thread(main, argv)
    return status, capsys.readouterr().out.splitlines()


class TestPostgres:
    """Rows of ours, or a query over those of the operator."""

    async def test_rows(
        self, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "fanfare.toml"
        file.write_text(SETTINGS.format(url=database_url))
        await migrate(Url(database_url))
        async with operated(database_url) as operator:
            await operator.execute(
                "INSERT INTO fanfare_memberships (app, user_id, group_name) VALUES ('1', '7', 'campaign:5')"
            )

        status, lines = await explained(file, capsys, "private-campaign.5")
        assert status == 0
        assert lines[-2:] == [
            "  is 7 a member of campaign:5? yes",
            "allowed by private-campaign.{id}: the user is a member of campaign:5",
        ]

        status, lines = await explained(file, capsys, "private-campaign.6")
        assert status == 1
        assert lines[-2] == "  is 7 a member of campaign:6? no"

    async def test_query(
        self, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "fanfare.toml"
        file.write_text(SETTINGS.format(url=database_url) + QUERY)
        async with operated(database_url) as operator:
            await operator.execute("CREATE TABLE campaign_users AS SELECT 7 user_id, 5 campaign_id")

        assert (await explained(file, capsys, "private-campaign.5"))[0] == 0
        assert (await explained(file, capsys, "private-campaign.6"))[0] == 1

    async def test_failing_query(
        self, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is logged on the way goes to standard error, as standard output is for the answer."""
        file = tmp_path / "fanfare.toml"
        file.write_text(SETTINGS.format(url=database_url) + QUERY)
        argv = ["explain", "--config", str(file), "--user", "7", "--channel", "private-campaign.5"]

        status = await asyncio.to_thread(main, argv)

        output, complaint = capsys.readouterr()
        assert status == 1
        assert "query_failed" not in output
        assert "memberships.query_failed" in complaint

    async def test_not_migrated(
        self, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A database without the table says what to run."""
        file = tmp_path / "fanfare.toml"
        file.write_text(SETTINGS.format(url=database_url))

        status, lines = await explained(file, capsys, "private-campaign.5")

        assert status == 1
        assert "run fanfare migrate" in lines[-2]
