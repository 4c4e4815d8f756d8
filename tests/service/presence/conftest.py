"""Receivers of webhooks."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.webhook_receiver import Receiver, receiver


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one
