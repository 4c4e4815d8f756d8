"""A broker that goes and comes back, is silent, is not there yet, or wants to know who we are."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.records import NewRecord
from libs.common.web.health import state_of
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import (
    IMPATIENT,
    SETTINGS,
    after,
    aiokafka_tasks,
    appended,
    create,
    endured,
    fetched,
    numbered,
    refused,
    until,
    values,
    values_of,
)
from tests.support.servers import Certificates, Server
from tests.support.servers.kafka import kafka_launch
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, eventually, running


@pytest.fixture(scope="module")
async def broker(certificates: Certificates) -> AsyncIterator[Server]:
    """Yield a broker that tests may stop; see `_customise`."""
    launch = await kafka_launch()
    _customise(launch, certificates)
    async with running(launch) as server:
        yield server


@pytest.fixture
async def log(broker: Server) -> AsyncIterator[KafkaEventLog]:
    async with KafkaEventLog(Url(broker.url), IMPATIENT) as log:
        yield log


@pytest.fixture(autouse=True)
def _complains_of_nothing(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """See that no task or callback of a client that was given up fails unseen."""
    yield
    asyncio_errors = [
        entry.getMessage()
        for entry in caplog.get_records("call")
        if entry.name == "asyncio" and entry.levelno >= logging.ERROR
    ]
    assert asyncio_errors == []


def _customise(launch: Launch, certificates: Certificates) -> None:
    """Let a broker make no topics by itself, and ask for certificates on a port of their own."""
    keys = launch.directory / "keystore.pem"
    keys.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    address, listener = f",MUTUAL://127.0.0.1:{free_port()}", "listener.name.mutual"
    settings = _properties(launch.directory)
    settings["listeners"] += address
    settings["advertised.listeners"] += address
    settings["listener.security.protocol.map"] += ",MUTUAL:SSL"
    settings |= {
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "1500",  # So long is a killed broker kept from coming back.
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": str(keys),
        f"{listener}.ssl.truststore.type": "PEM",
        f"{listener}.ssl.truststore.location": str(certificates.ca),
        f"{listener}.ssl.client.auth": "required",
    }
    lines = (f"{key}={value}\n" for key, value in settings.items())
    (launch.directory / "server.properties").write_text("".join(lines))


def _properties(directory: Path) -> dict[str, str]:
    lines = (directory / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


class TestBroker:
    """Kafka may be away, at the start or later: it is tried again, and that is said once."""

    async def test_kill_and_return(self, log: KafkaEventLog, broker: Server, prefix: str) -> None:
        """While the broker is dead both sides say so; when it is back they go on, and nothing is lost."""
        await create(broker.url, prefix)
        await log.append(numbered(prefix, range(5)))
        with capture_logs() as logs:
            async with log.consume([prefix], group=prefix) as consumer:
                before = await fetched(consumer, 5)
                await consumer.commit(after(before[:3]))
                broker.kill()

                await refused(consumer)
                with pytest.raises(Unavailable):
                    await consumer.commit(after(before))
                for _ in range(3):
                    with pytest.raises(Unavailable):
                        await log.append([NewRecord(prefix, b"lost")])
                health = [await state_of(log.check)]
                await broker.start()
                await appended(log, numbered(prefix, range(5, 10)))
                await endured(consumer, values_of(range(5, 10)))
                await until(lambda: not consumer.trouble)
                health.append(await state_of(log.check))
            async with log.consume([prefix], group=prefix) as consumer:
                rest = await fetched(consumer, 7)

        assert values(rest)[:2] == values_of(range(3, 5))
        assert values(rest)[-5:] == values_of(range(5, 10))
        assert health[0].startswith("away: ")
        assert health[1] == "ok"
        told = [entry["event"] for entry in logs if entry.get("backend") == "events"]
        assert told == ["backend.lost", "backend.found"]

    async def test_restart_under_way(self, broker: Server, prefix: str) -> None:
        """An append that is under way while the broker restarts is stored, and once."""
        await create(broker.url, prefix)
        patient = msgspec.structs.replace(SETTINGS, delivery_timeout=DEADLINE)
        async with KafkaEventLog(Url(broker.url), patient) as log:
            await log.append([NewRecord(prefix, b"first")])
            broker.kill()
            appending = asyncio.create_task(log.append([NewRecord(prefix, b"second")]))
            await broker.start()
            await appending
            await log.append([NewRecord(prefix, b"third")])

            async with log.consume([prefix], group=prefix) as consumer:
                assert values(await fetched(consumer, 3)) == [b"first", b"second", b"third"]

    async def test_silence(self, log: KafkaEventLog, broker: Server, prefix: str) -> None:
        """A broker that is connected and silent is one that is away."""
        await create(broker.url, prefix)
        await log.append([NewRecord(prefix, b"before")])
        async with log.consume([prefix], group=prefix) as consumer:
            await consumer.commit(after(await fetched(consumer, 1)))
            broker.pause()
            try:
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(prefix, b"unheard")])
                await refused(consumer)
            finally:
                broker.resume()
            await appended(log, [NewRecord(prefix, b"after")])
            records = await endured(consumer, [b"after"])

        assert b"before" not in values(records)

    async def test_leaving_in_silence(self, broker: Server, prefix: str) -> None:
        """Consumer and producer end in time while the broker is silent, and leave nothing running."""
        await create(broker.url, prefix)
        others = aiokafka_tasks()
        try:
            async with KafkaEventLog(Url(broker.url), IMPATIENT) as log:
                await log.append([NewRecord(prefix, b"before")])
                async with log.consume([prefix], group=prefix) as consumer:
                    await fetched(consumer, 1)
                    broker.pause()
                    appending = asyncio.create_task(log.append([NewRecord(prefix, b"unheard")]))
                    await asyncio.sleep(0)
            with pytest.raises(Unavailable):
                await appending
            await until(lambda: aiokafka_tasks() <= others)
        finally:
            broker.resume()

    async def test_away_at_start(self, broker: Server, prefix: str) -> None:
        """Nothing fails when Kafka is away at the start, and all works when it is there."""
        await create(broker.url, prefix)
        await broker.stop()
        async with (
            KafkaEventLog(Url(broker.url), IMPATIENT) as log,
            log.consume([prefix], group=prefix) as consumer,
        ):
            with pytest.raises(Unavailable):
                await log.append([NewRecord(prefix, b"refused")])
            error = await refused(consumer)
            await broker.start()
            await appended(log, [NewRecord(prefix, b"stored")])

            assert values(await endured(consumer, [b"stored"])) == [b"stored"]
            assert error.backend == "events"
            assert error.__cause__ is not None

    async def test_missing_topic(self, log: KafkaEventLog, broker: Server, prefix: str) -> None:
        """A topic that is not there keeps no other waiting, is named once, and is read when it comes."""
        there, missing = f"{prefix}-there", f"{prefix}-missing"
        await create(broker.url, there)
        with capture_logs() as logs:
            async with log.consume([there, missing], group=prefix) as consumer:
                await log.append([NewRecord(there, b"there")])
                first = await fetched(consumer, 1)
                await consumer.commit(after(first))
                with pytest.raises(Unavailable):
                    await log.append([NewRecord(missing, b"refused")])
                away = await state_of(consumer.check)

                await create(broker.url, missing)
                await log.append([NewRecord(missing, b"found")])
                second = await fetched(consumer, 1)
                await until(lambda: any(entry["event"] == "topic.found" for entry in logs))
                assert await state_of(consumer.check) == "ok"

        assert (values(first), values(second)) == ([b"there"], [b"found"])
        assert log.producer.restarts == 0
        told = [(entry["event"], entry["topic"]) for entry in logs if "topic" in entry]
        assert told == [("topic.lost", missing), ("topic.found", missing)]
        assert away == f"away: there is no topic {missing}"

    async def test_topic_to_append_to(
        self, log: KafkaEventLog, broker: Server, prefix: str
    ) -> None:
        """Before anything is appended it is told that a topic is not there; Kafka is, for all others."""
        there, missing = f"{prefix}-there", f"{prefix}-missing"
        await create(broker.url, there)

        async def check() -> None:
            await log.check([missing, there])

        async def is_there() -> bool:
            return await state_of(check) == "ok"

        assert await state_of(check) == f"away: there is no topic {missing}"
        assert await state_of(log.check) == "ok"
        await create(broker.url, missing)
        await eventually(is_there, timeout=DEADLINE)

    async def test_certificate_of_our_own(
        self, broker: Server, certificates: Certificates, prefix: str
    ) -> None:
        """A broker that asks for certificates takes and gives records."""
        settings = msgspec.structs.replace(
            IMPATIENT,
            tls=True,
            ca=str(certificates.ca),
            certificate=str(certificates.certificate),
            certificate_key=str(certificates.key),
        )
        listeners = _properties(broker.directory)["advertised.listeners"].split(",")
        (address,) = [name for name in listeners if name.startswith("MUTUAL://")]
        await create(broker.url, prefix)
        async with KafkaEventLog(Url(address.replace("MUTUAL", "kafka")), settings) as log:
            await log.append([NewRecord(prefix, b"known")])
            async with log.consume([prefix], group=prefix) as consumer:
                assert values(await fetched(consumer, 1)) == [b"known"]
