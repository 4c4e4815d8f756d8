"""What clients send is taken in so that none of them makes the others wait."""

import asyncio

import pytest

from libs.common.apps.limits import Limits
from libs.common.rates.limited import refusals_by_limit
from services.gateway.counters import Counters
from services.gateway.intake.intake import FRAMES, MESSAGE, Intake
from services.gateway.intake.limits import UNREAD, IntakeLimits
from services.gateway.intake.turns import SLICE, TURN
from tests.support.clients.raw_client import PING, masked
from tests.support.services.gateway import until
from tests.unit.gateway.intake.clients import Client

STEP = 0.25  # Seconds.
PINGS = masked(b"", PING)
SUBSCRIBE = masked(
    b'{"event":"pusher:subscribe","data":{"auth":"key:%s","channel":"private-channel-%%d"}}'
    % (b"0" * 64)
)


class Clock:
    """Shows what a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Entrance:
    """An intake, and what it counts."""

    def __init__(self, **limits: float) -> None:
        self.clock = Clock()
        self.counters = Counters()
        allowed = IntakeLimits(sweep=STEP, **limits)  # type: ignore[arg-type]
        self.intake = Intake(allowed, self.counters, clock=self.clock)

    def send(self, client: Client, *frames: bytes) -> None:
        data = b"".join(frames)
        client.reader.feed(data)
        self.intake.arrived(client, len(data))

    async def pass_(self, seconds: float) -> None:
        """Let time pass, by the clock of the intake, in steps after each of which it looks."""
        for _ in range(round(seconds / STEP)):
            self.clock.now += STEP
            self.intake.look()
            await turns()


async def turns() -> None:
    """Let the loop turn as often as it takes to work on what one client has sent."""
    for _ in range(30):
        await turn()


async def turn() -> None:
    await asyncio.sleep(0)


class TestTurns:
    """What one connection has sent is worked on in slices."""

    async def test_little(self) -> None:
        """A little is worked on at once."""
        entrance, client = Entrance(), Client()

        entrance.send(client, *[PINGS] * SLICE)

        assert len(client.heard) == SLICE
        assert client.is_read()

    async def test_much(self) -> None:
        """Of much, the rest is worked on in the next turns of the loop, and nothing is read meanwhile."""
        entrance, client = Entrance(), Client()
        frames = 2 * TURN + 1

        entrance.send(client, *[PINGS] * frames)

        assert len(client.heard) == SLICE
        assert not client.is_read()
        await turn()
        assert len(client.heard) <= SLICE + TURN
        assert not client.is_read()
        await turn()
        await turn()
        assert len(client.heard) == frames
        assert client.is_read()
        assert len(entrance.intake) == 0

    async def test_fair(self) -> None:
        """A ping is heard at once, whatever others have sent, and they all get the same."""
        entrance, others, watched = Entrance(), [Client() for _ in range(400)], Client()
        for other in others:
            entrance.send(other, *[PINGS] * 100)

        before = sum(len(other.heard) for other in others)
        entrance.send(watched, PINGS)

        assert len(watched.heard) == 1
        assert before <= TURN + SLICE + len(others)
        most = 0
        while any(not other.is_read() for other in others):
            heard = sum(len(other.heard) for other in others)
            await turn()
            most = max(most, sum(len(other.heard) for other in others) - heard)
            counts = [len(other.heard) for other in others]
            assert max(counts) - min(counts) <= 2 * SLICE
        assert most <= TURN + SLICE
        assert all(len(other.heard) == 100 for other in others)

    async def test_large_stands_in_line(self) -> None:
        """What is large waits for its turn while others do."""
        entrance, other, client = Entrance(), Client(), Client()
        entrance.send(other, *[PINGS] * (SLICE + 1))

        entrance.send(client, masked(b"x" * 10_000))

        assert client.heard == []
        await turn()
        assert len(client.heard) == 1
        assert client.is_read()

    async def test_gone_meanwhile(self) -> None:
        """Of a client that is gone nothing more is worked on."""
        entrance, client = Entrance(), Client()
        entrance.send(client, *[PINGS] * 100)

        client.is_open = False
        entrance.intake.forget(client)
        await turn()

        assert len(client.heard) == SLICE
        assert len(entrance.intake) == 0

    async def test_fault(self) -> None:
        """A fault ends the connection that met it, and no other one."""
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        entrance, faulty, other = Entrance(), Client(), Client()
        for client in (faulty, other):
            entrance.send(client, *[PINGS] * 100)

        faulty.fails = True
        await until(other.is_read)

        assert faulty.writing.transport.is_aborted
        assert len(other.heard) == 100
        assert len(told) == 1


class TestFrames:
    """How many frames a client may send."""

    LIMITS = Limits(channels=1, client_events=0)

    async def test_beyond(self) -> None:
        """Beyond what it may send it is not heard, until it may again; in order, and with nothing lost."""
        entrance, client = Entrance(frames=100, burst=40), Client(self.LIMITS)
        sent = [b"%d" % number for number in range(60)]

        entrance.send(client, *(masked(text, PING) for text in sent))
        await turns()

        assert 40 <= len(client.heard) <= 40 + SLICE
        assert not client.is_read()
        assert entrance.counters.paused == {"frames": 1}
        await entrance.pass_(0.5)
        assert client.is_read()
        assert client.heard == sent
        assert not client.expelled

    async def test_returns(self) -> None:
        """A client that comes back with all that its app allows is never held."""
        limits = Limits()
        entrance, client = Entrance(frames=100, burst=400, patience=30), Client(limits)
        sign_in = masked(b'{"event":"pusher:signin","data":{"auth":"key:0","user_data":"{}"}}')
        event = masked(b'{"event":"client-said","channel":"private-a","data":"so \\u00fc"}')

        entrance.send(client, sign_in, *[SUBSCRIBE] * limits.channels)
        for _ in range(10):
            entrance.send(client, *[event] * int(limits.client_events))
            await entrance.pass_(1.0)

        assert len(client.heard) == 1 + limits.channels + 10 * limits.client_events
        assert entrance.counters.paused == {}

    async def test_stays_beyond(self) -> None:
        """Who goes on for longer than it is borne with is closed."""
        entrance, client = Entrance(frames=100, burst=40, patience=3), Client(self.LIMITS)
        before = refusals_by_limit().get("frames", 0)

        entrance.send(client, *[PINGS] * 1000)
        await entrance.pass_(2.75)
        assert not client.expelled
        await entrance.pass_(0.75)

        assert client.expelled == FRAMES
        assert len(client.heard) <= 40 + 100 * 4
        assert client.is_read()  # So that what it sends meanwhile does not reset the connection.
        assert refusals_by_limit()["frames"] == before + 1

    async def test_catches_up(self) -> None:
        """Who is held now and then, and is quiet between, is not closed."""
        entrance, client = Entrance(frames=100, burst=40, patience=3), Client(self.LIMITS)

        for _ in range(4):
            entrance.send(client, *[PINGS] * 50)
            await turns()
            assert not client.is_read()
            await entrance.pass_(2.0)
            assert client.is_read()

        assert not client.expelled
        assert entrance.counters.paused == {"frames": 4}

    async def test_lifted(self) -> None:
        """Without a limit any number may come."""
        entrance, client = Entrance(), Client()

        entrance.send(client, *[PINGS] * 5000)
        await turns()

        assert len(client.heard) == 5000
        assert entrance.counters.paused == {}


class TestAnswers:
    """A client that does not read what it is answered."""

    async def test_paused(self) -> None:
        """It is heard again once it has read."""
        entrance, client = Entrance(), Client()
        client.writing.unsent = UNREAD + 1

        entrance.send(client, *[PINGS] * 100)
        assert not client.is_read()
        assert len(client.heard) == SLICE

        client.writing.unsent = 0
        entrance.intake.drained(client)
        await turns()
        assert client.is_read()
        assert len(client.heard) == 100

    async def test_sign_of_life(self) -> None:
        """A little of what it says is heard all the same, each second."""
        entrance, client = Entrance(), Client()
        client.writing.unsent = UNREAD + 1
        entrance.send(client, *[PINGS] * 100)

        for count in (2, 3):
            await entrance.pass_(1.0)
            assert len(client.heard) == SLICE * count
            assert not client.is_read()

    async def test_not_while_held(self) -> None:
        """It is not heard by reading, if it has sent too much."""
        entrance = Entrance(frames=100, burst=40)
        client = Client(TestFrames.LIMITS)
        entrance.send(client, *[PINGS] * 100)
        await turns()
        heard = len(client.heard)

        entrance.intake.drained(client)
        await turns()

        assert len(client.heard) == heard


class TestMessageTimeout:
    """From the first byte of a message to its last."""

    @pytest.mark.parametrize(
        "piece",
        [masked(b"a", final=False), masked(b"abc")[:5], b"\x81"],
        ids=["fragment", "frame", "byte"],
    )
    async def test_unfinished(self, piece: bytes) -> None:
        """Who does not finish a message is closed."""
        entrance, client = Entrance(message_timeout=30), Client()
        before = refusals_by_limit().get("message_timeout", 0)

        entrance.send(client, piece)
        await entrance.pass_(29)
        assert not client.expelled
        await entrance.pass_(1)

        assert client.expelled == MESSAGE
        assert refusals_by_limit()["message_timeout"] == before + 1

    async def test_goes_on(self) -> None:
        """So is who goes on with fragments, and pings between them, but has no end."""
        entrance, client = Entrance(message_timeout=30), Client()
        entrance.send(client, masked(b"a", final=False))

        for _ in range(31):
            entrance.send(client, masked(b"a", 0, final=False), PINGS)
            await entrance.pass_(1)

        assert client.expelled == MESSAGE

    async def test_finished(self) -> None:
        """Each message has its own time."""
        entrance, client = Entrance(message_timeout=30), Client()
        entrance.send(client, masked(b"a", final=False))

        for _ in range(3):
            await entrance.pass_(20)
            entrance.send(client, masked(b"b", 0) + masked(b"a", final=False))
        entrance.send(client, masked(b"b", 0))
        await entrance.pass_(40)

        assert client.heard == [b"ab"] * 4
        assert not client.expelled

    async def test_held_loop(self) -> None:
        """Seconds in which the loop stood still count for nobody: what came in them was not read."""
        entrance, client = Entrance(message_timeout=30), Client()
        entrance.send(client, masked(b"a", final=False))

        entrance.clock.now += 40.0
        entrance.intake.look()

        assert not client.expelled
