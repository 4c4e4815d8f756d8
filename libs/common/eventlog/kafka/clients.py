"""
Clients of Kafka: built from the settings, and closed for certain.

aiokafka retries silently and for as long as it takes, so closing a client can hang while a broker
is away (aiokafka, issue 773).  `close_consumer` and `discard_producer` end by force what does not
end in time; for that they reach for the tasks inside, which no public call of aiokafka 0.14 gives.
tests/contract/eventlog/test_kafka.py sees that nothing stays behind.
"""

import asyncio
import logging
import ssl
from collections.abc import Collection, Coroutine
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError, KafkaError

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.eventlog.kafka.settings import KafkaSettings, servers
from libs.common.outage import Outage, worded

log = structlog.get_logger()

# What shows Kafka away or unwilling.  TimeoutError is an OSError.
TROUBLE = (KafkaError, ConsumerStoppedError, OSError)

LINGER = 2  # Milliseconds that a batch waits for company.
PRODUCER_BATCH = 65_536  # Bytes.  A broker refuses a batch as a whole, so it stays small.
RECORD_OVERHEAD = 46_080  # Bytes of framing: with max_record's default this stays below Kafka's.
# Milliseconds.  While a broker waits with its answer, other partitions of it are not read.
FETCH_WAIT = 100
RETRY_BACKOFF = 250  # Milliseconds.
FORCE_TIMEOUT = 2.0  # Seconds for what is ended by force.


class _Complaints(logging.Handler):
    """
    Takes what aiokafka logs, and keeps the last complaint.

    While a broker is away aiokafka writes several lines a second, where `Link` says it once.  But
    only they tell a wrong password from a closed port: the error that it raises does not.
    """

    last = ""

    def attach(self) -> None:
        """Take the place of the usual handlers, unless the level of aiokafka's logger was set."""
        logger = logging.getLogger("aiokafka")
        if logger.level == logging.NOTSET and self not in logger.handlers:
            logger.addHandler(self)
            logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a complaint."""
        if record.levelno >= logging.WARNING:
            self.last = worded(record.getMessage())


_complaints = _Complaints()


class KafkaClients:
    """
    Builds clients that are not started yet.

    Args:
        url: ``kafka://host:port,host:port``.
        settings: Everything else.

    Attributes:
        outage: Whether Kafka is away, or refuses what is asked, as far as they can tell.

    Raises:
        Misconfigured: The URL cannot work, or a file of certificates cannot be read.
    """

    def __init__(self, url: Url, settings: KafkaSettings) -> None:
        self.settings = settings
        self.outage = Outage("events", server=str(url))
        tls = _tls(settings) if settings.tls else None
        self._common = _connection(settings, servers(url.reveal()), tls)
        if settings.sasl_mechanism == "PLAIN" and tls is None:
            log.warning("events.password_exposed", username=settings.sasl_username)
        _complaints.attach()

    def producer(self) -> AIOKafkaProducer:
        """Build a producer of records, which come as values and are taken apart by it."""
        settings = self.settings
        return AIOKafkaProducer(
            **self._common,
            enable_idempotence=True,
            acks="all",
            linger_ms=LINGER,
            max_batch_size=PRODUCER_BATCH,
            max_request_size=settings.max_record + RECORD_OVERHEAD,
            # An unknown topic is told by this, and must be told before the append is given up.
            request_timeout_ms=_milliseconds(settings.delivery_timeout * 0.8),
            # aiokafka refuses a record without key and value; Kafka does not, and dead letters may
            # be such.
            value_serializer=lambda record: record.value,
        )

    def admin(self) -> AIOKafkaAdminClient:
        """Build a client that asks about the cluster itself."""
        timeout = _milliseconds(self.settings.request_timeout)
        return AIOKafkaAdminClient(**self._common, request_timeout_ms=timeout)

    def reader(self, topic: str) -> AIOKafkaConsumer:
        """Build a consumer of all partitions of a topic, from the beginning and in no group."""
        settings = self.settings
        return AIOKafkaConsumer(
            topic,
            **self._common,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            request_timeout_ms=_milliseconds(settings.request_timeout),
            fetch_max_wait_ms=FETCH_WAIT,
            fetch_max_bytes=settings.max_fetch_bytes,
            max_partition_fetch_bytes=settings.max_partition_bytes,
        )

    def consumer(self, group: str) -> AIOKafkaConsumer:
        """Build a consumer without topics: who subscribes later waits for no missing one."""
        settings = self.settings
        return AIOKafkaConsumer(
            **self._common,
            group_id=group,
            client_rack=settings.client_rack or None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            # One, for with two aiokafka joins twice.  Not the sticky one: all consumers of a
            # process share its state.
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            session_timeout_ms=_milliseconds(settings.session_timeout),
            heartbeat_interval_ms=_milliseconds(settings.heartbeat_interval),
            rebalance_timeout_ms=_milliseconds(settings.rebalance_timeout),
            max_poll_interval_ms=_milliseconds(settings.work_timeout),
            request_timeout_ms=_milliseconds(settings.request_timeout),
            fetch_max_wait_ms=FETCH_WAIT,
            fetch_max_bytes=settings.max_fetch_bytes,
            max_partition_fetch_bytes=settings.max_partition_bytes,
        )


class Link:
    """
    Whether Kafka is there, as far as one client can tell.

    Args:
        outage: The same as far as all of this process can.
        by: The client, as the outage knows it.

    Attributes:
        error: The last failure; None: Kafka is there.
    """

    def __init__(self, outage: Outage, by: str) -> None:
        self.error: BaseException | None = None
        self._outage = outage
        self._by = by

    def lost(self, error: BaseException) -> None:
        """Note that it is away, and why."""
        self.error = error
        reason = "; ".join(filter(None, [reason_of(error), _complaints.last]))
        self._outage.lost(reason, by=self._by)

    def found(self) -> None:
        """Note that it answers."""
        if self.error is not None:
            _complaints.last = ""  # It explains no later outage.
        self.error = None
        self._outage.found(by=self._by)


async def close_consumer(consumer: AIOKafkaConsumer, *, timeout: float) -> None:
    """Leave the group and close, by force after ``timeout`` seconds; raises nothing."""
    if await ends(consumer.stop(), timeout):
        return
    tasks = _tasks(consumer)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=FORCE_TIMEOUT)
    await ends(consumer._client.close(), FORCE_TIMEOUT)  # noqa: SLF001 - see the module.


async def close_reader(reader: AIOKafkaConsumer) -> None:
    """Close a consumer that is in no group; raises nothing."""
    if not await ends(reader.stop(), FORCE_TIMEOUT):
        await ends(reader._client.close(), FORCE_TIMEOUT)  # noqa: SLF001 - see the module.


async def discard_producer(producer: AIOKafkaProducer) -> None:
    """Close at once; what it has not delivered fails.  Raises nothing."""
    # Its own `stop` would first wait for the delivery of everything.
    producer._closed = True  # noqa: SLF001
    accumulator = producer._message_accumulator  # noqa: SLF001
    sender = producer._sender.sender_task  # noqa: SLF001
    batches = [batch for queue in accumulator._batches.values() for batch in queue]  # noqa: SLF001
    # Those that wait again for a retry are not there.
    accumulator._pending_batches.update(batches)  # noqa: SLF001
    accumulator.fail_all(KafkaConnectionError("the producer was given up"))
    for batch in batches:
        # asyncio complains of errors that nobody looked at.
        batch._drain_waiter.exception()  # noqa: SLF001
    if sender is not None:
        # All has failed already, and this would fail too: it believes in a transaction.
        sender.remove_done_callback(producer._sender._fail_all)  # noqa: SLF001
        sender.cancel()
    await ends(producer.client.close(), FORCE_TIMEOUT)
    if sender is not None:
        await ends(sender, FORCE_TIMEOUT)
        # What was under way to a broker may have opened a connection again.
        await ends(producer.client.close(), FORCE_TIMEOUT)


async def ends(work: Coroutine[Any, Any, None] | asyncio.Task[None], timeout: float) -> bool:
    """Wait until work has ended, and tell if it has; cancel it after ``timeout`` seconds."""
    task = work if isinstance(work, asyncio.Task) else asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    finally:
        task.cancel()
    if not done:
        done, _ = await asyncio.wait([task], timeout=FORCE_TIMEOUT)
    # aiokafka's `stop` may break off with the CancelledError of a task of its own, halfway.
    return bool(done) and not task.cancelled() and task.exception() is None


def _tasks(consumer: AIOKafkaConsumer) -> list[asyncio.Task[Any]]:
    """Find what a consumer left running."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
    found: list[asyncio.Task[Any] | None] = []
    if coordinator is not None:
        found += [
            coordinator._coordination_task,  # noqa: SLF001
            coordinator._heartbeat_task,  # noqa: SLF001
            coordinator._commit_refresh_task,  # noqa: SLF001
        ]
    if fetcher is not None:
        found += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    return [task for task in found if task is not None and not task.done()]


