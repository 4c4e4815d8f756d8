"""Where a bench is held: servers of its own, started when first needed, and the code to measure."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import authorising
from bench.beside.release import checked_out
from bench.deployment import Deployment
from tests.support.servers import Server, kafka_server, postgres_server, redis_server


@dataclass(slots=True)
class Place:
    """
    Where a bench is held.

    Attributes:
        redis: Its Redis.
        here: Processes of the code that is here.
        base: Processes of an earlier release; None: nothing is compared.
    """

    redis: Server
    here: Deployment
    base: Deployment | None
    _stack: AsyncExitStack
    _urls: dict[str, str] = field(default_factory=dict)

    @property
    def sides(self) -> Sequence[Deployment]:
        """What is measured by turns: first what is here."""
        return [self.here] if self.base is None else [self.here, self.base]

    async def kafka(self) -> str:
        """Return the URL of its Kafka."""
        if "kafka" not in self._urls:
            server = await self._stack.enter_async_context(kafka_server())
            self._urls["kafka"] = server.url
        return self._urls["kafka"]

    async def postgres(self) -> str:
        """Return the URL of its PostgreSQL, where the memberships are that the bench asks for."""
        if "postgres" not in self._urls:
            server = await self._stack.enter_async_context(postgres_server())
            await authorising.prepare(server.url)
            self._urls["postgres"] = server.url
        return self._urls["postgres"]


@asynccontextmanager
async def opened(directory: Path, base: str | None) -> AsyncIterator[Place]:
    """
    Hold a bench.

    Args:
        directory: For configurations, logs and the code of the earlier release.
        base: The commit of that; None: nothing is compared.

    Raises:
        Failed: There is no such commit.
    """
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(durable=False))
        here = Deployment(redis.url, directory)
        earlier = None
        if base is not None:
            release = await stack.enter_async_context(checked_out(base, directory / "base"))
            earlier = replace(here, release=release)
        yield Place(redis, here, earlier, stack)
