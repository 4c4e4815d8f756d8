"""Policies as the settings have them."""

from typing import Any

import msgspec
import pytest

from libs.common.policies.settings import ChannelPolicy


def test_defaults() -> None:
    """A pattern and a condition are enough."""
    policy = msgspec.convert({"pattern": "private-a", "allow": "true"}, ChannelPolicy)

    assert (policy.member_of, policy.app) == ("", "")


def test_members_alone() -> None:
    """Members need no condition beside."""
    policy = ChannelPolicy(pattern="private-{id}", member_of="team:{id}")

    assert policy.allow == ""


@pytest.mark.parametrize(
    "change,reason",
    [
        ({"allow": ""}, 'the policy for "private-a" needs allow or member_of'),
        ({"pattern": ""}, "length >= 1"),
        ({"alow": "true"}, "unknown field"),
        ({"allow": True}, "Expected `str`"),
    ],
)
def test_refused(change: dict[str, Any], reason: str) -> None:
    """Nobody is let in by an omission."""
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert({"pattern": "private-a", "allow": "true"} | change, ChannelPolicy)
