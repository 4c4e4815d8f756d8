"""
The keys of one issuer, at hand when tokens come.

Read when the service starts, and again when somebody needs them and they are older than their ttl;
meanwhile the old ones go on being used, up to a hard bound.  One request is under way at a time,
failed ones are repeated with backoff.  Tokens that name unknown keys cause one request in
`COOLDOWN`, however many they are, if they are from one address, and one in `PAUSE` wherever they
are from: whoever makes keys up keeps nobody from a new key that is there.  A caller waits only
where it cannot be answered from what is known, and never between two attempts.
"""

import asyncio
import math
from collections.abc import Callable

import structlog

from libs.common.outage import Outage
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act
from libs.common.retry import Backoff
from services.auth.identity.bearer_tokens import BadToken, Header
from services.auth.identity.jwk_sets import KeySet, parse
from services.auth.identity.provider import ProviderQuery, ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from services.auth.identity.verifying_keys import VerifyingKey
from services.auth.settings import Issuer

MAX_BODY = 256 * 1024  # Bytes.
TIMEOUT = 5.0  # Seconds for one request.
COOLDOWN = 30.0  # Seconds between two requests that unknown keys from one address cause.
PAUSE = 2.0  # Seconds between two that unknown keys cause at all.
PATIENCE = PAUSE + TIMEOUT + 1.0  # Seconds that a caller waits for the request that is under way.
FIRST_RETRY, LAST_RETRY = 0.5, 15.0  # Seconds.

log = structlog.get_logger()


class Jwks:
    """
    The keys that an issuer publishes.

    Args:
        issuer: The issuer that publishes the keys.
        client: Sends the queries.
        ttl: Seconds for which keys are fresh once they are read.
        max_age: Seconds after which they are not used any more.
        timer: Monotonic seconds.
        backoff: The delays between attempts.
        timeout: Seconds in which one request must be answered.
        patience: Seconds that a caller waits for the request that is under way.
        pause: Seconds between two requests that unknown keys cause.

    Attributes:
        reads: How often the keys were asked for, by result: ``read`` or ``failed``.
    """

    def __init__(
        self,
        issuer: Issuer,
        client: ProviderClient,
        *,
        ttl: float,
        max_age: float,
        timer: Callable[[], float],
        backoff: Backoff | None = None,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        pause: float = PAUSE,
    ) -> None:
        self._issuer = issuer
        self._question = ProviderQuery("GET", issuer.jwks, MAX_BODY, timeout)
        self._client = client
        self._ttl = ttl
        self._max_age = max_age
        self._timer = timer
        self._patience = patience
        self._backoff = backoff or Backoff(FIRST_RETRY, LAST_RETRY)
        self._keys = KeySet(())
        self._read_at = -math.inf
        self.reads = {"read": 0, "failed": 0}
        self._pause = pause
        self._seekers = MemoryRates(timer)
        self._sought_at = -math.inf
        self._begun = 0  # Requests: what came of one that began meanwhile is the newest there is.
        self._is_sought = False  # Whether an unknown key is why they are wanted.
        self._outage = Outage("identity/jwks", issuer=issuer.issuer)
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()  # Nothing is under way that a caller should wait for.
        self._settled.set()

    async def check(self) -> None:
        """Raise Unavailable if the last question had no answer; nothing is asked."""
        self._outage.ensure()

    async def find(self, header: Header, *, address: str) -> VerifyingKey:
        """
        Find the key that a token names.

        Args:
            header: What the token says of its signature.
            address: Where it is from, as limits by address count it.

        Raises:
            BadToken: The issuer has none of that name, or not for that algorithm.
            ProviderUnavailable: The issuer's keys are not known.
        """
        known = (await self._current()).find(header)
        begun = self._begun
        if known is None:
            known = (await self._next()).find(header)
        if known is None and begun == self._begun and await self._may_seek(address):
            self._is_sought = True
            self._want()
            known = (await self._next()).find(header)
        if known is None:
            raise BadToken("the token's key is not one of its issuer's")
        return known

    async def run(self) -> None:
        """Read the keys now, and whenever they are wanted, until cancelled."""
        self._want()
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._wait_if_sought()
                await self._read_until_done()
        finally:
            self._settled.set()

    async def _read_until_done(self) -> None:
        while not await self._read():
            self._settled.set()
            await asyncio.sleep(self._backoff.delay())
            self._settled.clear()
        self._backoff.reset()
        self._settled.set()

    async def _current(self) -> KeySet:
        """Return what is known, unless that is too old."""
        if self.age >= self._ttl:
            self._want()
        if self.age >= self._max_age:
            await self._attempt()
        if self.age >= self._max_age:
            raise ProviderUnavailable(self._outage.reason or "its keys are not read yet")
        return self._keys

    async def _next(self) -> KeySet:
        """Return what the issuer has once nothing is under way any more."""
        await self._attempt()
        if self._outage.is_away:  # The key may be there, and we do not know.
            raise ProviderUnavailable(self._outage.reason)
        return self._keys

    async def _may_seek(self, address: str) -> bool:
        return await self._seekers.take(Act("key", address), rate=1 / COOLDOWN) <= 0

    async def _wait_if_sought(self) -> None:
        if self._is_sought:
            await asyncio.sleep(max(0.0, self._sought_at + self._pause - self._timer()))
            self._is_sought, self._sought_at = False, self._timer()

    @property
    def age(self) -> float:
        """Seconds since the keys were read; infinite until they were."""
        return self._timer() - self._read_at

    @property
    def is_read(self) -> bool:
        """Whether they were read once."""
        return self._read_at > -math.inf

    def _want(self) -> None:
        if not self._outage.is_away and self._settled.is_set():  # Else it is under way already.
            self._settled.clear()
            self._wanted.set()

    async def _attempt(self) -> None:
        """Wait for the attempt that is under way, if one is."""
        try:
            async with asyncio.timeout(self._patience):
                await self._settled.wait()
        except TimeoutError as error:
            raise ProviderUnavailable("its keys are waited for") from error

    async def _read(self) -> bool:
        self._begun += 1
        try:
            keys = parse(await self._client.ask(self._question), self._issuer.algorithms)
        except ProviderUnavailable as error:
            self._outage.lost(error.reason)
            self.reads["failed"] += 1
            return False
        self._keys, self._read_at = keys, self._timer()
        self._outage.found()
        self.reads["read"] += 1
        log.info("keys.read", issuer=self._issuer.issuer, keys=len(keys.keys))
        return True
