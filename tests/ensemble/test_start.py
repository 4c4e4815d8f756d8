"""The program is started while a backend is away, and goes on by itself when that comes."""

from pathlib import Path

from tests.ensemble.conftest import prepared
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, channel, complaints, said, step
from tests.support.deployments.ledger import Ledger
from tests.support.deployments.program import Program
from tests.support.ports.consumer_groups import wait_until_committed
from tests.support.servers.kafka import kafka_launch
from tests.support.servers.postgres import postgres_launch
from tests.support.servers.process import eventually
from tests.support.servers.redis.server import redis_launch

SOON = {"FANFARE_KAFKA_DELIVERY_TIMEOUT": "2"}  # What cannot be delivered is refused.


class TestRedis:
    """Bus and roster come later."""

    async def test_away_at_start(self, tmp_path: Path, kafka_url: str, backend: BackEnd) -> None:
        """
        Clients connect and their subscribes wait, back ends are told to come again; then everything flows.
        """
        async with (
            prepared(redis_launch()) as redis,
            Fleet(tmp_path, redis=redis.url, kafka=kafka_url).running(until="live") as process,
            visitors(APP) as visitor,
        ):
            ann = visitor()
            await ann.connect(process.url)
            await ann.ask(channel("1"))
            await ann.ask("presence-room", user="ann")
            refused = await backend.publish(process.url, channel("1"), {"n": 0})
            assert (await backend.emit(process.url, step("1", 1))).status == 202

            assert refused.status == 503
            assert refused.headers["Retry-After"] == "1"
            assert refused.body == {"error": "the bus backend is unavailable"}
            assert not ann.is_in(channel("1"))

            await redis.start()
            await process.wait_until_ready()
            await ann.until(lambda: ann.is_in(channel("1")) and ann.is_in("presence-room"))
            await backend.emit(process.url, step("1", 2))
            await ann.until_heard(channel("1"), {"n": 2})
            published = await backend.publish(process.url, channel("1"), {"n": 3})
            await ann.until_heard(channel("1"), {"n": 3})

            assert published.status == 200
            assert ann.members("presence-room") == {"ann"}
            told = [line["backend"] for line in said(process, "backend.lost")]
            assert sorted(told) == ["bus", "control", "rates", "roster"]


class TestKafka:
    """The event log comes later, goes, and comes again."""

    async def test_away_twice(self, tmp_path: Path, redis_url: str, backend: BackEnd) -> None:
        """
        Meanwhile CloudEvents are refused for now and the Pusher API works; what is taken arrives, in order, once.
        """
        async with prepared(await kafka_launch()) as kafka:
            fleet = Fleet(tmp_path, redis=redis_url, kafka=kafka.url)
            async with fleet.running(**SOON) as process, visitors(APP) as visitor:
                ann = visitor()
                await ann.connect(process.url)
                await ann.join(channel("1"))
                await ann.join("public")
                ledger = Ledger(backend, process.url, "1")
                for outage in range(2):
                    assert not await ledger.post()
                    assert (await backend.publish(process.url, "public", outage)).status == 200
                    await ann.until_heard("public", outage)

                    await kafka.start()
                    await eventually(ledger.post, timeout=DEADLINE)
                    for _ in range(10):
                        await ledger.post()
                    await ann.until(lambda: ledger.has_arrived(ann.heard(channel("1"))))
                    ledger.check(ann.heard(channel("1")))
                    await wait_until_committed(kafka.url, fleet.group, len(ledger.accepted))
                    assert max(complaints(process).values()) <= outage + 1
                    await kafka.stop()


class TestPostgres:
    """The apps come later, and go."""

    async def test_away_at_start_and_later(self, tmp_path: Path, backend: BackEnd) -> None:
        """
        While no app is known everybody is told to come again; what was read once is served while it is away.
        """
        async with prepared(await postgres_launch()) as postgres:
            fleet = Fleet(tmp_path, postgres=postgres.url)
            async with fleet.running(until="live") as process, visitors(APP) as visitor:
                ann, bob = visitor(), visitor()
                await ann.connect(process.url)
                refused = await backend.publish(process.url, "public", 0)
                emitted = await backend.emit(process.url, step("1", 1))

                assert ann.closed_with == 4100
                assert refused.status == emitted.status == 503
                assert refused.headers["Retry-After"] == emitted.headers["Retry-After"] == "1"

                await postgres.start()
                await fleet.found()
                await process.wait_until_ready()
                await eventually(lambda: _is_greeted(ann, process), timeout=DEADLINE)
                postgres.kill()
                await bob.connect(process.url)
                await bob.join(channel("1"))
                published = await backend.publish(process.url, channel("1"), {"n": 1})
                emitted = await backend.emit(process.url, step("1", 2))
                await bob.until_heard(channel("1"), {"n": 1}, {"n": 2})

                assert (published.status, emitted.status) == (200, 202)
                assert ann.is_open
                assert max(complaints(process).values()) <= 2


async def _is_greeted(visitor: Visitor, process: Program) -> bool:
    await visitor.connect(process.url)
    return visitor.is_open
