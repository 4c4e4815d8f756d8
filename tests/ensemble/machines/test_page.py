"""What docs/deploy/machines.md tells an operator to type."""

import asyncio
import re
import secrets
import shlex
from pathlib import Path

from tests.support.deployments.machines import amended, machine
from tests.support.deployments.program import FANFARE, ROOT, plain_environ

PAGE = ROOT / "docs" / "deploy" / "machines.md"


async def test_commands(tmp_path: Path, redis_url: str, database_url: str) -> None:
    """
    With the variables that the page gives the tables are made, an app is added, and commands find the deployment.
    """
    here = machine(tmp_path, redis=redis_url, postgres=database_url)
    (script,) = re.findall(r"```sh\n(cd /etc/fanfare/secrets\n.*?)```", PAGE.read_text(), re.DOTALL)
    places = {
        "/etc/fanfare/secrets": shlex.quote(str(here.secrets)),
        "/etc/fanfare/fanfare.toml": shlex.quote(str(here.settings())),
        "/opt/fanfare/bin/fanfare": shlex.join(FANFARE),
    }

    more = {"FANFARE_BACKENDS_PREFIX": f"t{secrets.token_hex(6)}", "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", amended(script, places)),
        env=plain_environ() | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    assert "the settings are good" in output.decode()
