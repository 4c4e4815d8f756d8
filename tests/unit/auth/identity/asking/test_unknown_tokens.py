"""How many tokens that nobody believed yet an address may bring."""

import pytest

from services.auth.identity.asking import unknown_tokens
from services.auth.identity.asking.unknown_tokens import TooManyUnknownTokens, UnknownTokens
from services.auth.settings import AuthSettings

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def taken(tokens: UnknownTokens, count: int, *, now: float = 0.0, address: str = HOME) -> int:
    """Bring tokens, and tell how many may be asked about."""
    for number in range(count):
        try:
            tokens.take(address, now=now)
        except TooManyUnknownTokens:
            return number
    return count


class TestBurst:
    """So many at once, and then by the rate."""

    @pytest.mark.parametrize("burst", [1, 2, 100])
    def test_bound(self, burst: int) -> None:
        """As many as are allowed, and not one more; the refusal says when to come back."""
        tokens = UnknownTokens(4.0, burst=burst)

        assert taken(tokens, burst + 1) == burst
        with pytest.raises(TooManyUnknownTokens) as caught:
            tokens.take(HOME, now=0.05)
        assert caught.value.status == 429
        assert caught.value.retry_after == pytest.approx(0.2)
        assert taken(tokens, 2, now=0.25) == 1
        assert taken(tokens, burst + 1, now=1000.0) == burst

    def test_alone(self) -> None:
        """Who brings too many is refused alone."""
        tokens = UnknownTokens(1.0, burst=2)

        assert taken(tokens, 9) == 2
        assert taken(tokens, 9, address=ELSEWHERE) == 2

    @pytest.mark.parametrize("rate", [0.0, -1.0])
    def test_off(self, rate: float) -> None:
        tokens = UnknownTokens(rate, burst=1)
        tokens.give_back(HOME)

        assert taken(tokens, 50) == 50

    def test_given_back(self) -> None:
        """What nobody could answer is not counted; of what was never taken nothing is given back."""
        tokens = UnknownTokens(1.0, burst=2)
        tokens.give_back(HOME)
        assert taken(tokens, 9) == 2
        tokens.give_back(HOME)

        assert taken(tokens, 9) == 1
        for _ in range(9):
            tokens.give_back(HOME)
        assert taken(tokens, 9) == 2

    def test_usual(self) -> None:
        """A thousand users behind one address, with two devices each, come back at once to a new process."""
        settings = AuthSettings()
        tokens = UnknownTokens(settings.unknown_tokens, burst=settings.unknown_tokens_burst)

        assert taken(tokens, 2001) == 2000


class TestMemory:
    """Addresses are forgotten once they have earned all back."""

    def test_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unknown_tokens, "TIDY_FROM", 10)
        tokens = UnknownTokens(1.0, burst=1)
        for number in range(1000):
            tokens.take(f"192.0.2.{number}", now=10.0 * number)

        assert tokens.addresses <= 10

    def test_seldom_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While very many are busy it is seldom looked who is not: it takes as long as they are many."""
        monkeypatch.setattr(unknown_tokens, "TIDY_FROM", 10)
        tokens = UnknownTokens(1.0, burst=1)
        looks = [number for number in range(1000) if _is_looked_at(tokens, f"192.0.2.{number}")]

        assert looks == [10, 20, 40, 80, 160, 320, 640]


def _is_looked_at(tokens: UnknownTokens, address: str) -> bool:
    """Bring a token of an address; tell whether it was looked who may be forgotten."""
    before = tokens._earned_at
    tokens.take(address, now=0.0)
    return tokens._earned_at is not before
