"""What tests of services begin with."""

from collections.abc import AsyncIterator

import pytest

from libs.common.memberships.memory import MemoryMemberships
from tests.support.services.auth_memberships import Site, site
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
