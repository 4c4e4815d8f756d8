"""Which channels a membership had opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.config.secret import Secret
from libs.common.control.commands import Command
from libs.common.globs import Globs
from libs.common.memberships.membership import Membership, Removed
from libs.common.policies.policies import Needs, Policies
from libs.common.policies.settings import ChannelPolicy
from services.auth.identity.bearer_tokens import Identity
from services.auth.memberships.expulsion import REMEMBERED, Terms, expel_command, opened
from services.auth.settings import Issuer

ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))
ANN = Identity("7", {}, {}, ISSUER)
GONE = Removed(Membership("1", "7", "x:5"), 100.0)
TERMS = Terms(answers=60.0, permissions=3600.0)
NARROW = "-_=@,;aZ5"
PARTS = st.text(NARROW, min_size=1, max_size=6)
WIDE = st.text(NARROW + ".", min_size=1, max_size=6)


def rules(*policies: tuple[str, str]) -> Policies:
    """Compile policies, each a pattern and a group."""
    return Policies(
        ChannelPolicy(app="1", pattern=pattern, allow="" if group else "true", member_of=group)
        for pattern, group in policies
    )


class TestOpened:
    """Of each policy that asks for the group, the channels that it lets in to."""

    @pytest.mark.parametrize(
        "pattern,member_of,group,expected",
        [
            ("private-x.{id}", "x:{id}", "x:5", "private-x.5"),
            ("private-x.{id}", "staff", "staff", "private-x.*"),
            ("presence-x.{id}.{topic}", "x:{id}", "x:5", "presence-x.5.*"),
            ("private-{a}.{b}", "{b}:{a}", "2:1", "private-1.2"),
            ("private-{a}.{b}", "{a}/{a}", "1/1", "private-1.*"),
            ("private-{mail*}", "{mail*}", "a@b.org", "private-a@b.org"),
            ("private-{mail*}", "{mail}", "a@b.org", "private-a@b.org"),
        ],
    )
    def test_filled(self, pattern: str, member_of: str, group: str, expected: str) -> None:
        """What the group was made of stands in its place, and a star for the rest."""
        assert opened(rules((pattern, member_of)), "1", group) == (expected,)

    @pytest.mark.parametrize("group", ["y:5", "x:", "x:5.6", "x:5 6", "xx:5", "x:5\n", "1/2", ""])
    def test_other_groups(self, group: str) -> None:
        """A group that no template makes opens nothing."""
        policies = rules(("private-x.{id}", "x:{id}"), ("private-{a}.{b}", "{a}/{a}"))

        assert opened(policies, "1", group) == ()

    def test_several(self) -> None:
        """All policies that ask for the group count, in their order; those that do not are left alone."""
        policies = rules(
            ("private-x.{id}", "x:{id}"),
            ("private-open.{id}", ""),
            ("presence-x.{id}", "x:{id}"),
            ("private-y.{id}", "y:{id}"),
        )

        assert opened(policies, "1", "x:5") == ("private-x.5", "presence-x.5")

    def test_other_apps(self) -> None:
        assert opened(rules(("private-x.{id}", "x:{id}")), "2", "x:5") == ()

    @given(a=PARTS, b=PARTS, c=WIDE)
    def test_finds_what_it_let_in_to(self, a: str, b: str, c: str) -> None:
        """Whatever channel asked for a group is among those that the group opens."""
        policies = rules(
            ("private-{a}.{b}.{c*}", "g:{b}.{a}"),
            ("presence-{a}.{b}.{c*}", "{a}/{c*}"),
            ("private-encrypted-{a}.{c*}", "{c*}:{a}:{c*}"),
        )
        for channel in (
            f"private-{a}.{b}.{c}",
            f"presence-{a}.{b}.{c}",
            f"private-encrypted-{a}.{c}",
        ):
            needs = policies.decide("1", channel, ANN)
            assert isinstance(needs, Needs)

            names = opened(policies, "1", needs.group)

            assert Globs(names).fits(channel)

    @given(a=PARTS, b=PARTS, c=PARTS, d=PARTS)
    def test_leaves_the_rest(self, a: str, b: str, c: str, d: str) -> None:
        """A channel that asks for another group is not among them."""
        policies = rules(("private-{a}.{b}", "{a}:{b}"))
        needs = policies.decide("1", f"private-{a}.{b}", ANN)
        assert isinstance(needs, Needs)

        (name,) = opened(policies, "1", needs.group)

        assert (name == f"private-{c}.{d}") == ((a, b) == (c, d))


class TestOrder:
    """What gateways are told."""

    def test_order(self) -> None:
        """It concerns what was given until now, and is remembered as long as that may be good."""
        told = expel_command(GONE, ["private-x.5"], terms=TERMS, now=107.0)

        assert told == Command("expel", "1", "7", 107.0, 3707.0, "user", ("private-x.5",))

    def test_late(self) -> None:
        """However late it is written, it concerns what was given while the removal may have been unknown, no more."""
        told = expel_command(GONE, ["private-x.5"], terms=TERMS, now=1000.0)

        assert told.issued_at == 160.0
        assert told.expires_at == 3760.0

    @pytest.mark.parametrize("now", [100.0, 5000.0])
    def test_remembered(self, now: float) -> None:
        """However short permissions are good, and however old the removal is, every gateway has time to hear it."""
        told = expel_command(GONE, ["private-x.5"], terms=Terms(0.0, 1.0), now=now)

        assert told.issued_at == 100.0
        assert told.expires_at == now + REMEMBERED
