"""What the suites of typists share."""

from collections.abc import AsyncIterator

import pytest

from libs.common.typists.port import Typists
from tests.support.ports.typists import TypingWorld, typing_world


@pytest.fixture
async def world(roster_url: str, prefix: str) -> AsyncIterator[TypingWorld]:
    """Yield two processes whose clock the test moves."""
    async with typing_world(roster_url, prefix) as world:
        yield world


@pytest.fixture
def typists(world: TypingWorld) -> Typists:
    """Return the typists as the first process has them."""
    return world.processes[0].typists
