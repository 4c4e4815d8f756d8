"""What an identity server said, and which tokens it ever believed."""

import pytest

from services.auth.identity.asking.answers import Answers


@pytest.fixture
def answers() -> Answers[str, str]:
    return Answers(most_yes=3, most_no=2, most_proven=4)


def digest(number: int) -> bytes:
    return f"token {number}".encode()


def believed(answers: Answers[str, str], *numbers: int, until: float = 10.0) -> None:
    for number in numbers:
        answers.believe(digest(number), f"user {number}", until=until, now=0.0)


def refused(answers: Answers[str, str], *numbers: int, until: float = 2.0) -> None:
    for number in numbers:
        answers.refuse(digest(number), "no", until=until, now=0.0)


class TestApart:
    """Neither kind displaces the other."""

    def test_made_up(self, answers: Answers[str, str]) -> None:
        """Any number of tokens that are not believed leave those that are where they were."""
        believed(answers, 1, 2, 3)
        refused(answers, *range(10, 1000))

        assert [answers.get(digest(number), now=1.0) for number in (1, 2, 3)] == [
            "user 1", "user 2", "user 3",
        ]  # fmt: skip
        assert all(answers.is_proven(digest(number)) for number in (1, 2, 3))
        assert [answers.get(digest(number), now=1.0) for number in (997, 998, 999)] == [
            None, "no", "no",
        ]  # fmt: skip

    def test_bound(self, answers: Answers[str, str]) -> None:
        """Of each kind the oldest are forgotten; that a token was good is known for longer."""
        believed(answers, 1, 2, 3, 1, 4, 5)

        assert [bool(answers.get(digest(number), now=1.0)) for number in range(1, 6)] == [
            True, False, False, True, True,
        ]  # fmt: skip
        assert [answers.is_proven(digest(number)) for number in range(1, 6)] == [
            True, False, True, True, True,
        ]  # fmt: skip


class TestTime:
    """An answer counts until its instant."""

    def test_outdated(self, answers: Answers[str, str]) -> None:
        believed(answers, 1)

        assert answers.get(digest(1), now=9.9) == "user 1"
        assert answers.get(digest(1), now=10.0) is None
        assert answers.is_proven(digest(1))

    def test_outdated_at_once(self, answers: Answers[str, str]) -> None:
        """Where nothing is remembered it is known all the same that the token was good."""
        believed(answers, 1, until=0.0)

        assert answers.get(digest(1), now=0.0) is None
        assert answers.is_proven(digest(1))


class TestChange:
    """The last answer counts."""

    def test_no_more(self, answers: Answers[str, str]) -> None:
        """A token that is refused is unknown again."""
        believed(answers, 1)
        refused(answers, 1)

        assert answers.get(digest(1), now=1.0) == "no"
        assert not answers.is_proven(digest(1))
        assert answers.get(digest(1), now=2.0) is None

    def test_now(self, answers: Answers[str, str]) -> None:
        refused(answers, 1)
        believed(answers, 1)

        assert answers.get(digest(1), now=1.0) == "user 1"
