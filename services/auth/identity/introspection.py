"""
Opaque tokens of one app: its identity server is asked, and its answers are remembered for seconds.

One request is under way for a token, however many wait for its answer.  What is remembered has a
bound, is found by a digest, and never outlives the token.  A failure is remembered by nobody: the
next request asks again.  How many tokens that were never believed an address may bring has a rate,
and whose question comes next an order (`asking`): whoever makes tokens up waits for itself alone.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from libs.common.outage import Outage
from libs.common.rates.limited import note_limited
from services.auth.identity.asking.answers import Answers
from services.auth.identity.asking.fair_line import FairLine, TurnMissed
from services.auth.identity.asking.unknown_tokens import TooManyUnknownTokens, UnknownTokens
from services.auth.identity.bearer_tokens import BadToken, Identity
from services.auth.identity.credentials import Credential
from services.auth.identity.opaque_tokens import question, read
from services.auth.identity.provider import ProviderReply, ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from services.auth.settings import Introspection

SHARE_OF_NO = 0.2  # Of the cache's seconds, for which a no is believed.
# Seconds that a question waits for its turn: a thousand users behind one address, who come back at
# once, have theirs meanwhile where an answer takes a quarter of a second.
PATIENCE = 10.0

_Outcome = Identity | BadToken | ProviderUnavailable


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who wants to know.

    Attributes:
        credential: The token, and how it came.
        address: Where the request is from, as limits by address count it.
        is_known: Whether the token was believed before.
    """

    credential: Credential
    address: str
    is_known: bool


class Introspector:
    """
    Tells whose an opaque token is.

    Args:
        spec: Which identity server is asked, and how.
        client: Sends the queries.
        clock: UTC epoch seconds.
        timer: Monotonic seconds.
        line: Says who asks this server next.
        unknown: Bounds the tokens that were never believed.
        answers: What is remembered.
    """

    def __init__(
        self,
        spec: Introspection,
        client: ProviderClient,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        line: FairLine,
        unknown: UnknownTokens,
        answers: Answers[Identity, BadToken] | None = None,
    ) -> None:
        self._spec = spec
        self._client = client
        self._clock = clock
        self._timer = timer
        self._line = line
        self._unknown = unknown
        self._answers = answers or Answers()
        self._flights: dict[bytes, asyncio.Future[_Outcome]] = {}
        self._outage = Outage("identity/introspection", app=spec.app)
        self._answered_at = -math.inf

    async def check(self) -> None:
        """Raise Unavailable if the last question had no answer; nothing is asked."""
        self._outage.ensure()

    async def user(self, credential: Credential, *, address: str) -> Identity:
        """
        Tell who is calling.

        Args:
            credential: What the request brings.
            address: Where it is from, as limits by address count it.

        Raises:
            BadToken: The identity server does not believe the token.
            TooManyUnknownTokens: The address has brought too many that nobody believed yet.
            ProviderUnavailable: It gives no clear answer in time.
        """
        digest = credential.digest
        while True:
            known = self._recalled(digest)
            if known is not None:
                return _user(known)
            flight = self._flights.get(digest)
            if flight is None:
                return _user(await self._led(digest, credential, address))
            # As long as the one who leads may take.
            await asyncio.wait({flight})
            if not flight.cancelled():
                return _user(flight.result())

    async def _led(self, digest: bytes, credential: Credential, address: str) -> _Outcome:
        """Ask for all who want to know."""
        asker = Asker(credential, address, self._answers.is_proven(digest))
        if not asker.is_known:
            self._count(address)
        flight = self._flights[digest] = asyncio.get_running_loop().create_future()
        try:
            asked_at = self._timer()
            outcome = await self._asked(asker)
            self._remember(digest, outcome, asked_at)
            flight.set_result(outcome)
        finally:
            del self._flights[digest]
            flight.cancel()  # Where whoever led was cancelled another asks.
        return outcome

    def _count(self, address: str) -> None:
        try:
            self._unknown.take(address, now=self._timer())
        except TooManyUnknownTokens:
            note_limited("unknown_tokens")
            raise

    async def _asked(self, asker: Asker) -> _Outcome:
        try:
            reply = await self._reply(asker)
        except TurnMissed as error:
            return self._unanswered(asker, str(error))
        except ProviderUnavailable as error:
            self._lost(asker, error)
            return self._unanswered(asker, error.reason)
        try:
            user = read(self._spec, reply, now=self._clock())
        except BadToken as error:
            self._found()
            return BadToken(str(error))  # Without its traceback, which holds the token.
        except ProviderUnavailable as error:
            self._lost(asker, error)
            return ProviderUnavailable(error.reason)
        self._found()
        return user

    async def _reply(self, asker: Asker) -> ProviderReply:
        async with self._line.turn(asker.address, is_known=asker.is_known, timeout=PATIENCE):
            return await self._client.ask(question(self._spec, asker.credential))

    def _unanswered(self, asker: Asker, reason: str) -> ProviderUnavailable:
        """Count nothing where nobody answered: else an outage would keep out who comes back."""
        if not asker.is_known:
            self._unknown.give_back(asker.address)
        return ProviderUnavailable(reason)

    def _found(self) -> None:
        self._answered_at = self._timer()
        self._outage.found()

    def _lost(self, asker: Asker, error: ProviderUnavailable) -> None:
        """Take note, but not where a token that may be made up is all that it stumbles over."""
        if asker.is_known or self._timer() - self._answered_at >= self._spec.timeout:
            self._outage.lost(error.reason)

    def _recalled(self, digest: bytes) -> Identity | BadToken | None:
        known = self._answers.get(digest, now=self._timer())
        is_over = isinstance(known, Identity) and self._clock() >= known.expires_at
        return None if is_over else known

    def _remember(self, digest: bytes, outcome: _Outcome, asked_at: float) -> None:
        now, cache = self._timer(), self._spec.cache
        match outcome:
            case Identity():
                self._answers.believe(digest, outcome, until=asked_at + cache, now=now)
            case BadToken():
                until = asked_at + cache * SHARE_OF_NO
                self._answers.refuse(digest, outcome, until=until, now=now)


def _user(outcome: _Outcome) -> Identity:
    """Return the user; else raise what came of the question, anew for each who asks."""
    match outcome:
        case Identity():
            return outcome
        case ProviderUnavailable(reason=reason):
            raise ProviderUnavailable(reason)
    raise BadToken(str(outcome))
