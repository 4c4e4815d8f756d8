"""docs/metrics.md is what the source declares, and all that is declared is shown by a process."""

import re
from pathlib import Path

import pytest

from libs.common.backends.adapters import opened
from libs.common.canary.canary import Canary
from libs.common.config.address import Url
from libs.common.config.environment import listing
from libs.common.telemetry.metrics.families import Family, Metric
from libs.common.telemetry.settings import TelemetrySettings
from libs.common.telemetry.telemetry import Telemetry
from libs.common.web.certificates import Certificate
from libs.common.web.server import Server
from services.program import build, plan
from services.settings import SERVICES, Settings
from tests.support.documents.log_events import words
from tests.support.documents.metrics import families, page
from tests.support.documents.tree import ROOT
from tests.support.servers import Certificates

PAGE = ROOT / "docs" / "metrics.md"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
FAMILIES = [family for few in families().values() for family in few]
NAMES = {family.name for family in FAMILIES}
# What Prometheus makes of a histogram.
PARTS = {f"{f.name}{part}" for f in FAMILIES for part in ("_bucket", "_sum", "_count")}
KNOWN = {*words(), *(setting.name for setting in listing(Settings))}
SCRIPTS = (ROOT / "libs/common/postgres/migrations").glob("*.sql")
TABLES = {name for path in SCRIPTS for name in re.findall(r"fanfare_[a-z_]+", path.read_text())}
RECEIVER = TelemetrySettings(otlp_endpoint=Url("http://127.0.0.1:4318"))

# What these labels may be the settings say, and backends.
OF_SETTINGS = {"topic", "group", "server", "backend", "issuer"}

_NAMED = re.compile(r"`(fanfare_[a-z0-9_]+)(?:\{[^`]*\})?`")

by_name = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def _grows(metric: Metric) -> bool:
    """Whether it counts, and somebody here could: what is stored for users needs PostgreSQL."""
    is_stored = metric.family.name.startswith("fanfare_last_seen")
    return metric.family.kind == "counter" and not is_stored


class TestPage:
    """The page, the declarations and the process say the same."""

    def test_up_to_date(self) -> None:
        """`make docs` writes it anew."""
        assert PAGE.read_text(encoding="utf-8") == page()

    def test_once(self) -> None:
        assert len(NAMES) == len(FAMILIES)

    async def test_shown(self, certificates: Certificates) -> None:
        """
        A process with all services shows each family that is declared, once, and no other.

        Counters are there with 0 from the start, or the rate of their first event is none.
        """
        settings = Settings(telemetry=RECEIVER)
        telemetry = Telemetry(settings.telemetry, "1.2.3", services=SERVICES)
        async with opened(plan(settings)) as backends:
            services = build(settings, SERVICES, backends)
            measured = [*telemetry.measured, backends.metrics]
            canary = Canary(backends.bus)
            certificate = Certificate(certificates.certificate, certificates.key)
            server = Server(
                services, (), (), certificate=certificate, measured=measured, canary=canary
            )

            shown = server.registry.read()

        assert sorted(each.family.name for each in shown) == sorted(NAMES)
        begun = [each for each in shown if not OF_SETTINGS & {*each.family.labels}]
        assert not [each.family.name for each in begun if not each.values and _grows(each)]
        listed = {each.family.name: {*each.values} for each in begun if _grows(each)}
        assert {("4100",), ("4201",), ("0",)} <= listed["fanfare_connections_closed_total"]
        assert ("4100",) in listed["fanfare_connections_refused_total"]
        assert {("last_seen",), ("webhook",)} <= listed["fanfare_facts_lost_total"]
        assert ("Undecodable",) in listed["fanfare_dead_letters_total"]
        assert {("publishes",), ("connections",)} <= listed["fanfare_rate_limited_total"]

    @by_name
    def test_words(self, family: Family) -> None:
        """What it says is whole sentences, and names settings and events that there are."""
        assert family.means.endswith(".")
        assert "|" not in family.means
        events = re.findall(r"`([a-z_]+\.[a-z_]+)`", family.means)
        assert not set(events) - KNOWN

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_named(self, document: Path) -> None:
        """Every metric that a document names is there."""
        named = set(_NAMED.findall(document.read_text(encoding="utf-8")))

        assert not named - NAMES - PARTS - TABLES - {"fanfare_back", "fanfare_watch"}
