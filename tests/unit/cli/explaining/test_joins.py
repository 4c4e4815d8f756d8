"""What `fanfare explain` prints: who may join, which policy decided, and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import main
from tests.support.servers.ports import free_port

SETTINGS = """
[[apps]]
id = "1"
key = "k"
secrets = ["s"]

[[channels]]
pattern = "private-user.{user_id}"
allow = "user.id == user_id"

[[channels]]
pattern = "private-company.{company_id}"
allow = "company_id in claims.companies"

[[channels]]
pattern = "private-campaign.{campaign_id}"
member_of = "campaign:{campaign_id}"

[[channels]]
pattern = "presence-{room}"
allow = "user.info.name == 'Ann' && claims.sub == user.id"
"""

Explain = Callable[..., tuple[int, str]]


@pytest.fixture
def explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    """Run the command for user 7, and return its exit status and what it printed."""
    file = tmp_path / "fanfare.toml"

    def run(
        channel: str, *argv: str, more: str = "", app: str = "1", settings: str = SETTINGS
    ) -> tuple[int, str]:
        file.write_text(settings + more)
        named = ["--user", "7", "--app", app, "--channel", channel]
        status = main(["explain", "--config", str(file), *named, *argv])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_json(explain: Explain) -> None:
    """For programs it is one object."""
    status, text = explain("private-company.5", "--json")

    told = json.loads(text)
    assert (status, told["ok"]) == (1, False)
    assert (told["app"], told["user"], told["channel"]) == ("1", "7", "private-company.5")
    assert told["verdict"] == told["told"][-1]
    assert told["verdict"].startswith("denied by private-company.{company_id}")


class TestDecision:
    """Status 0: they may; 1: not."""

    def test_allowed(self, explain: Explain) -> None:
        status, text = explain("private-company.5", "--claims", '{"companies": ["5"]}')

        assert status == 0
        assert text.splitlines() == [
            "app 1, user 7, channel private-company.5 (private)",
            "  private-user.{user_id}: does not fit",
            "  private-company.{company_id}: fits, with company_id = '5'",
            "allowed by private-company.{company_id}: allow is true",
        ]

    @pytest.mark.parametrize(
        "channel,argv,last",
        [
            (
                "private-company.5",
                ("--claims", '{"companies": ["6"]}'),
                "denied by private-company.{company_id}: allow is false",
            ),
            (
                "private-company.5",
                (),
                "denied by private-company.{company_id}: 'company_id in claims.companies': 'companies' is absent",
            ),
            ("private-unheard-of", (), "denied: no policy fits the channel"),
            (
                "#server-to-user-7",
                (),
                "denied: a user's own channel takes a sign-in, and no token opens it",
            ),
            (
                "private-campaign.5",
                (),
                "denied by private-campaign.{campaign_id}: the user is not a member of campaign:5",
            ),
        ],
    )
    def test_denied(self, explain: Explain, channel: str, argv: tuple[str, ...], last: str) -> None:
        status, text = explain(channel, *argv)

        assert status == 1
        assert text.splitlines()[-1] == last

    @pytest.mark.parametrize(
        "channel,claims,lines",
        [
            (
                "private-company.5",
                '{"companies": [5]}',
                [
                    'company_id in claims.companies is false: company_id is the text "5", claims.companies is the list [5]',
                    'hint: claims.companies holds the number 5, {company_id} is the text "5": a number never equals a text; write claims.companies.exists(each, string(each) == company_id)',
                ],
            ),
            (
                "private-user.8",
                "{}",
                ['user.id == user_id is false: user.id is the text "7", user_id is the text "8"'],
            ),
        ],
    )
    def test_why(self, explain: Explain, channel: str, claims: str, lines: list[str]) -> None:
        """What a condition refused the user on is shown with its values."""
        _, text = explain(channel, "--claims", claims)

        shown = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
        assert shown == lines

    def test_info(self, explain: Explain) -> None:
        """Policies see what other members would."""
        assert explain("presence-room", "--info", '{"name": "Ann"}')[0] == 0
        assert explain("presence-room", "--info", '{"name": "Ben"}')[0] == 1

    def test_public(self, explain: Explain) -> None:
        """A public channel that no policy guards is open."""
        status, text = explain("news")

        assert status == 0
        assert text.splitlines()[-1] == "allowed: no policy guards this public channel"

    @pytest.mark.parametrize(
        "user,status,last",
        [
            (
                "7",
                0,
                "allowed by orders.{id}: allow is true, once signed in or connected with a token",
            ),
            ("8", 1, "denied by orders.{id}: allow is false"),
        ],
    )
    def test_guarded(self, explain: Explain, user: str, status: int, last: str) -> None:
        """One that a policy guards is decided as gateways do."""
        more = '[[channels]]\npattern = "orders.{id}"\nallow = "user.id == \'7\'"\n'

        found, text = explain("orders.1", "--user", user, more=more)

        assert (found, text.splitlines()[-1]) == (status, last)

    def test_membership_of_public(self, explain: Explain) -> None:
        """A policy that cannot work is told, and not what it would decide."""
        more = '[[channels]]\npattern = "orders.{id}"\nmember_of = "x:{id}"\n'

        status, text = explain("orders.1", more=more)

        assert status == 2
        assert "member_of cannot guard a public channel" in text

    def test_other_app(self, explain: Explain) -> None:
        """Another app of the file has policies of its own."""
        second = '[[apps]]\nid = "2"\nkey = "l"\nsecrets = ["s"]\n'
        first = SETTINGS.replace("[[channels]]", '[[channels]]\napp = "1"')

        assert explain("private-user.7", settings=first + second)[0] == 0
        assert explain("private-user.7", settings=first + second, app="2")[0] == 1


class TestMembership:
    """Which membership was asked for, and the answer."""

    def test_in_memory(self, explain: Explain) -> None:
        """What is in another process's memory cannot be seen from here, which is said."""
        status, text = explain("private-campaign.5")

        assert status == 1
        assert "  is 7 a member of campaign:5? not that this process could see" in text

    def test_away(self, explain: Explain) -> None:
        """Who cannot be asked lets nobody in; the password is not shown."""
        url = f"postgresql://u:hush@127.0.0.1:{free_port()}/db"

        status, text = explain("private-campaign.5", more=f'[backends]\nmemberships = "{url}"\n')

        assert status == 1
        assert "the memberships backend is unavailable: " in text
        assert "\ndenied: nobody can be asked" in text
        assert "hush" not in text


