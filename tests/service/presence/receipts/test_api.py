"""Read receipts over real HTTP: what back ends tell, who may ask, and what subscribers are told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.common.bus.messages import Broadcast, Publication, Whisper
from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.reload import Rules
from tests.support.clients.back_ends import Answer, BackEnd, back_end
from tests.support.deadline import DEADLINE
from tests.support.services.presence import APP, ServedPresence, served_presence

NUMBERS = ReceiptRule(pattern="private-{any*}", app="1")
POSITIONS = ReceiptRule(pattern="presence-{any*}", app="1", marks="positions")
CHAT = Channel("1", "private-chat.7")
ROOM = Channel("1", "presence-room")


@pytest.fixture
async def here() -> AsyncIterator[ServedPresence]:
    async with served_presence(receipts=[NUMBERS, POSITIONS], poll_interval=0.01) as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


def path(channel: Channel = CHAT) -> str:
    return f"/presence/apps/1/channels/{channel.name}/read"


async def read(
    here: ServedPresence, backend: BackEnd, user: str, upto: Any, channel: Channel = CHAT
) -> Answer:
    """Say how far a user has read."""
    body = json.dumps({"user_id": user, "upto": upto}).encode()
    return await backend.post(here.url, path(channel), body)


async def publish(here: ServedPresence, number: int, channel: Channel = ROOM) -> str:
    """Publish events, and return the epoch of the channel."""
    broadcast = Broadcast(b"{}", 0.0)
    *_, last = await here.bus.publish([Publication(channel, broadcast)] * number)
    return last.epoch


class Ear:
    """What subscribers of a channel are told of marks."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    async def hear(self) -> dict[str, Any]:
        """Return the next announcement."""
        async with asyncio.timeout(DEADLINE):
            while True:
                for delivery in await self._listener.receive(DEADLINE):
                    assert isinstance(delivery, Whisper)
                    frame = json.loads(delivery.broadcast.frame)
                    assert frame["event"] == "fanfare:read"
                    assert frame["channel"] == delivery.channel.name
                    marks: dict[str, Any] = json.loads(frame["data"])["marks"]
                    return marks


@asynccontextmanager
async def ear(here: ServedPresence, channel: Channel = CHAT) -> AsyncIterator[Ear]:
    async with here.bus.listen() as listener:
        await listener.follow([channel])
        yield Ear(listener)


class TestPost:
    """A back end says how far a user has read."""

    async def test_stored(self, here: ServedPresence, backend: BackEnd) -> None:
        answer = await read(here, backend, "7", 17)

        assert (answer.status, answer.body) == (200, {"user_id": "7", "upto": 17})
        assert answer.headers["Cache-Control"] == "no-store"
        assert await here.marks.mark(CHAT, "7") == Mark(17)

    async def test_told(self, here: ServedPresence, backend: BackEnd) -> None:
        """Subscribers are told; of a mark that is said again too, as nobody knows whether they were."""
        async with ear(here) as subscriber:
            await read(here, backend, "7", 17)
            first = await subscriber.hear()
            await read(here, backend, "7", "17")

            assert first == await subscriber.hear() == {"7": 17}

    async def test_back(self, here: ServedPresence, backend: BackEnd) -> None:
        """A mark that moves back is no error; what stands is answered, and nothing is told."""
        async with ear(here) as subscriber:
            await read(here, backend, "7", 17)
            answer = await read(here, backend, "7", 3)
            await subscriber.hear()
            await read(here, backend, "8", 1)

            assert (answer.status, answer.body["upto"]) == (200, 17)
            assert await subscriber.hear() == {"8": 1}

    async def test_large(self, here: ServedPresence, backend: BackEnd) -> None:
        """What JavaScript cannot read exactly is a text."""
        assert (await read(here, backend, "7", 2**53)).body["upto"] == str(2**53)

    async def test_at_once(self, here: ServedPresence, backend: BackEnd) -> None:
        """Requests that come while something is stored are stored together."""
        here.marks.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(read(here, backend, f"{n}", n)) for n in range(50)]
            async with asyncio.timeout(DEADLINE):
                while not here.marks.moved:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            here.marks.gate.set()

        assert [task.result().body["upto"] for task in asked] == list(range(50))
        assert sum(here.marks.moved) == 50
        assert len(here.marks.moved) < 50

    @pytest.mark.parametrize("name", ["chat", "private-encrypted-x", "#server-to-user-7"])
    async def test_no_receipts(self, here: ServedPresence, backend: BackEnd, name: str) -> None:
        channel = name.replace("#", "%23")
        body = b'{"user_id": "7", "upto": 1}'

        answer = await backend.post(here.url, f"/presence/apps/1/channels/{channel}/read", body)

        assert answer.status == 400
        assert "receipts" in answer.body["error"]

    @pytest.mark.parametrize(
        "body,says",
        [
            (b"", "user_id"),
            (b'{"user_id": "", "upto": 1}', "user's id"),
            (b'{"user_id": "7", "upto": -1}', "upto"),
            (b'{"user_id": "7", "upto": "e:1"}', "upto"),
        ],
    )
    async def test_malformed(
        self, here: ServedPresence, backend: BackEnd, body: bytes, says: str
    ) -> None:
        answer = await backend.post(here.url, path(), body)

        assert answer.status == 400
        assert says in answer.body["error"]

    async def test_full(self, here: ServedPresence, backend: BackEnd) -> None:
        for number in range(50):
            await read(here, backend, f"{number}", 1)

        answer = await read(here, backend, "late", 1)

        assert answer.status == 429
        assert "50 users" in answer.body["error"]


