"""What waits until it is known who the client is."""

from math import inf

import pytest

from services.gateway.protocol.frames import SignIn, Subscribe
from services.gateway.session.pending import Pending

A, B, C = (Subscribe(f"products.{name}") for name in "abc")


@pytest.fixture
def pending() -> Pending:
    return Pending()


def waiting(pending: Pending) -> list[str]:
    """Take what waits, and name it."""
    return [each.data.channel for each in pending.take()]


class TestTake:
    """What waited goes on."""

    def test_in_order(self, pending: Pending) -> None:
        """In the order in which it came, and once."""
        for data in (B, A, C):
            pending.put(data)
        pending.drop(A.channel)
        pending.drop("never asked for")

        assert waiting(pending) == [B.channel, C.channel]
        assert waiting(pending) == []

    def test_again(self, pending: Pending) -> None:
        """A second subscribe takes the place of the first."""
        pending.put(A, until=5.0, is_good=True)
        pending.put(Subscribe(A.channel, "other"), until=7.0)

        (kept,) = pending.take()
        assert (kept.data.auth, kept.until, kept.is_good) == ("other", 7.0, False)

    def test_cleared(self, pending: Pending) -> None:
        pending.put(A)
        pending.sign_in = SignIn("auth")
        pending.clear()

        assert waiting(pending) == []
        assert pending.sign_in is None


class TestDue:
    """When the client is told that it must sign in."""

    def test_first(self, pending: Pending) -> None:
        """The first that is due counts; nothing waits for ever in vain."""
        assert pending.due == inf
        pending.put(A, until=7.0)
        pending.put(B, until=5.0)
        pending.put(C)

        assert pending.due == 5.0

    def test_told_once(self, pending: Pending) -> None:
        """Who was told goes on waiting, and is not told again."""
        pending.put(A, until=5.0, is_good=True)
        pending.put(B, until=7.0)

        assert pending.overdue(4.9) == []
        assert pending.overdue(5.0) == [A.channel]
        assert pending.overdue(6.0) == []
        assert pending.overdue(7.0) == [B.channel]
        assert pending.due == inf
        assert [(each.data, each.is_good) for each in pending.take()] == [(A, True), (B, False)]

    def test_sign_in_waits(self, pending: Pending) -> None:
        """While its sign-in waits as well there is nothing that it must do."""
        pending.put(A, until=5.0)
        pending.sign_in = SignIn("auth")

        assert pending.due == inf
        assert pending.overdue(9.0) == []


class TestResume:
    """What was looked at, and must wait again."""

    def test_as_before(self, pending: Pending) -> None:
        """It is told when it would have been, and not once more."""
        pending.put(A, until=5.0)
        (before,) = pending.take()
        pending.put(A, until=99.0, is_good=True)
        pending.resume(before)

        (after,) = pending.take()
        assert (after.until, after.is_good) == (5.0, True)

    def test_waits_no_more(self, pending: Pending) -> None:
        """What did not wait again is not brought back."""
        pending.put(A, until=5.0)
        (before,) = pending.take()
        pending.resume(before)

        assert waiting(pending) == []


class TestIsGood:
    """Whether a token waits that is good as far as is known."""

    def test_any(self, pending: Pending) -> None:
        pending.put(A)
        assert not pending.is_good

        pending.put(B, is_good=True)
        assert pending.is_good

    def test_sign_in(self, pending: Pending) -> None:
        pending.sign_in = SignIn("auth")

        assert pending.is_good