def _connection(
    settings: KafkaSettings, hosts: list[str], tls: ssl.SSLContext | None
) -> dict[str, Any]:
    sasl = bool(settings.sasl_mechanism)
    return {
        "bootstrap_servers": hosts,
        "client_id": settings.client_id,
        "metadata_max_age_ms": _milliseconds(settings.metadata_interval),
        "retry_backoff_ms": RETRY_BACKOFF,
        "security_protocol": ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT"),
        "ssl_context": tls,
        "sasl_mechanism": settings.sasl_mechanism or "PLAIN",  # Not looked at without SASL.
        "sasl_plain_username": settings.sasl_username or None,
        "sasl_plain_password": settings.sasl_password.reveal() or None,
    }


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca or None)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.certificate_key)
    except OSError as error:  # ssl.SSLError is one.
        raise Misconfigured(
            f"kafka.ca, certificate or certificate_key cannot be read: {error.strerror or error}"
        ) from error
    return context


def ensure_there(missing: Collection[str]) -> None:
    """
    Raise if topics are missing.

    Raises:
        Unavailable: Some are; the cause names them.
    """
    if missing:
        names = ", ".join(sorted(missing))
        raise Unavailable("events") from LookupError(f"there is no topic {names}")


def reason_of(error: BaseException) -> str:
    """Say in one line what went wrong with Kafka."""
    name, text = type(error).__name__, str(error)
    return worded(text.removeprefix(f"{name}: ")) or "it fails without a word"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