class TestPositions:
    """Marks may be positions in the channel's history."""

    async def test_unread(self, here: ServedPresence, backend: BackEnd) -> None:
        """How much a user has not read is known then."""
        epoch = await publish(here, 5)

        answer = await read(here, backend, "7", f"{epoch}:2", ROOM)
        asked = await backend.get(here.url, path(ROOM), user_id="7")

        assert answer.body == {"user_id": "7", "upto": f"{epoch}:2"}
        assert asked.body == {"user_id": "7", "upto": f"{epoch}:2", "unread": 3}

    async def test_ahead(self, here: ServedPresence, backend: BackEnd) -> None:
        """Nobody has read what is not there yet."""
        epoch = await publish(here, 5)

        assert (await read(here, backend, "7", f"{epoch}:99", ROOM)).body["upto"] == f"{epoch}:5"

    async def test_before_the_first(self, here: ServedPresence, backend: BackEnd) -> None:
        """Who has read a channel without messages has read none of those that came since."""
        origin = (await here.bus.tops([ROOM]))[ROOM].epoch
        first = await read(here, backend, "7", f"{origin}:9", ROOM)
        epoch = await publish(here, 5)
        since = await backend.get(here.url, path(ROOM), user_id="7")
        again = await read(here, backend, "8", f"{origin}:0", ROOM)
        past = await read(here, backend, "8", f"{origin}:9", ROOM)

        assert first.body["upto"] == f"{origin}:0"
        assert since.body == {"user_id": "7", "upto": f"{origin}:0", "unread": 5}
        assert again.body["upto"] == f"{epoch}:0"
        assert past.body["upto"] == f"{epoch}:0"

    async def test_past_epoch(self, here: ServedPresence, backend: BackEnd) -> None:
        """A position of a history that is no more moves nothing; what stands is told."""
        epoch = await publish(here, 5)
        refused = await read(here, backend, "7", "past:9", ROOM)
        await read(here, backend, "7", f"{epoch}:2", ROOM)
        kept = await read(here, backend, "7", "past:9", ROOM)

        assert refused.status == 400
        assert epoch in refused.body["error"]
        assert (kept.status, kept.body["upto"]) == (200, f"{epoch}:2")

    async def test_begun_anew(self, here: ServedPresence, backend: BackEnd) -> None:
        """After the history was lost its positions count, and nobody's unread is guessed before."""
        epoch = await publish(here, 5)
        await read(here, backend, "7", f"{epoch}:5", ROOM)
        here.bus.lose_data()
        other = await publish(here, 2)
        before = await backend.get(here.url, path(ROOM), user_id="7")

        answer = await read(here, backend, "7", f"{other}:1", ROOM)

        assert before.body == {"user_id": "7", "upto": f"{epoch}:5"}
        assert answer.body["upto"] == f"{other}:1"


