"""What auth counts of what it answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.common.errors import Unavailable
from libs.common.memberships.membership import Membership
from libs.common.memberships.memory import MemoryMemberships
from libs.common.policies.settings import ChannelPolicy
from services.auth.service import Auth
from tests.support.services.auth import ONE, POLICIES, Client, serving
from tests.support.tokens.user_tokens import token


class AwayMemberships(MemoryMemberships):
    """Memberships that nobody can tell."""

    async def ask(self, memberships: Any) -> dict[Membership, bool]:  # noqa: ARG002 - the port's.
        raise Unavailable("memberships")


GROUP = ChannelPolicy(app="1", pattern="private-group.{id}", member_of="{id}")


@pytest.fixture
async def served() -> AsyncIterator[tuple[Client, Auth]]:
    async with serving(ONE, memberships=AwayMemberships(), policies=[*POLICIES, GROUP]) as found:
        yield found


def told(auth: Auth, name: str) -> dict[tuple[str, ...], Any]:
    """Return the values of a family, by labels."""
    (found,) = (each for each in auth.metrics() if each.family.name == f"fanfare_{name}")
    return dict(found.values)


async def test_requests(served: tuple[Client, Auth]) -> None:
    """
    Each is counted by its answer, and timed.
    """
    client, auth = served

    for bearer in ("", "", "nonsense"):
        await client.ask("presence-room", bearer=bearer)
    await client.ask("private-two")

    answers = told(auth, "auth_requests_total")
    assert {("200",): 2, ("401",): 1, ("403",): 1, ("503",): 0}.items() <= answers.items()
    assert told(auth, "auth_decision_seconds")[()].count == 4


async def test_channels(served: tuple[Client, Auth]) -> None:
    """
    Of several in one request each is counted.
    """
    client, auth = served

    asked = ["presence-room", "private-company.1", "private-two", "private-group.1"]
    await client.post(
        json={"socket_id": "1.2", "channels": asked},
        headers={"Authorization": f"Bearer {token(companies=['1'])}"},
    )

    assert told(auth, "auth_channels_total") == {
        ("granted",): 2,
        ("refused",): 1,
        ("unavailable",): 1,
    }
    assert told(auth, "membership_lookups_total") == {("remembered",): 0, ("asked",): 1}
    assert told(auth, "membership_questions") == {(): 0}
