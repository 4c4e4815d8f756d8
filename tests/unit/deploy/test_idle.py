"""A deployment that has just started, to which nobody has come yet: no alert fires."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from libs.common.backends.adapters import opened
from libs.common.telemetry.metrics.exposition import exposition
from libs.common.telemetry.telemetry import Telemetry
from libs.common.web.server import Server
from services.program import build, plan
from services.settings import SERVICES, Settings
from tests.support.monitoring.rules import ALERTS, RECORDING, promtool, rules

SAMPLE = re.compile(r"^(fanfare_\w+?)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
TARGET = 'job="fanfare", instance="fanfare:9601"'
# What is not so before it runs: it hears, owns the streams of facts, and looks for who is gone.
RUNNING = {
    "fanfare_listening": "1x60",
    "fanfare_fact_partitions": "64x60",
    'fanfare_sweeps_total{result="nothing"}': "0+120x60",
}


async def exposed() -> str:
    """Return what a process with all services shows before it runs."""
    settings = Settings()
    telemetry = Telemetry(settings.telemetry, "1.2.3", services=SERVICES)
    async with opened(plan(settings)) as backends:
        services = build(settings, SERVICES, backends)
        measured = [*telemetry.measured, backends.metrics]
        server = Server(services, (), (), measured=measured)
        return exposition(server.registry.read(), "")[0].decode()


def series(text: str) -> Iterator[dict[str, str]]:
    """Yield the series of an hour in which nothing changes."""
    yield {"series": f"up{{{TARGET}}}", "values": "1x60"}
    for name, labels, value in SAMPLE.findall(text):
        whole = f"{name}{{{labels}}}" if labels else name
        further = f", {labels}" if labels else ""
        values = RUNNING.get(whole, f"{float(value):f}x60")
        yield {"series": f"{name}{{{TARGET}{further}}}", "values": values}


async def test_quiet(tmp_path: Path) -> None:
    asked = [
        {"eval_time": time, "alertname": rule["alert"], "exp_alerts": list[Any]()}
        for rule in rules(ALERTS)
        for time in ("1m", "10m", "60m")
    ]
    given = [*series(await exposed())]
    test = {"interval": "1m", "input_series": given, "alert_rule_test": asked}
    file = tmp_path / "idle.yml"
    document = {"rule_files": [str(RECORDING), str(ALERTS)], "evaluation_interval": "1m"}
    file.write_text(yaml.safe_dump(document | {"tests": [test]}))

    status, said = promtool("test", "rules", file)

    assert len(given) > 100
    assert status == 0, said
