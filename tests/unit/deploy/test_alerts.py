"""deploy/prometheus: that its alerts fire and keep quiet, name what there is, and have an entry in docs/runbook.md."""

import re
import shlex
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from libs.common.config.environment import listing
from services.cli import COMMANDS, parser
from services.settings import SERVICES, Settings
from tests.support.documents.log_events import words
from tests.support.documents.tree import ROOT
from tests.support.monitoring import promql
from tests.support.monitoring.rules import (
    ALERTS,
    PROMETHEUS,
    RECORDING,
    TESTS,
    Rule,
    cases,
    declared,
    known,
    promtool,
    rules,
)

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DECLARED = declared()
KNOWN = known()
RECORDS = {rule["record"]: rule["expr"] for rule in rules(RECORDING)}
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in rules(ALERTS)}
SETTINGS = {setting.name for setting in listing(Settings)}
SECTIONS = {re.split(r"[.\[]", name)[0] for name in SETTINGS}

_QUOTED = re.compile(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+)+)`")
_BARE = re.compile(r"(?<![\w/.`-])[a-z_]+(?:\[\])?(?:\.[a-z_]+)+(?![\w/`])")
_ENTRY = re.compile(r"^### (\w+)$", re.MULTILINE)
_COMMAND = re.compile(r"`fanfare ([^`]+)`|^fanfare (.*?) *(?:#.*)?$", re.MULTILINE)
PARTS = ("**Users notice**: ", "**Confirm**: ", "**Do**: ")


def entries() -> dict[str, str]:
    """Read the runbook: the text of each entry, by the name of its alert."""
    _, *pieces = _ENTRY.split(RUNBOOK)
    return {
        name: text.split("\n## ")[0] for name, text in zip(pieces[::2], pieces[1::2], strict=True)
    }


def commands() -> set[str]:
    """Find the commands of Fanfare that the runbook has people give."""
    return {" ".join((quoted or line).split()) for quoted, line in _COMMAND.findall(RUNBOOK)}


def read_by(expression: str) -> set[str]:
    """Name the metrics that an expression reads, through what is recorded too."""
    found: set[str] = set()
    for each in promql.named(expression):
        found |= read_by(RECORDS[each.name]) if each.name in RECORDS else {each.name}
    return found


def series_of(test: Rule) -> list[promql.Named]:
    return [each for given in test["input_series"] for each in promql.named(given["series"])]


def outcomes(alert: str) -> dict[str, list[Rule]]:
    """Find the tests of an alert: those in which it is quiet, and those in which it fires."""
    found: dict[str, list[Rule]] = defaultdict(list)
    for test in cases():
        for asked in test["alert_rule_test"]:
            if asked["alertname"] == alert:
                found["fires" if asked["exp_alerts"] else "quiet"].append(test)
    return found


by_alert = pytest.mark.parametrize("rule", rules(ALERTS), ids=lambda rule: rule["alert"])


class TestPromtool:
    """Prometheus' own program finds nothing wrong."""

    @pytest.mark.parametrize("path", sorted(TESTS.glob("*.yml")), ids=lambda path: path.stem)
    def test_rules(self, path: Path) -> None:
        """Each alert is quiet, and fires, as its tests have it."""
        status, said = promtool("test", "rules", path)

        assert status == 0, said

    def test_configuration(self) -> None:
        """The example is valid, and so are the rules that it names."""
        status, said = promtool("check", "config", PROMETHEUS / "prometheus.yml")

        assert status == 0, said
        assert ALERTS.name in said
        assert RECORDING.name in said


def test_scraped() -> None:
    """The example asks each service of docker-compose.yml where it answers, each process by itself."""
    example = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    composed = tomllib.loads((ROOT / "deploy" / "compose.toml").read_text(encoding="utf-8"))
    (job,) = example["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]

    assert discovery["names"] == [*SERVICES]
    assert composed["server"]["internal_listen"] == f"0.0.0.0:{discovery['port']}"
    assert job["job_name"] == "fanfare"


@by_alert
class TestAlert:
    """Each alert goes by what there is, is tested both ways, and says what to do."""

    def test_names(self, rule: Rule) -> None:
        assert not [*promql.faults(rule["expr"], KNOWN)]

    def test_tested(self, rule: Rule) -> None:
        """One test has it quiet although all is there that it reads, and one has it fire."""
        found = outcomes(rule["alert"])

        assert set(found) == {"quiet", "fires"}
        there = {each.name for each in series_of(found["quiet"][0])}
        assert read_by(rule["expr"]) <= there

    def test_annotated(self, rule: Rule) -> None:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["description"].endswith(".")
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"

    def test_runbook(self, rule: Rule) -> None:
        """Its entry says what users notice, how it is confirmed, and what to do."""
        entry = entries()[rule["alert"]]

        assert [entry.count(part) for part in PARTS] == [1, 1, 1]
        assert f"**{rule['labels']['severity']}**" in entry


@pytest.mark.parametrize("record", rules(RECORDING), ids=lambda rule: rule["record"])
def test_recorded(record: Rule) -> None:
    """What is recorded is there, and has the labels that its name says."""
    assert not [*promql.faults(record["expr"], KNOWN)]
    sources = [KNOWN[each.name].labels for each in promql.named(record["expr"])]
    assert KNOWN[record["record"]].labels <= frozenset().union(*sources)


@pytest.mark.parametrize("test", cases(), ids=lambda test: test["name"])
def test_series(test: Rule) -> None:
    """Tests give series as processes show them, with all of their labels."""
    for each in series_of(test):
        assert {label for label, _ in each.wanted} == DECLARED[each.name].labels
    assert not [f for given in test["input_series"] for f in promql.faults(given["series"], KNOWN)]


def test_backends() -> None:
    """Alerts name backends that there are: docs/operations.md lists them."""
    (row,) = re.findall(r"^\| `backend` \| which: (.*) \|$", OPERATIONS, re.MULTILINE)
    there = set(re.findall(r"`([a-z_/]+)`", row))
    matchers = re.findall(r'backend[!=]~"([^"]+)"', ALERTS.read_text(encoding="utf-8"))

    assert matchers
    assert {name for one in matchers for name in one.split("|")} <= there


class TestRunbook:
    """It has an entry for each alert, and names what there is."""

    def test_entries(self) -> None:
        assert [*entries()] == [*EXPRESSIONS]

    def test_named(self) -> None:
        """Alerts that documents name, or lead to, are there."""
        named = set(re.findall(r"\bFanfare[A-Z]\w+", RUNBOOK + OPERATIONS))
        linked = set(re.findall(r"\(#(fanfare\w+)\)", RUNBOOK))

        assert named <= set(EXPRESSIONS)
        assert linked <= {name.lower() for name in EXPRESSIONS}

    @pytest.mark.parametrize("command", sorted(commands()))
    def test_commands(self, command: str) -> None:
        """The command line takes each command that is to be given."""
        assert parser().parse_args(shlex.split(command)).command in COMMANDS


class TestSettings:
    """Settings, and events of the log, that are named are there."""

    def test_runbook(self) -> None:
        known = SETTINGS | {*words()} | {re.sub(r"\[\]\..*", "", name) for name in SETTINGS}

        assert not set(_QUOTED.findall(RUNBOOK)) - known

    @pytest.mark.parametrize("path", sorted(PROMETHEUS.glob("*.yml")), ids=lambda path: path.name)
    def test_files(self, path: Path) -> None:
        found = _BARE.findall(path.read_text(encoding="utf-8"))

        assert not {name for name in found if name.split(".")[0] in SECTIONS} - SETTINGS
