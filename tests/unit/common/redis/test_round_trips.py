"""Round trips to a server that several callers share."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.common.redis.commands import Words, packed
from libs.common.redis.round_trips import MOST_BYTES, MOST_COMMANDS, RoundTrips


class Server:
    """
    Answers each command with its last word, once it may.

    Attributes:
        trips: The last words of each round trip, in order.
        may_answer: Set while it answers.
        fault: What the next round trip fails with.
    """

    def __init__(self) -> None:
        self.trips: list[list[Any]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fault: Exception | None = None

    async def exchange(self, commands: Sequence[Words], written: bytes) -> list[Any]:
        """See `round_trips.Exchange`."""
        assert written == packed(commands)
        self.trips.append([words[-1] for words in commands])
        fault, self.fault = self.fault, None
        await self.may_answer.wait()
        if fault:
            raise fault
        return [words[-1] for words in commands]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def trips(server: Server) -> RoundTrips:
    return RoundTrips(server.exchange, patience=60.0)


def asked(trips: RoundTrips, *words: object) -> "asyncio.Task[list[Any]]":
    """Ask for a command for each word."""
    return asyncio.create_task(trips.exchange([("ECHO", str(word)) for word in words]))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class TestShared:
    """What is there is sent together, and nothing waits for more."""

    async def test_in_one_turn(self, server: Server, trips: RoundTrips) -> None:
        """Who calls in the same turn of the loop shares a round trip; each gets its own replies."""
        callers = [asked(trips, "a"), asked(trips, "b", "c"), asked(trips), asked(trips, "d")]

        assert await asyncio.gather(*callers) == [["a"], ["b", "c"], [], ["d"]]
        assert server.trips == [["a", "b", "c", "d"]]

    async def test_meanwhile(self, server: Server, trips: RoundTrips) -> None:
        """Who calls while one is under way is sent with the next, in the order of the calls."""
        server.may_answer.clear()
        callers = [asked(trips, "a")]
        await turns()
        callers += [asked(trips, number) for number in range(3)]
        await turns()
        sent = list(server.trips)
        server.may_answer.set()

        assert await asyncio.gather(*callers) == [["a"], ["0"], ["1"], ["2"]]
        assert sent == [["a"]]
        assert server.trips == [["a"], ["0", "1", "2"]]

    async def test_one_after_the_other(self, server: Server, trips: RoundTrips) -> None:
        """Who calls alone goes alone."""
        for word in "ab":
            assert await trips.exchange([("ECHO", word)]) == [word]

        assert server.trips == [["a"], ["b"]]


class TestBounds:
    """A round trip has room for so many commands and bytes."""

    async def test_commands(self, server: Server, trips: RoundTrips) -> None:
        """Who has no room is sent with the next, before all who called later."""
        half = MOST_COMMANDS // 2
        await asyncio.gather(*(asked(trips, *range(half)) for _ in range(3)), asked(trips, "x"))

        assert [len(words) for words in server.trips] == [2 * half, half + 1]

    async def test_bytes(self, server: Server, trips: RoundTrips) -> None:
        """So it is with bytes."""
        await asyncio.gather(*(asked(trips, "x" * (MOST_BYTES // 2)) for _ in range(3)))

        assert [len(words) for words in server.trips] == [1, 1, 1]

    @pytest.mark.parametrize("words", [["x"] * (MOST_COMMANDS + 1), ["x" * MOST_BYTES]])
    async def test_alone(self, words: list[str], server: Server, trips: RoundTrips) -> None:
        """Who brings more than that is in nobody's way, and nobody in its own."""
        server.may_answer.clear()
        callers = [asked(trips, "a"), asked(trips, *words)]
        await turns()
        sent = len(server.trips)
        server.may_answer.set()

        assert await asyncio.gather(*callers) == [["a"], words]
        assert sent == 2


class TestTrouble:
    """What happens to one who shares a round trip, and to all of them."""

    @pytest.mark.parametrize("fault", [RedisConnectionError("gone"), ValueError("a bug")])
    async def test_failed(self, fault: Exception, server: Server, trips: RoundTrips) -> None:
        """A round trip that failed is told all who shared it, and the next one goes."""
        server.fault = fault
        calls = [asked(trips, "a"), asked(trips, "b")]
        await asyncio.wait(calls)

        assert [call.exception() for call in calls] == [fault, fault]
        assert await trips.exchange([("ECHO", "c")]) == ["c"]

    async def test_cancelled_before(self, server: Server, trips: RoundTrips) -> None:
        """Who is cancelled before it is sent is left out."""
        server.may_answer.clear()
        callers = [asked(trips, "a")]
        await turns()
        callers += [asked(trips, "b"), asked(trips, "c")]
        await turns()
        callers[1].cancel()
        await turns()
        server.may_answer.set()

        await asyncio.wait(callers)
        assert callers[1].cancelled()
        assert [callers[0].result(), callers[2].result()] == [["a"], ["c"]]
        assert server.trips == [["a"], ["c"]]

    async def test_cancelled_later(self, server: Server, trips: RoundTrips) -> None:
        """Who is cancelled on the way changes nothing for the others, were it the first."""
        server.may_answer.clear()
        callers = [asked(trips, word) for word in "abc"]
        await turns()
        callers[0].cancel()
        await turns()
        server.may_answer.set()

        await asyncio.wait(callers)
        assert callers[0].cancelled()
        assert [caller.result() for caller in callers[1:]] == [["b"], ["c"]]
        assert server.trips == [["a", "b", "c"]]

    async def test_all_cancelled(self, server: Server, trips: RoundTrips) -> None:
        """Where nobody is left nothing is sent."""
        server.may_answer.clear()
        first, second = asked(trips, "a"), asked(trips, "b")
        first.cancel()
        second.cancel()
        await asyncio.wait([first, second])
        server.may_answer.set()

        assert await trips.exchange([("ECHO", "c")]) == ["c"]
        assert server.trips == [["c"]]

    async def test_patience(self, server: Server) -> None:
        """Who has waited for too long behind a round trip is told; that one goes on."""
        trips = RoundTrips(server.exchange, patience=0.0)
        server.may_answer.clear()
        first = asked(trips, "a")
        await turns()

        for word in "bc":  # Each time anew.
            with pytest.raises(RedisTimeoutError, match="no connection became free"):
                await trips.exchange([("ECHO", word)])
        server.may_answer.set()

        assert await first == ["a"]
        assert await trips.exchange([("ECHO", "d")]) == ["d"]
        assert server.trips == [["a"], ["d"]]

    async def test_closed(self, server: Server, trips: RoundTrips) -> None:
        """Closing ends what is under way, and fails who waits."""
        server.may_answer.clear()
        callers = [asked(trips, "a")]
        await turns()
        callers.append(asked(trips, "b"))
        await turns()
        await trips.close()

        failures = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(failure) for failure in failures] == [RedisConnectionError] * 2
        assert server.trips == [["a"]]
