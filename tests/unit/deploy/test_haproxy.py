"""deploy/haproxy/haproxy.cfg: that HAProxy takes it.  What it does, tests/ensemble/test_haproxy.py shows."""

import subprocess

from tests.support.haproxy import FILE
from tests.support.servers.packages import find_program


def test_valid() -> None:
    """HAProxy finds nothing wrong, and nothing to warn of."""
    checked = subprocess.run(  # noqa: S603 - our own.
        [find_program("haproxy"), "-c", "-q", "-f", FILE],
        env={},
        check=False,
        capture_output=True,
        text=True,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
