"""What producers write goes through a real Kafka, byte for byte, and reaches who listens."""

from pathlib import Path
from typing import Any

from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.records import NewRecord
from tests.producers.written import Written
from tests.support.clients.visitors import visitors
from tests.support.deployments.fleet import APP, Fleet, complaints
from tests.support.ports.consumer_groups import wait_until_committed
from tests.support.ports.eventlogs import PATIENT, create

ROUTE = """
[[routes]]
name = "all"
app = "1"
topic = "@.steps"
channels = ["told"]
event = "{type}"
data = { told = "data", id = "type.startsWith('carts') ? key.id : id" }
"""
ROW = {"id": 1, "user_id": "auth0|Zoë", "total": "BOI=", "created_at": "2026-01-31T10:00:00Z"}
# Names of records, in the order in which they are sent, and what is heard of each.
HEARD: dict[str, list[Any]] = {
    "binary json": [{"user": "Zoë", "total": 12.5}],
    "binary no data": [{}],
    "structured xml": ['<order id="1">ü</order>'],
    "binary bytes": ["iVBORwA="],
    "schema row created": [ROW],
    "cloudevents row created, schema": [{"before": None, "after": ROW}],
    "json row deleted, unwrapped": [],
    "json row buried": [],
    "schema row deleted, rewritten": [ROW | {"__deleted": "true"}],
    "json document deleted": [{}],
}


class Told(Fleet):
    """A fleet that tells everything of its topic on one channel."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        text = file.read_text()
        file.write_text(text[: text.index("[[routes]]")] + ROUTE.replace("@", self.prefix))
        return file


async def test_heard(tmp_path: Path, kafka_url: str, written: Written) -> None:
    """
    Each event is heard once and in order, and tombstones between them trouble nobody.
    """
    fleet = Told(tmp_path, kafka=kafka_url)
    await create(kafka_url, fleet.topic)
    async with fleet.running() as process, visitors(APP) as visitor:
        ann = visitor()
        await ann.connect(process.url)
        await ann.join("told")

        sent = [
            NewRecord(fleet.topic, each.value, each.key, each.headers)
            for each in (written[name] for name in HEARD)
        ]
        # aiokafka by itself refuses records with neither key nor value.
        async with KafkaEventLog(Url(kafka_url), PATIENT) as log:
            await log.append(sent)
        await wait_until_committed(kafka_url, fleet.group, len(HEARD))

        heard = [data for each in HEARD.values() for data in each]
        await ann.until_number("told", len(heard))
        assert [item["told"] for item in ann.heard("told")] == heard
        assert "$oid" in ann.heard("told")[-1]["id"]
        assert complaints(process) == {}
