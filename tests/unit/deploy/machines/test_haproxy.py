"""What docs/deploy/machines.md has in the place of haproxy.cfg's servers: that HAProxy takes it."""

import re
import subprocess
from pathlib import Path

from tests.support.balancers.balancer import PLACES
from tests.support.deployments.haproxy import FILE
from tests.support.deployments.program import ROOT
from tests.support.programs import find_program

PAGE = ROOT / "docs" / "deploy" / "machines.md"


def on_a_machine() -> str:
    """Return haproxy.cfg with the page's sections in the place of its own."""
    (sections,) = re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    text = FILE.read_text()
    for section in sections.strip().split("\n\n"):
        name = section.splitlines()[0]
        text, times = re.subn(rf"{name}\n(?:    .*\n)+", f"{section}\n", text)
        assert times == 1, f"{name} is not in the file"
    return text


def test_valid(tmp_path: Path) -> None:
    """It finds nothing wrong, and nothing to warn of; all processes are named, with their internal ports."""
    file = tmp_path / "haproxy.cfg"
    file.write_text(on_a_machine())

    checked = subprocess.run(  # noqa: S603 - our own.
        [find_program("haproxy"), "-c", "-q", "-f", file],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    servers = re.findall(r"server \d+ (\S+:(\d+)) .*check port (\d+)", file.read_text())
    assert [place for place, _, _ in servers] == list(PLACES)
    assert all(internal == f"1{port}" for _, port, internal in servers)
