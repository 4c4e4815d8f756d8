"""The files for nginx and Apache: that they take them.  What they do, tests/ensemble/proxies shows."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from tests.support.balancers import apache, nginx
from tests.support.balancers.balancer import Ports
from tests.support.servers import Certificates

PORTS = Ports(public=6001, health=9601)


def checked(*command: str | Path) -> tuple[int, str]:
    """Run a checker; return its status and what it says."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own.
    return done.returncode, done.stdout + done.stderr


def test_nginx(tmp_path: Path, certificates: Certificates) -> None:
    """It finds nothing wrong, and nothing to warn of."""
    nginx.write(tmp_path, PORTS, certificates, public=443, plain=80)

    status, said = checked(*nginx.command(tmp_path), "-t", "-e", "stderr")

    assert (status, [line for line in said.splitlines() if "[warn]" in line]) == (0, [])


def test_apache(tmp_path: Path, certificates: Certificates) -> None:
    """It finds nothing wrong."""
    apache.write(tmp_path, PORTS, certificates, public=443, plain=80)

    status, said = checked(*apache.command(tmp_path), "-t")

    assert (status, said.strip().splitlines()[-1]) == (0, "Syntax OK")


@pytest.mark.parametrize(
    "file,timeouts",
    [
        (nginx.FILE, r"proxy_(?:read|send)_timeout (\d+)s;"),
        (apache.FILE, r"BalancerMember .*upgrade=websocket.* timeout=(\d+)"),
    ],
)
def test_silence(file: Path, timeouts: str) -> None:
    """No proxy closes a socket that its gateway would keep: clients are asked for a word before."""
    usual = GatewaySettings()

    found: Sequence[str] = re.findall(timeouts, file.read_text())

    assert len(found) == 2
    for seconds in found:
        assert float(seconds) > usual.activity_timeout + usual.pong_timeout
