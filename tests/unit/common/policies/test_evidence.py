"""What a refused user's policy was asked about, and the hint that a number met a text."""

from typing import Any

import pytest

from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.settings import ChannelPolicy
from tests.unit.common.policies.test_policies import User, policies, user

RULES = (("private-company.{id}", "id in claims.companies"), ("private-{any*}", "true"))
HINT = (
    "claims.companies holds numbers, {id} is a text: a number never equals a text; "
    "write claims.companies.exists(each, string(each) == id)"
)


class TestEvidence:
    """Only where the condition itself refuses."""

    def test_refused(self) -> None:
        found = policies(*RULES).evidence("1", "private-company.5", user(companies=[5]))

        assert found is not None
        assert found.allow == "id in claims.companies"
        assert found.variables == {
            "id": "5",
            "claims": {"companies": [5]},
            "user": {"id": "7", "info": {"name": "Ann"}},
        }
        assert found.captures == {"id"}
        assert found.hint == HINT

    @pytest.mark.parametrize(
        "channel,claims",
        [
            ("private-company.5", {"companies": ["5"]}),
            ("private-other", {}),
            ("presence-other", {}),
        ],
    )
    def test_none(self, channel: str, claims: dict[str, Any]) -> None:
        """There is none where the policy allows, or none fits."""
        assert policies(*RULES).evidence("1", channel, user(**claims)) is None

    def test_membership(self) -> None:
        """What hangs on a membership alone is no matter of the condition."""
        rule = ChannelPolicy(
            app="1", pattern="private-{id}", allow="user.id != 5", member_of="g:{id}"
        )

        assert Policies([rule]).evidence("1", "private-1", user()) is None

    @pytest.mark.parametrize("claims", [{}, {"companies": ["6"]}, {"companies": []}])
    def test_no_hint(self, claims: dict[str, Any]) -> None:
        found = policies(*RULES).evidence("1", "private-company.5", user(**claims))

        assert found is not None
        assert not found.hint


def test_guards() -> None:
    known = Guards([ChannelPolicy(app="1", pattern="company.{id}", allow="id in claims.companies")])

    assert known.hint("1", "company.5", User("7", {}, {"companies": [5]})) == HINT
    assert known.hint("1", "company.5", User("7", {}, {"companies": ["5"]})) == ""
