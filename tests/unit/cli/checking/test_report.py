"""What was found, in words."""

import pytest

from libs.common.config.address import Url
from libs.common.eventlog.kafka.inspection import KafkaCluster, TopicShape
from services.cli.checking.backends import Backend, Reply
from services.cli.checking.remarks import Remark, error
from services.cli.checking.report import CheckReport, Told, described, size, summary
from tests.unit.cli.checking.test_remarks import POSTGRES, REDIS

BUS = Backend(("bus", "roster"), Url("redis://u:hush@r:6379"))


def report(*told: Told, own: tuple[Remark, ...] = (), apps: int | None = 3) -> CheckReport:
    return CheckReport(apps=apps, policies=1, routes=2, own=own, backends=told)


def test_summary() -> None:
    """Each backend that answers has a line, without its password."""
    lines = summary(
        report(
            Told(Reply(backend=BUS, said=(REDIS,)), ()),
            Told(Reply(backend=BUS, reserve="NOPERM"), ()),
            Told(Reply(backend=BUS, trouble="away"), ()),
        )
    )

    assert list(lines) == [
        "the settings are good: 3 apps, 1 policies, 2 routes",
        f"{BUS}: {described((REDIS,))}",
        f"{BUS}: it answers",
    ]
    assert str(BUS) == "bus, roster: redis://r:6379"


def test_unread_apps() -> None:
    assert next(iter(summary(report(apps=None)))).startswith(
        "the settings are good: apps in PostgreSQL, "
    )


def test_remarks() -> None:
    """Doubts come first, errors last, each with its backend."""
    found = report(
        Told(Reply(backend=BUS), (error("e"), Remark("d"))), own=(error("own"), Remark("doubt"))
    )

    assert [remark.text for remark in found.remarks] == ["doubt", f"{BUS}: d", "own", f"{BUS}: e"]
    assert found.errors == ["own", f"{BUS}: e"]


def test_described() -> None:
    assert described((REDIS,)) == (
        "Redis 7.0.15, 977 KB of 9.54 MB, noeviction, append-only file, 0 replicas"
    )
    assert described((REDIS, REDIS)).startswith("server Redis 7.0.15, 977 KB")
    assert described(POSTGRES) == "PostgreSQL 15.2, up to date"
    cluster = KafkaCluster(3, {"t": TopicShape(1, 1)}, makes_topics=None)
    assert described(cluster) == "Kafka with 3 brokers and 1 topics"


@pytest.mark.parametrize(
    "number,said",
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KB"), (1536, "1.5 KB"), (5 * 2**40, "5 TB")],
)
def test_size(number: int, said: str) -> None:
    assert size(number) == said
