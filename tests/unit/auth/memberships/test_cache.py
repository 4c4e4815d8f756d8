"""Answers about memberships, remembered for a while."""

from libs.common.memberships.membership import Membership
from services.auth.memberships.cache import Answers

ANN, BEN, CAL = (Membership("1", user, "x") for user in "789")


class TestAnswers:
    """An answer counts for a time, unless it is dropped."""

    def test_counts(self) -> None:
        answers = Answers(ttl=60.0, size=10)
        answers.keep(ANN, is_member=True, now=100.0)
        answers.keep(BEN, is_member=False, now=100.0)

        assert answers.get(ANN, now=159.9) is True
        assert answers.get(BEN, now=159.9) is False
        assert answers.get(CAL, now=159.9) is None

    def test_over(self) -> None:
        """Being asked for does not prolong it."""
        answers = Answers(ttl=60.0, size=10)
        answers.keep(ANN, is_member=True, now=100.0)
        answers.get(ANN, now=159.9)

        assert answers.get(ANN, now=160.0) is None
        assert len(answers) == 0

    def test_none_kept(self) -> None:
        """With a time of 0 no answer counts twice."""
        answers = Answers(ttl=0.0, size=10)
        answers.keep(ANN, is_member=True, now=100.0)

        assert answers.get(ANN, now=100.0) is None

    def test_bound(self) -> None:
        """Of too many the one that was longest not asked for goes."""
        answers = Answers(ttl=60.0, size=2)
        answers.keep(ANN, is_member=True, now=100.0)
        answers.keep(BEN, is_member=True, now=100.0)
        answers.get(ANN, now=101.0)

        answers.keep(CAL, is_member=True, now=102.0)

        assert [answers.get(each, now=103.0) for each in (ANN, BEN, CAL)] == [True, None, True]

    def test_dropped(self) -> None:
        answers = Answers(ttl=60.0, size=10)
        answers.keep(ANN, is_member=True, now=100.0)
        answers.keep(BEN, is_member=True, now=100.0)

        answers.drop(ANN)
        answers.drop(CAL)

        assert answers.get(ANN, now=100.0) is None
        assert answers.get(BEN, now=100.0) is True

    def test_cleared(self) -> None:
        answers = Answers(ttl=60.0, size=10)
        answers.keep(ANN, is_member=True, now=100.0)

        answers.clear()

        assert answers.get(ANN, now=100.0) is None
