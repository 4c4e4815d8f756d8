"""Answers about memberships, remembered for a while."""

from libs.common.memberships.membership import Membership
from services.auth.memberships.cache import MembershipCache

ANN, BEN, CAL = (Membership("1", user, "x") for user in "789")


class TestAnswers:
    """An answer counts for a time, unless it is dropped."""

    def test_counts(self) -> None:
        cache = MembershipCache(ttl=60.0, size=10)
        cache.keep(ANN, is_member=True, now=100.0)
        cache.keep(BEN, is_member=False, now=100.0)

        assert cache.get(ANN, now=159.9) is True
        assert cache.get(BEN, now=159.9) is False
        assert cache.get(CAL, now=159.9) is None

    def test_over(self) -> None:
        """Being asked for does not prolong it."""
        cache = MembershipCache(ttl=60.0, size=10)
        cache.keep(ANN, is_member=True, now=100.0)
        cache.get(ANN, now=159.9)

        assert cache.get(ANN, now=160.0) is None
        assert len(cache) == 0

    def test_none_kept(self) -> None:
        """With a time of 0 no answer counts twice."""
        cache = MembershipCache(ttl=0.0, size=10)
        cache.keep(ANN, is_member=True, now=100.0)

        assert cache.get(ANN, now=100.0) is None

    def test_bound(self) -> None:
        """Of too many the one that was longest not asked for goes."""
        cache = MembershipCache(ttl=60.0, size=2)
        cache.keep(ANN, is_member=True, now=100.0)
        cache.keep(BEN, is_member=True, now=100.0)
        cache.get(ANN, now=101.0)

        cache.keep(CAL, is_member=True, now=102.0)

        assert [cache.get(each, now=103.0) for each in (ANN, BEN, CAL)] == [True, None, True]

    def test_made_up(self) -> None:
        """A user who asks for any number of groups makes nobody's yes forgotten."""
        cache = MembershipCache(ttl=60.0, size=2)
        cache.keep(ANN, is_member=True, now=100.0)
        for number in range(1000):
            cache.keep(Membership("1", "9", f"group-{number}"), is_member=False, now=100.0)

        assert cache.get(ANN, now=101.0) is True
        assert len(cache) == 3

    def test_changed(self) -> None:
        """The last answer counts."""
        cache = MembershipCache(ttl=60.0, size=2)
        for is_member in (True, False, True):
            cache.keep(ANN, is_member=is_member, now=100.0)

            assert cache.get(ANN, now=101.0) is is_member
        assert len(cache) == 1

    def test_dropped(self) -> None:
        cache = MembershipCache(ttl=60.0, size=10)
        cache.keep(ANN, is_member=True, now=100.0)
        cache.keep(BEN, is_member=True, now=100.0)

        cache.drop(ANN)
        cache.drop(CAL)

        assert cache.get(ANN, now=100.0) is None
        assert cache.get(BEN, now=100.0) is True

    def test_cleared(self) -> None:
        cache = MembershipCache(ttl=60.0, size=10)
        cache.keep(ANN, is_member=True, now=100.0)

        cache.clear()

        assert cache.get(ANN, now=100.0) is None
