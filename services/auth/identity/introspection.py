"""
Opaque tokens of one app: its identity server is asked, and its answers are remembered for seconds.

One request is under way for a token, however many wait for its answer.  What is remembered has a
bound, is found by a digest, and never outlives the token.  A failure is remembered by nobody: the
next request asks again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from libs.common.outage import Outage
from services.auth.identity.bearer_tokens import BadToken, Identity
from services.auth.identity.credentials import Credential
from services.auth.identity.opaque_tokens import question, read
from services.auth.identity.provider import ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from services.auth.settings import Introspection

MAX_ENTRIES = 5000  # Answers that are remembered.
MAX_FLIGHTS = 5000  # Tokens that are asked about at once; `ProviderClient` lets fewer through.
SHARE_OF_NO = 0.2  # Of the cache's seconds, for which a no is believed.


@dataclass(frozen=True, slots=True)
class _Answer:
    """
    What came of a question.

    Attributes:
        outcome: The user, or why there is none.
        until: Monotonic seconds until which it is believed.
    """

    outcome: Identity | BadToken | ProviderUnavailable
    until: float

    @property
    def user(self) -> Identity:
        """The user; else raises what it is, anew for each who asks."""
        match self.outcome:
            case Identity():
                return self.outcome
            case ProviderUnavailable(reason=reason):
                raise ProviderUnavailable(reason)
            case _:
                raise BadToken(str(self.outcome))


class Introspector:
    """
    Tells whose an opaque token is.

    Args:
        spec: Which identity server is asked, and how.
        client: Sends the queries.
        clock: UTC epoch seconds.
        timer: Monotonic seconds.
        max_entries: Answers that are remembered at most; the oldest are forgotten first.
        max_flights: Tokens that are asked about at once; beyond, a request is refused.
    """

    def __init__(
        self,
        spec: Introspection,
        client: ProviderClient,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        max_entries: int = MAX_ENTRIES,
        max_flights: int = MAX_FLIGHTS,
    ) -> None:
        self._spec = spec
        self._client = client
        self._clock = clock
        self._timer = timer
        self._max_entries = max_entries
        self._max_flights = max_flights
        self._known: dict[bytes, _Answer] = {}
        self._flights: dict[bytes, asyncio.Future[_Answer]] = {}
        self._outage = Outage("identity/introspection", app=spec.app)

    async def check(self) -> None:
        """Raise Unavailable if the last question had no answer; nothing is asked."""
        self._outage.ensure()

    async def user(self, credential: Credential) -> Identity:
        """
        Tell who is calling.

        Raises:
            BadToken: The identity server does not believe the token.
            ProviderUnavailable: It gives no clear answer in time.
        """
        digest = credential.digest
        while True:
            known = self._recalled(digest)
            if known is not None:
                return known.user
            flight = self._flights.get(digest)
            if flight is None:
                return (await self._led(digest, credential)).user
            # As long as `ProviderClient` may take for the one who leads.
            await asyncio.wait({flight})
            if not flight.cancelled():
                return flight.result().user

    async def _led(self, digest: bytes, credential: Credential) -> _Answer:
        """Ask for all who want to know."""
        if len(self._flights) >= self._max_flights:
            raise ProviderUnavailable("too many tokens wait for an answer")
        flight = self._flights[digest] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._asked(credential)
            self._remember(digest, answer)
            flight.set_result(answer)
        finally:
            del self._flights[digest]
            flight.cancel()  # Where whoever led was cancelled another asks.
        return answer

    async def _asked(self, credential: Credential) -> _Answer:
        asked_at = self._timer()
        try:
            reply = await self._client.ask(question(self._spec, credential))
            user = read(self._spec, reply, now=self._clock())
        except BadToken as error:
            self._outage.found()
            return _Answer(error, asked_at + self._spec.cache * SHARE_OF_NO)
        except ProviderUnavailable as error:
            self._outage.lost(error.reason)
            return _Answer(error, asked_at)
        self._outage.found()
        return _Answer(user, asked_at + self._spec.cache)

    def _recalled(self, digest: bytes) -> _Answer | None:
        answer = self._known.get(digest)
        if answer is None or self._timer() >= answer.until:
            return None
        if isinstance(answer.outcome, Identity) and self._clock() >= answer.outcome.expires_at:
            return None
        return answer

    def _remember(self, digest: bytes, answer: _Answer) -> None:
        now = self._timer()
        self._known.pop(digest, None)
        if answer.until <= now:
            return
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) < self._max_entries and self._known[oldest].until > now:
                break
            del self._known[oldest]
        self._known[digest] = answer
