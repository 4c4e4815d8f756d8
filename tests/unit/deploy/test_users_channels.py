"""
Users' channels in the settings that we ship and in our pages.

Each is for whoever may sign in: an id may have signs that names of channels have not, and spells itself with `escape`.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.channels import MAX_NAME
from libs.common.config.secret import Secret
from libs.common.escaping import escape
from libs.common.policies.policies import Needs, Policies
from libs.common.policies.settings import ChannelPolicy
from services.auth.identity.bearer_tokens import Identity
from services.auth.settings import Issuer
from services.dispatcher.routing.names import ChannelTemplate
from tests.support.deployments.program import ROOT

USER = "auth0|5f"
ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = sorted((ROOT / "deploy").glob("*.toml"))
USERS = ("user_id", "author_id", "from", "to")  # Fields of events that hold a user's id.

_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UNESCAPED = re.compile(r"(?:user|User|financial)\.\{data\.[^}]*\}")
_CAPTURE = re.compile(r"\{\w+\}")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what a file says in TOML, or each block of a page."""
    text = path.read_text(encoding="utf-8")
    for block in [text] if path.suffix == ".toml" else _TOML.findall(text):
        yield tomllib.loads(block)


def listed(section: str, paths: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of a section, each with the name of its file."""
    for path in paths:
        for document in read(path):
            yield from ((path.name, table) for table in document.get(section, ()))


POLICIES = [
    (name, policy)
    for name, policy in listed("channels", SETTINGS + PAGES)
    if "user.id" in policy.get("allow", "")
]
PREFIXES = {policy["pattern"].partition("{")[0] for _, policy in POLICIES}
CHANNELS = [
    (name, channel)
    for name, route in listed("routes", SETTINGS + PAGES)
    for channel in route["channels"]
    if channel.partition("{")[0] in PREFIXES
]


def may_join(policy: dict[str, Any], user: str, *, channel: str) -> bool:
    policies = Policies([msgspec.convert({**policy, "app": "1"}, ChannelPolicy)])
    outcome = policies.decide("1", channel, Identity(user, {}, {}, ISSUER))
    return isinstance(outcome, Needs) or outcome.allowed


def test_found() -> None:
    """Both files have some, and pages, too."""
    assert {name for name, _ in POLICIES} >= {"dev.toml", "compose.toml", "auth.md"}
    assert {name for name, _ in CHANNELS} == {
        "dev.toml",
        "compose.toml",
        "presence.md",
        "troubleshooting.md",
    }


@pytest.mark.parametrize(
    "policy", [pytest.param(policy, id=f"{file} {policy['pattern']}") for file, policy in POLICIES]
)
def test_policy(policy: dict[str, Any]) -> None:
    """A user may join what spells the own id, and nothing else."""
    channel = _CAPTURE.sub(escape(USER), policy["pattern"])

    assert may_join(policy, USER, channel=channel)
    assert not may_join(policy, escape(USER), channel=channel)
    assert not may_join(policy, "auth0", channel=channel)


@pytest.mark.parametrize("user", [USER, "7", 7])
@pytest.mark.parametrize(
    "channel", [pytest.param(channel, id=f"{file} {channel}") for file, channel in CHANNELS]
)
def test_route(channel: str, user: str | int) -> None:
    """What is for a user goes where that user is, also where an event has the id as a number."""
    template = ChannelTemplate(channel, longest=MAX_NAME)

    in_name = dict.fromkeys(("low", "high"), escape(str(user)))  # Of a channel: spelled already.

    name = template.render({"data": dict.fromkeys(USERS, user) | {"captures": in_name}})

    assert name.endswith("." + escape(str(user)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_words(page: Path) -> None:
    """Templates in the midst of a sentence are taken over like others."""
    assert _UNESCAPED.findall(page.read_text(encoding="utf-8")) == []
