"""Policies of public channels."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Kind, kind_of
from libs.common.policies.guards import Guards
from libs.common.policies.patterns import Pattern
from libs.common.policies.policies import BadPolicy
from libs.common.policies.settings import ChannelPolicy


@dataclass(frozen=True, slots=True)
class Ann:
    """A `Person`."""

    id: str = "ann"
    info: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)


def guards(*rules: tuple[str, str]) -> Guards:
    """Compile policies, each a pattern and a condition."""
    return Guards(ChannelPolicy(app="1", pattern=pattern, allow=allow) for pattern, allow in rules)


class TestHas:
    """Which public channels are guarded."""

    @pytest.mark.parametrize("channel", ["products.1", "cache-products", "presencechat"])
    def test_open(self, channel: str) -> None:
        """One that no policy fits is everybody's."""
        rules = [("private-{any*}", "true"), ("presence-{any*}", "true"), ("news", "false")]

        assert not guards(*rules).has("1", channel)

    def test_guarded(self) -> None:
        known = guards(("products.{id}", "false"))

        assert known.has("1", "products.1")
        assert not known.has("1", "products.1.x")
        assert not known.has("2", "products.1")

    def test_any(self) -> None:
        """A policy for all channels is one for public channels too."""
        assert guards(("{any*}", "false")).has("1", "news")

    @given(st.text("-aceinprstuv{x*}", max_size=12), st.sampled_from(["news", "private", "priv-a"]))
    def test_as_policies(self, pattern: str, channel: str) -> None:
        """None that fits a public channel is passed over, however it is written."""
        try:
            known = guards((pattern, "true"))
        except (BadPolicy, ValueError):
            return
        plain = ChannelPolicy(app="1", pattern=pattern, allow="true")
        assert kind_of(channel) is Kind.PUBLIC
        assert known.has("1", channel) == _fits(plain, channel)


def _fits(policy: ChannelPolicy, channel: str) -> bool:
    return Pattern(policy.pattern).match(channel) is not None


class TestDecide:
    """Whom a guard lets in."""

    def test_claims(self) -> None:
        known = guards(("products.{tenant}", "claims.tenant == tenant"))

        assert known.decide("1", "products.a", Ann(claims={"tenant": "a"})).allowed
        assert not known.decide("1", "products.b", Ann(claims={"tenant": "a"})).allowed
        assert not known.decide("1", "products.b", Ann()).allowed

    def test_first(self) -> None:
        """The first that fits decides, as everywhere."""
        known = guards(("products.{id}", "false"), ("{any*}", "true"))

        assert not known.decide("1", "products.1", Ann()).allowed
        assert known.decide("1", "news", Ann()).allowed

    @pytest.mark.parametrize("pattern", ["products.{id}", "news", "privat.{id}", "cache-{id}"])
    def test_membership(self, pattern: str) -> None:
        """A gateway can look up no membership: a policy that needs one for public channels stops the start."""
        with pytest.raises(BadPolicy) as caught:
            Guards([ChannelPolicy(app="1", pattern=pattern, member_of="x")])

        assert "private-" in str(caught.value)

    @pytest.mark.parametrize("pattern", ["{any*}", "pri{any*}"])
    def test_membership_of_any(self, pattern: str) -> None:
        """One that is for other channels as well stops no start, and lets nobody into a public one."""
        known = Guards([ChannelPolicy(app="1", pattern=pattern, member_of="x")])

        decision = known.decide("1", "principal", Ann())

        assert (decision.allowed, decision.pattern) == (False, pattern)

    def test_bad(self) -> None:
        with pytest.raises(BadPolicy):
            guards(("news", "clams.x"))


class TestClaims:
    """What a gateway must know of a user."""

    def test_named(self) -> None:
        """The claims that guards name, and not those of other policies."""
        known = guards(
            ("products.{t}", "claims.tenant == t && user.id != 'x'"),
            ("staff", "'admin' in claims.roles"),
            ("private-x", "claims.secret"),
        )

        assert known.claims("1") == frozenset({"tenant", "roles"})
        assert known.claims("2") == frozenset()

    def test_any(self) -> None:
        """One whose text does not show which it needs may need all."""
        assert guards(("news", "size(claims) > 1"), ("x", "claims.a")).claims("1") is None