class TestGet:
    """How far users have read."""

    async def test_pages(self, here: ServedPresence, backend: BackEnd) -> None:
        users = ["Ä ö", "a", "B", "10", "9"]
        for number, user in enumerate(users):
            await read(here, backend, user, number)

        pages: list[dict[str, int]] = []
        cursor = None
        while not pages or cursor:
            answer = await backend.get(here.url, path(), limit="2", cursor=cursor)
            pages.append(answer.body["marks"])
            cursor = answer.body["cursor"]

        assert [len(page) for page in pages] == [2, 2, 1]
        assert [user for page in pages for user in page] == sorted(users, key=str.encode)
        assert pages[0] == {"10": 3, "9": 4}

    async def test_nobody(self, here: ServedPresence, backend: BackEnd) -> None:
        every = await backend.get(here.url, path())
        one = await backend.get(here.url, path(), user_id="7")

        assert (every.status, every.body) == (200, {"marks": {}, "cursor": None})
        assert (one.status, one.body) == (200, {"user_id": "7", "upto": None})

    @pytest.mark.parametrize("query", [{"limit": "0"}, {"cursor": "x"}, {"user_id": ""}])
    async def test_refused(
        self, here: ServedPresence, backend: BackEnd, query: dict[str, str]
    ) -> None:
        assert (await backend.get(here.url, path(), **query)).status == 400

    async def test_no_receipts(self, here: ServedPresence, backend: BackEnd) -> None:
        assert (await backend.get(here.url, path(Channel("1", "chat")))).status == 400


class TestAway:
    """What is answered is stored; else it is said when to come again."""

    async def test_marks(self, here: ServedPresence, backend: BackEnd) -> None:
        here.marks.is_away = True
        answers = [await read(here, backend, "7", 1), await backend.get(here.url, path())]
        here.marks.is_away = False

        for answer in answers:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert "marks" in answer.body["error"]
            assert answer.body["since"] == answers[0].body["since"]
        assert (await read(here, backend, "7", 1)).status == 200

    async def test_bus(self, here: ServedPresence, backend: BackEnd) -> None:
        """Whether a position is of the present history cannot be known; numbers need no bus."""
        epoch = await publish(here, 5)
        here.bus.is_away = True
        position = await read(here, backend, "7", f"{epoch}:2", ROOM)
        number = await read(here, backend, "7", 17)
        here.bus.is_away = False

        assert (position.status, number.status) == (503, 200)
        assert "bus" in position.body["error"]
        assert await here.marks.mark(ROOM, "7") is None

    async def test_top(self, here: ServedPresence, backend: BackEnd) -> None:
        """Nor can be told which history is the present one; since when is said."""
        await publish(here, 5)
        here.bus.reads.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(read(here, backend, "7", "past:9", ROOM))
            async with asyncio.timeout(DEADLINE):
                while not here.bus.comparisons:
                    await asyncio.sleep(0.01)
            here.bus.is_away = True
            here.bus.reads.set()
            answer = await asked

        assert (answer.status, "bus" in answer.body["error"]) == (503, True)
        assert "since" in answer.body

    async def test_told_later(self, here: ServedPresence, backend: BackEnd) -> None:
        """Subscribers are told when the bus is back."""
        async with ear(here) as subscriber:
            here.bus.is_away = True
            await read(here, backend, "7", 17)
            async with asyncio.timeout(DEADLINE):
                while not here.bus.refusals:
                    await asyncio.sleep(0.01)
            here.bus.is_away = False

            assert await subscriber.hear() == {"7": 17}


class TestReload:
    """Rules are replaced while the service runs."""

    async def test_replaced(self, here: ServedPresence, backend: BackEnd) -> None:
        other = ReceiptRule(pattern="chat", app="1")
        rules = Rules(
            Policies([]),
            Guards([]),
            routes=(),
            typing=SelectedChannels(),
            receipts=SelectedChannels([other]),
        )

        here.presence.adopt(rules)
        answers = [
            await read(here, backend, "7", 1, channel) for channel in (CHAT, Channel("1", "chat"))
        ]

        assert [answer.status for answer in answers] == [400, 200]
