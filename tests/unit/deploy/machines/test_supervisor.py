"""deploy/supervisor/fanfare.conf: that it says the same as systemd's units do.  What it does, tests/ensemble/machines shows."""

import configparser
import shlex
import tomllib
from pathlib import Path

import pytest

from services.settings import SERVICES
from tests.support.deployments.machines import SETTINGS
from tests.support.deployments.program import ROOT
from tests.support.deployments.units import unit

FILE = ROOT / "deploy" / "supervisor" / "fanfare.conf"
PARSER = configparser.RawConfigParser(inline_comment_prefixes=(";",))
PARSER.read(FILE)


@pytest.mark.parametrize("service", SERVICES)
def test_programs(service: str) -> None:
    """Each service has its program, the ports and variables of its unit, and more time to stop than it needs."""
    program = PARSER[f"program:fanfare-{service}"]
    port = program["numprocs_start"]
    here = unit(f"fanfare-{service}@{port}.service")
    server = tomllib.loads(SETTINGS.read_text())["server"]

    words = shlex.shlex(program["environment"].replace("%(process_num)d", port), posix=True)
    words.whitespace, words.whitespace_split = ",", True
    environ = dict(word.split("=", 1) for word in words)

    expected = here.environ(Path("/etc/fanfare/secrets"))
    assert environ.items() <= expected.items()
    assert {name for name in expected if not name.startswith("PYTHON")} == set(environ)
    assert program["command"] == here.one("ExecStart")
    assert int(program["stopwaitsecs"]) > server["lb_delay"] + server["drain_timeout"]
    assert f"fanfare-{service}" in PARSER["group:fanfare"]["programs"].split(",")
