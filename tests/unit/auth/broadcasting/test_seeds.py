"""The policies of five teams, as docs/auth.md has them: each tried, allowed and denied."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.channels import check_channel
from libs.common.config.secret import Secret
from libs.common.policies.policies import Needs, Policies
from libs.common.policies.settings import ChannelPolicy
from services.auth.identity.bearer_tokens import Identity
from services.auth.settings import Issuer, MembershipSettings

DOCUMENT = Path(__file__).parents[4] / "docs/auth.md"
ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))


def sections() -> dict[str, dict[str, Any]]:
    """Read the settings of each team."""
    chapter = DOCUMENT.read_text().partition("## Policies of five teams\n")[2]
    teams = re.split(r"^### ", chapter.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    return {
        team.partition("\n")[0]: tomllib.loads(team.partition("```toml")[2].partition("```")[0])
        for team in teams
    }


SECTIONS = sections()
POLICIES = {
    team: Policies(
        msgspec.convert(
            [{**policy, "app": "1"} for policy in section["channels"]], list[ChannelPolicy]
        )
    )
    for team, section in SECTIONS.items()
}


def may_join(
    team: str, channel: str, claims: Mapping[str, Any], groups: tuple[str, ...] = ()
) -> bool:
    """Tell whether user 7, with these claims and in these groups, may join a channel of a team."""
    check_channel(channel)
    outcome = POLICIES[team].decide("1", channel, Identity("7", {}, claims, ISSUER))
    if isinstance(outcome, Needs):
        outcome = outcome.decided(is_member=outcome.group in groups)
    return outcome.allowed


def test_teams() -> None:
    assert list(SECTIONS) == ["Bookings", "Catalogue", "Chat, campaigns and money", "ERP", "Alerts"]


def test_query() -> None:
    """The query of a team is one that the settings take."""
    query = SECTIONS["Bookings"]["auth"]["memberships"]

    assert msgspec.convert(query, MembershipSettings).query.startswith("SELECT")


@pytest.mark.parametrize(
    "team,channel,claims,groups",
    [
        ("Bookings", "private-company.5", {}, ("company:5",)),
        ("Bookings", "private-user.7", {}, ()),
        ("Catalogue", "private-products.acme", {"tenant": "acme"}, ()),
        ("Chat, campaigns and money", "presence-chat", {}, ()),
        ("Chat, campaigns and money", "private-chat.7.8", {}, ()),
        ("Chat, campaigns and money", "private-chat.8.7", {}, ()),
        ("Chat, campaigns and money", "private-user.7", {}, ()),
        ("Chat, campaigns and money", "private-campaign.5", {}, ("campaign:5",)),
        ("Chat, campaigns and money", "presence-campaign.5", {}, ("campaign:5",)),
        ("Chat, campaigns and money", "private-financial.7", {}, ()),
        ("ERP", "private-App.Models.User.7", {}, ()),
        ("ERP", "private-tenant.acme.notifications", {}, ("tenant:acme",)),
        ("ERP", "private-tenant.acme.inventory", {}, ("tenant:acme",)),
        ("ERP", "private-tenant.acme.stock-alerts", {}, ("tenant:acme",)),
        ("Alerts", "private-admin.notifications", {"roles": ["admin"]}, ()),
        ("Alerts", "private-admin.health-alerts", {"roles": ["admin"]}, ()),
        ("Alerts", "private-admin.security", {"roles": ["admin"]}, ()),
        ("Alerts", "private-admin.security", {"roles": ["security"]}, ()),
    ],
)
def test_allowed(
    team: str, channel: str, claims: Mapping[str, Any], groups: tuple[str, ...]
) -> None:
    assert may_join(team, channel, claims, groups)


@pytest.mark.parametrize(
    "team,channel,claims,groups",
    [
        ("Bookings", "private-company.6", {}, ("company:5", "user:6")),
        ("Bookings", "private-company.5", {"companies": ["5"]}, ()),
        ("Bookings", "private-user.8", {}, ("company:8", "user:8")),
        ("Bookings", "private-reservations", {}, ("company:5",)),
        ("Catalogue", "private-products.other", {"tenant": "acme"}, ()),
        ("Catalogue", "private-products.acme", {}, ()),
        ("Catalogue", "private-products.acme", {"tenant": ["acme"]}, ()),
        ("Chat, campaigns and money", "presence-room", {}, ()),
        ("Chat, campaigns and money", "private-chat.8.9", {}, ()),
        ("Chat, campaigns and money", "private-user.8", {}, ()),
        ("Chat, campaigns and money", "private-campaign.6", {}, ("campaign:5",)),
        ("Chat, campaigns and money", "presence-campaign.6", {}, ("campaign:5",)),
        ("Chat, campaigns and money", "private-financial.8", {"roles": ["admin"]}, ()),
        ("ERP", "private-App.Models.User.8", {}, ()),
        ("ERP", "private-tenant.other.notifications", {}, ("tenant:acme",)),
        ("ERP", "private-tenant.acme.inventory", {"tenant": "acme"}, ()),
        ("ERP", "private-tenant.acme.payroll", {}, ("tenant:acme",)),
        ("Alerts", "private-admin.notifications", {"roles": ["security"]}, ()),
        ("Alerts", "private-admin.health-alerts", {"roles": []}, ()),
        ("Alerts", "private-admin.security", {"roles": ["editor"]}, ()),
        ("Alerts", "private-admin.security", {}, ()),
    ],
)
def test_denied(
    team: str, channel: str, claims: Mapping[str, Any], groups: tuple[str, ...]
) -> None:
    assert not may_join(team, channel, claims, groups)
