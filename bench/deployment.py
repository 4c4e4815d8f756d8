"""What is measured: Fanfare's own processes, started as operators do, on the bench's own Redis."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from libs.common.apps.app import App
from libs.common.bus.port import Bus
from libs.common.bus.redis import RedisBus
from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.deployments.program import HERE, Program, Release, program

APP = App(id="1", key="bench-key", secrets=(Secret("bench-secret"),))
PREFIX = "bench"
MEMORY = "memory://"
MEMBERS = 1000  # That a presence channel may have.

_SETTINGS = """
[backends]
prefix = "{prefix}"
bus = "{redis}"
roster = "{redis}"
{more_backends}

[gateway]
activity_timeout = 300
{more_gateway}

[[apps]]
id = "{app.id}"
key = "{app.key}"
secrets = ["{secret}"]
limits = {{ members = {members} }}
"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Where processes meet.

    Attributes:
        redis: The URL of the bus and the roster.
        directory: For configurations and logs.
        release: Whose code runs.
    """

    redis: str
    directory: Path
    release: Release = HERE

    @property
    def on_memory(self) -> "Deployment":
        """The same, of a process that needs no server."""
        return replace(self, redis=MEMORY)

    @asynccontextmanager
    async def running(
        self,
        *services: str,
        backends: str = "",
        more: str = "",
        gateway: str = "",
        prefix: str = PREFIX,
        members: int = MEMBERS,
    ) -> AsyncIterator[Program]:
        """
        Run services in one process.

        All settings are the defaults, but for pings: on a slow machine they would come within a
        run, and be counted as deliveries.

        Args:
            services: The names of the services; none: all four.
            backends: Further lines of the section ``[backends]``.
            more: Further sections.
            gateway: Further lines of the section ``[gateway]``.
            prefix: Begins the keys on Redis: who has another one is in another deployment.
            members: That a presence channel may have.
        """
        name = f"{'-'.join(services) or 'all'}-{secrets.token_hex(4)}"
        config = self.directory / f"{name}.toml"
        settings = _SETTINGS.format(
            prefix=prefix,
            redis=self.redis,
            app=APP,
            secret=APP.secrets[0].reveal(),
            members=members,
            more_gateway=gateway,
            more_backends=backends,
        )
        config.write_text(settings + more)
        log = self.directory / f"{name}.log"
        async with program(*services, config=config, log=log, release=self.release) as process:
            yield process

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """Open the bus, to publish on it as the dispatcher does."""
        async with RedisConnection(Url(self.redis), "bus") as connection:
            yield RedisBus(connection, Keys(PREFIX))