class TestWords:
    """Status 2: the arguments are wrong."""

    @pytest.mark.parametrize(
        "channel,argv,reason",
        [
            ("a b", (), "--channel: invalid channel name 'a b'"),
            ("a", ("--claims", "["), "--claims: expected an object in JSON"),
            ("a", ("--claims", "[]"), "--claims: expected an object in JSON"),
            ("a", ("--info", "5"), "--info: expected an object in JSON"),
        ],
    )
    def test_refused(
        self, explain: Explain, channel: str, argv: tuple[str, ...], reason: str
    ) -> None:
        status, text = explain(channel, *argv)

        assert status == 2
        assert reason in text

    def test_app_left_out(self, explain: Explain) -> None:
        """Where the file has one app it need not be named."""
        assert explain("private-user.7", app="")[0] == 0
        second = '[[apps]]\nid = "2"\nkey = "l"\nsecrets = ["s"]\n'
        status, text = explain("private-user.7", app="", more=second)

        assert status == 2
        assert "app" in text

    def test_unknown_app(self, explain: Explain) -> None:
        """About an app that the file does not have nothing is told."""
        status, text = explain("private-user.7", app="9")

        assert status == 2
        assert text == "fanfare: there is no app '9'; --app must be one of 1\n"

    @pytest.mark.parametrize("app,status", [("", 0), ("1", 0), ("9", 1)])
    def test_apps_elsewhere(self, explain: Explain, app: str, status: int) -> None:
        """Which apps PostgreSQL has is not asked; the policies say which is meant."""
        policies = SETTINGS.partition("[[channels]]")[2]
        settings = (
            '[backends]\napps = "postgresql://u:p@127.0.0.1:1/db"\n[[channels]]\n' + policies
        ).replace("[[channels]]", '[[channels]]\napp = "1"')

        assert explain("private-user.7", app=app, settings=settings)[0] == status
