"""deploy/haproxy/haproxy.cfg: that HAProxy takes it.  What it does, tests/ensemble/proxies shows."""

import re
import subprocess

import pytest

from tests.support.deployments.composition import composition, secrets
from tests.support.deployments.haproxy import FILE
from tests.support.programs import find_program

COMPOSED = composition(secrets())["services"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TRUSTED_PROXIES": "10.0.0.0/8 192.168.1.1"},
        {"TRUSTED_PROXIES": COMPOSED["haproxy"]["environment"]["TRUSTED_PROXIES"]},
    ],
)
def test_valid(environ: dict[str, str]) -> None:
    """HAProxy finds nothing wrong, and nothing to warn of."""
    checked = subprocess.run(  # noqa: S603 - our own.
        [find_program("haproxy"), "-c", "-q", "-f", FILE],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_reload() -> None:
    """Who is there before a reload, as for a renewed certificate, stays as long as a silent socket may."""
    said = FILE.read_text(encoding="utf-8")
    hours = dict(re.findall(r"^ +(hard-stop-after|timeout tunnel) .*?(\d+)h", said, re.MULTILINE))

    assert set(hours) == {"hard-stop-after", "timeout tunnel"}
    assert int(hours["hard-stop-after"]) >= int(hours["timeout tunnel"])
