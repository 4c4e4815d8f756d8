"""
What an identity server said of tokens, and which of them it ever believed.

Pure.  ``now`` is monotonic seconds.  Each is found by the token's digest, and each kind has a bound
of its own, beyond which its oldest is forgotten: however many tokens are made up, none that is good
is forgotten for them.
"""

from typing import Generic, TypeVar

MOST_YES = 10_000  # Answers; with each is what the server said of the user.
MOST_NO = 10_000  # About 2 MB.
MOST_PROVEN = 100_000  # Digests, about 15 MB.

Y = TypeVar("Y")
N = TypeVar("N")


class Answers(Generic[Y, N]):
    """
    Answers, each for a while.

    Args:
        most_yes: Of those that believed a token.
        most_no: Of those that did not.
        most_proven: Tokens that were believed once, for longer than the answer counts.
    """

    def __init__(
        self,
        *,
        most_yes: int = MOST_YES,
        most_no: int = MOST_NO,
        most_proven: int = MOST_PROVEN,
    ) -> None:
        self._yes: _Recent[Y] = _Recent(most_yes)
        self._no: _Recent[N] = _Recent(most_no)
        self._proven: dict[bytes, None] = {}
        self._most_proven = most_proven

    def get(self, digest: bytes, *, now: float) -> Y | N | None:
        """Return what is known of a token; None: nothing that still counts."""
        known = self._yes.get(digest, now)
        return self._no.get(digest, now) if known is None else known

    def is_proven(self, digest: bytes) -> bool:
        """Tell whether a token was believed, and never refused since."""
        return digest in self._proven

    def believe(self, digest: bytes, answer: Y, *, until: float, now: float) -> None:
        """Keep that a token is believed; the answer counts until an instant."""
        self._no.drop(digest)
        self._yes.keep(digest, answer, until=until, now=now)
        self._proven.pop(digest, None)
        self._proven[digest] = None
        if len(self._proven) > self._most_proven:
            del self._proven[next(iter(self._proven))]

    def refuse(self, digest: bytes, answer: N, *, until: float, now: float) -> None:
        """Keep that a token is not believed."""
        self._yes.drop(digest)
        self._proven.pop(digest, None)
        self._no.keep(digest, answer, until=until, now=now)


A = TypeVar("A")


class _Recent(Generic[A]):
    """The last answers of one kind, the oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, tuple[A, float]] = {}

    def get(self, digest: bytes, now: float) -> A | None:
        answer, until = self._known.get(digest, (None, now))
        return answer if now < until else None

    def drop(self, digest: bytes) -> None:
        self._known.pop(digest, None)

    def keep(self, digest: bytes, answer: A, *, until: float, now: float) -> None:
        self.drop(digest)
        if until <= now:
            return
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) < self._most and now < self._known[oldest][1]:
                break
            del self._known[oldest]
        self._known[digest] = answer, until
