"""`fanfare dead-letters` on a real Kafka, of letters that a pipeline put aside."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from libs.common.apps.memory import MemoryApps
from libs.common.bus.memory import MemoryBus
from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.records import NewRecord
from libs.common.leases.memory import MemoryLeases
from libs.common.typists.memory import MemoryTypists
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.senders import Senders
from services.dispatcher.service import compiled
from services.settings import load
from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.ports.eventlogs import SETTINGS, create
from tests.unit.test_settings import APP, ROUTE

AUDITED = ("event", "what", "by", "source", "chosen", "total", "sent", "failed", "unsure")


@pytest.fixture
def config(tmp_path: Path, prefix: str) -> Path:
    file = tmp_path / "f.toml"
    parts = [
        APP,
        ROUTE.replace('["c"]', '["c.{data.room}"]') + f'topic = "{prefix}.orders"',
        f'[dispatcher]\ngroup = "{prefix}"\ndead_letter_topic = "{prefix}.dead"',
    ]
    file.write_text("\n".join(parts))
    return file


async def put_aside(config: Path, log: KafkaEventLog, *events: bytes) -> None:
    """Have a pipeline put all of these aside."""
    settings, counters = load(path=config, environ={}), DispatcherCounters()
    router = compiled(settings.routes, MemoryApps(settings.apps), settings.dispatcher)
    await log.append([NewRecord(settings.routes[0].topic, event, b"key") for event in events])
    bus = MemoryBus()
    pipeline = Pipeline(
        settings.dispatcher,
        router,
        events=log,
        bus=bus,
        senders=Senders(MemoryTypists(bus.announce, MemoryLeases(), lambda _: 0), counters),
        counters=counters,
    )
    task = asyncio.create_task(pipeline.run())
    async with asyncio.timeout(DEADLINE):
        while counters.dead.total() < len(events):
            await asyncio.sleep(0.02)
        async with log.browse(settings.dispatcher.dead_letter_topic) as browser:
            assert await browser.next()
    task.cancel()
    await asyncio.wait([task])


async def test_journey(config: Path, kafka_url: str, prefix: str) -> None:
    """
    They are listed with their reasons, some are sent again, then the others; none twice.

    The audit log has each command that has sent some.
    """
    for topic in ("orders", "dead"):
        await create(kafka_url, f"{prefix}.{topic}")
    audit = config.parent / "audit.log"
    environ = {"FANFARE_BACKENDS_EVENTS": kafka_url, "FANFARE_LOG_AUDIT": str(audit)}

    async def letters(*words: str) -> Outcome:
        return await command("dead-letters", *words, config=config, environ=environ)

    none = await letters("list")
    async with KafkaEventLog(Url(kafka_url), SETTINGS) as log:
        await put_aside(config, log, b"no JSON", b'{"type": "t"}', b'{"type": "t", "n": 1}')
        listed, whole = await letters("list"), await letters("list", "--json", "--values")
        newest = await letters("list", "--newest", "--limit", "2")
        oldest = await letters("list", "--limit", "2")
        one = await letters("replay", "0/0")
        others = await letters("replay", "--kind", "Unroutable")
        nothing = await letters("replay", "--all")
        unknown = await letters("replay", "0/0", "7/7")
        nope = await letters("replay", "--kind", "Unroutble")
        nowhere = await letters("list", "--topic", f"{prefix}.ordrs")
        known = await letters("replay", "--kind", "TooDeep")
        async with log.browse(f"{prefix}.orders") as browser:
            records = await browser.next()

    assert (none.status, none.output) == (0, "")
    assert "there is nothing that could not be read" in none.complaint
    title, *rows = listed.output.splitlines()
    assert title.split()[:2] == ["ID", "PRODUCED"]
    assert [row.split()[0] for row in rows] == ["0/0", "0/1", "0/2"]
    assert f"{prefix}.orders/0 at 1" in rows[1]
    assert "'room' is absent" in rows[1]
    assert [row.split()[0] for row in newest.output.splitlines()[1:]] == ["0/2", "0/1"]
    assert newest.complaint == "1 more; --limit 3 lists all\n"
    assert [row.split()[0] for row in oldest.output.splitlines()[1:]] == ["0/0", "0/1"]
    assert oldest.complaint == "1 more; --newest lists the newest, --limit 3 lists all\n"
    values = [json.loads(line)["value"] for line in whole.output.splitlines()]
    assert values == ["no JSON", '{"type": "t"}', '{"type": "t", "n": 1}']
    assert [each.complaint.splitlines()[-1] for each in (one, others, nothing)] == [
        "1 of 1 sent again.",
        "2 of 2 sent again.",
        "0 of 0 sent again.",
    ]
    assert (one.status, others.status, nothing.status, unknown.status) == (0, 0, 0, 1)
    assert "7/7: there is no such letter" in unknown.complaint
    assert (nope.status, nowhere.status, known.status) == (1, 1, 0)
    assert "no letter is of the kind 'Unroutble'; did you mean Unroutable" in nope.complaint
    assert f"no letter stood in the topic '{prefix}.ordrs'; did you mean" in nowhere.complaint
    assert [record.value for record in records[3:]] == [
        b"no JSON",
        b'{"type": "t"}',
        b'{"type": "t", "n": 1}',
    ]
    assert {record.key for record in records} == {b"key"}
    assert all(not record.headers for record in records)
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [{name: line[name] for name in AUDITED} for line in lines] == [
        {
            "event": "audit.replayed",
            "what": "events",
            "by": socket.gethostname(),
            "source": f"{prefix}.dead",
            "chosen": {"ids": ids, "topic": "", "kind": kind},
            "total": sent,
            "sent": sent,
            "failed": 0,
            "unsure": 0,
        }
        for ids, kind, sent in ((["0/0"], "", 1), ([], "Unroutable", 2))
    ]
