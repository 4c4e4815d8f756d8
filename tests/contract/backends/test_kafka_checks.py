"""The event log on Kafka says that it cannot be used, and why."""

import pytest

from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.web.health import state_of
from tests.support.ports.eventlogs import SETTINGS
from tests.support.servers.ports import free_port


@pytest.mark.parametrize(
    "host,reason",
    [
        ("127.0.0.1:{port}", "Connect call failed"),
        ("no-such-host.invalid:9092", "Name or service not known"),
    ],
)
async def test_never_reached(host: str, reason: str) -> None:
    """A wrong URL is told, with the servers that were tried."""
    host = host.format(port=free_port())
    async with KafkaEventLog(Url(f"kafka://{host}"), SETTINGS) as log:
        said = [await state_of(log.check) for _ in range(2)]

    for each in said:
        assert each.startswith("away: ")
        assert host in each
        assert reason in each
