"""What tests of services begin with."""

from collections.abc import AsyncIterator, Callable

import pytest

from libs.common.memberships.memory import MemoryMemberships
from services.gateway import service
from services.gateway.channels import feed, position_check
from services.gateway.connections import socket as sockets
from services.gateway.connections import ticker
from tests.support.services.auth_memberships import Site, site
from tests.support.services.gateway import POLL
from tests.support.services.listener import Listener, listening


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def memory() -> AsyncIterator[Site]:
    """Yield auth around memberships in memory."""
    async with site(MemoryMemberships()) as opened:
        yield opened


@pytest.fixture
def drain_timeout(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time that closing connections have."""
    return lambda seconds: monkeypatch.setattr(sockets, "DRAIN_TIMEOUT", seconds)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a gateway look after things often, so that nobody waits for it."""
    monkeypatch.setattr(feed, "POLL", POLL)
    monkeypatch.setattr(position_check, "POLL", POLL)
    monkeypatch.setattr(ticker, "TICK", POLL)
    monkeypatch.setattr(service, "DRAIN_SLICE", POLL)
