"""Rates on Redis, by its clock: one key for each act, which expires.  See `rates.port.Rates`."""

from pathlib import Path

from libs.common.rates.gcra import GRAIN
from libs.common.rates.port import Act
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Script

_HERE = Path(__file__).parent
TAKE = Script.read(_HERE / "take.lua")


class RedisRates:
    """
    Rates of many processes.  See `Rates`.

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
    """

    def __init__(self, connection: RedisConnection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    async def check(self) -> None:
        """See `Rates.check`."""
        await self._connection.check(self._keys.probes("rates"), needs_memory=False)

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """See `Rates.take`."""
        key = self._keys.of("rate", act)
        return float(await self._connection.ask(TAKE.call([key], rate, cost, GRAIN)))
