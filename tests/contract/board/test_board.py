"""The contract of `board.Board`, on every adapter."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.board.port import LONGEST, Board
from tests.support.deadline import DEADLINE
from tests.support.ports.boards import MEMORY, boards

LONG = 3600.0  # Seconds that do not pass in a test.
SHORT = 0.001  # Seconds that do.


@pytest.fixture(
    params=[MEMORY, "redis_url", "redis_cluster_url"], ids=["memory", "redis", "cluster"]
)
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


@pytest.fixture
async def site(url: str, prefix: str) -> AsyncIterator[tuple[Board, Board]]:
    async with boards(url, prefix) as opened:
        yield opened


async def texts(board: Board) -> dict[str, bytes]:
    return {entry.process: entry.text for entry in await board.read()}


class TestTell:
    """What a process tells stands there for every process, until it tells again."""

    async def test_read(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("b", b"\xff\x00", ttl=LONG)
        await other.tell("a", b"", ttl=LONG)

        entries = await other.read()

        assert [(entry.process, entry.text) for entry in entries] == [
            ("a", b""),
            ("b", b"\xff\x00"),
        ]
        assert not any(entry.is_silent for entry in entries)
        assert all(0 <= entry.age < DEADLINE for entry in entries)

    async def test_again(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"first", ttl=LONG)
        await one.tell("a", b"second", ttl=LONG)

        assert await texts(other) == {"a": b"second"}

    async def test_nobody(self, site: tuple[Board, Board]) -> None:
        assert await site[0].read() == []

    async def test_longest(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"x" * LONGEST, ttl=LONG)
        with pytest.raises(ValueError, match="65536 bytes at most, not 65537"):
            await one.tell("a", b"x" * (LONGEST + 1), ttl=LONG)

        assert await texts(other) == {"a": b"x" * LONGEST}


class TestSilence:
    """A process that does not tell again in time is silent, and still named."""

    async def test_lapsed(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"text", ttl=SHORT)
        await one.tell("b", b"text", ttl=LONG)

        async with asyncio.timeout(DEADLINE):
            while not (entries := {each.process: each for each in await other.read()})[
                "a"
            ].is_silent:
                pass

        assert entries["a"].text == b"text"
        assert entries["a"].age >= SHORT
        assert not entries["b"].is_silent

    async def test_back(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"text", ttl=SHORT)
        await one.tell("a", b"text", ttl=LONG)

        assert [entry.is_silent for entry in await other.read()] == [False]


class TestWithdraw:
    """A process that ends in order is not missing."""

    async def test_gone(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"text", ttl=LONG)
        await one.tell("b", b"text", ttl=LONG)
        await one.withdraw("a")
        await one.withdraw("nobody")

        assert await texts(other) == {"b": b"text"}

    async def test_returns(self, site: tuple[Board, Board]) -> None:
        one, other = site
        await one.tell("a", b"text", ttl=LONG)
        await one.withdraw("a")
        await one.tell("a", b"again", ttl=LONG)

        assert await texts(other) == {"a": b"again"}


async def test_bounded(url: str, prefix: str) -> None:
    """Of too many processes those are forgotten which told least lately."""
    async with boards(url, prefix, most=3) as (one, other):
        for process in ("a", "b", "c", "a", "d", "e"):
            await one.tell(process, b"text", ttl=LONG)
            await asyncio.sleep(0.002)  # The clock of the server has milliseconds.

        assert sorted(await texts(other)) == ["a", "d", "e"]
