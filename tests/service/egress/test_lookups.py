"""Lookups of names."""

import asyncio
import threading
from typing import Any

import pytest

from libs.common.egress.lookups import THREADS, Lookups
from tests.support.deadline import DEADLINE


async def test_found() -> None:
    lookups = Lookups()
    async with asyncio.timeout(DEADLINE):
        found = await lookups.resolve("localhost", 80)
        await lookups.close()

    assert {"127.0.0.1", "::1"} >= {each["host"] for each in found} > set()
    assert {each["port"] for each in found} == {80}


async def test_unknown() -> None:
    lookups = Lookups()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(OSError, match=r"."):
            await lookups.resolve("does-not-exist.invalid", 80)
        await lookups.close()


async def test_silent() -> None:
    """Names that nobody answers for keep no thread of the loop's busy, and do not keep it from ending."""
    answered = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        answered.wait(DEADLINE)
        return []

    lookups = Lookups(silent)
    asked = [asyncio.ensure_future(lookups.resolve(f"n{n}", 80)) for n in range(THREADS * 2)]
    async with asyncio.timeout(DEADLINE):
        assert await asyncio.to_thread(lambda: "free") == "free"
        await lookups.close()
        answered.set()
        await asyncio.wait(asked)
