"""The real Prometheus with deploy/prometheus, on processes that run: it finds each, and its rules work on them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from services.settings import SERVICES
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import Fleet
from tests.support.monitoring.rules import ALERTS, PROMETHEUS, RECORDING, rules
from tests.support.programs import find_program
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, eventually, make_directory, running
from tests.support.servers.web import answers


class Prometheus:
    """A running Prometheus; `http` is for questions to it, `url` where it is."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, path: str, **params: str) -> Any:
        """Ask its API, and return the data of the answer."""
        async with self._http.get(f"{self._url}/api/v1/{path}", params=params) as response:
            answer: Mapping[str, Any] = await response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def values(self, query: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each series of a query."""
        found = await self.ask("query", query=query)
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    async def rules(self) -> list[Mapping[str, Any]]:
        """Return all rules, with how each is."""
        return [rule for group in (await self.ask("rules"))["groups"] for rule in group["rules"]]


def configure(directory: Path, targets: list[str]) -> Path:
    """Write deploy/prometheus/prometheus.yml for a test: the targets by address, and looked at each second."""
    document = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(PROMETHEUS / name) for name in document["rule_files"]]
    (job,) = document["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": targets}]
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(document))
    return file


def launch(directory: Path, config: Path) -> Launch:
    """Describe its start as docker-compose.yml has it, in a directory of its own."""
    address = f"127.0.0.1:{free_port()}"
    command = [find_program("prometheus"), f"--config.file={config}"]
    options = [f"--storage.tsdb.path={directory}", f"--web.listen-address={address}"]
    return Launch(
        name="prometheus",
        url=f"http://{address}",
        command=[*map(str, command), *options],
        directory=directory,
        probe=lambda: answers(f"http://{address}/-/ready", status=200),
    )


@pytest.fixture(scope="module")
async def prometheus(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, kafka_url: str
) -> AsyncIterator[Prometheus]:
    """Yield Prometheus beside two gateways and one of each other service, each a process."""
    fleet = Fleet(tmp_path_factory.mktemp("watched"), redis=redis_url, kafka=kafka_url)
    async with AsyncExitStack() as stack:
        targets = [
            await stack.enter_async_context(fleet.running(name)) for name in (*SERVICES, "gateway")
        ]
        directory = make_directory("prometheus")
        addresses = [f"{each.host}:{each.internal_port}" for each in targets]
        described = launch(directory, configure(directory, addresses))
        server = await stack.enter_async_context(running(described))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Prometheus(http, server.url)


async def test_scraped(prometheus: Prometheus) -> None:
    """Every process is a target that is up, two gateways among them, and all are of one job."""

    async def all_are_up() -> bool:
        return [value for _, value in await prometheus.values("up")] == [1.0] * 5

    await eventually(all_are_up, timeout=DEADLINE)

    up = await prometheus.values("up")
    assert {labels["job"] for labels, _ in up} == {"fanfare"}
    assert len({labels["instance"] for labels, _ in up}) == 5
    assert len(await prometheus.values("fanfare_connections")) == 2


async def test_rules(prometheus: Prometheus) -> None:
    """Every rule is evaluated without a fault, and what is recorded is there."""

    async def all_are_evaluated() -> bool:
        return {rule["health"] for rule in await prometheus.rules()} == {"ok"}

    await eventually(all_are_evaluated, timeout=DEADLINE)

    named = {rule["name"] for rule in await prometheus.rules()}
    assert named == {rule["alert"] for rule in rules(ALERTS)} | {
        rule["record"] for rule in rules(RECORDING)
    }

    async def is_recorded() -> bool:
        return bool(await prometheus.values("job:fanfare_connections:sum"))

    await eventually(is_recorded, timeout=DEADLINE)


async def test_quiet(prometheus: Prometheus) -> None:
    """No service is missing where all are, by what the processes themselves show."""
    missing = next(
        rule["expr"] for rule in rules(ALERTS) if rule["alert"] == "FanfareServiceMissing"
    )

    async def nobody_is_missing() -> bool:
        return not await prometheus.values(missing)

    await eventually(nobody_is_missing, timeout=DEADLINE)
