"""`fanfare apps`: what an operator does to apps on the command line; see test_apps_followed.py for services that run."""

import json
from pathlib import Path

import pytest

from tests.support.clients.operators import Operator
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import Fleet
from tests.support.servers.ports import free_port

FILE = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["hush-hush"]\n'


@pytest.fixture
async def operator(tmp_path: Path, database_url: str) -> Operator:
    """Return the operator of a database that has its tables, and no app."""
    fleet = Fleet(tmp_path, postgres=database_url)
    await migrate(fleet.write_settings(), fleet.environ)
    return Operator(fleet.write_settings(), fleet.environ)


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
        assert "backends.apps: postgresql://127.0.0.1:" in said
        assert "127.0.0.1" in said
