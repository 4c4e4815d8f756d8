"""
A bare machine for tests: its settings and secrets, on real backends, and an address of its own.

The files of deploy/ name ports, such as 6001; at an address of loopback that nobody else has they are free.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployments.program import ROOT
from tests.support.tokens.keys import pair

SETTINGS = ROOT / "deploy" / "machines.toml"


@dataclass(frozen=True, slots=True)
class Machine:
    """
    A machine.

    Attributes:
        host: Its address.
        secrets: The directory with its secrets.
    """

    host: str
    secrets: Path

    def settings(self) -> Path:
        """Write its settings: those of deploy/machines.toml, with no time for load balancers."""
        file = self.secrets / "fanfare.toml"
        file.write_text(amended(SETTINGS.read_text(), {"lb_delay = 3 ": "lb_delay = 0 "}))
        return file


def machine(directory: Path, *, redis: str, postgres: str) -> Machine:
    """
    Make a machine.

    Args:
        directory: For its secrets.
        redis: The URL of its bus and roster.
        postgres: The URL of its database.
    """
    public, private = pair("EdDSA")
    key = {"kid": "1", "public_key": public}
    issuer = {
        "issuer": "fanfare",
        "audience": "fanfare",
        "secret": "a-secret-of-this-machine-alone-0123",
    }
    texts: Mapping[str, str] = {
        "bus-url": redis,
        "roster-url": redis,
        "apps-url": postgres,
        "sightings-url": postgres,
        "issuers.json": json.dumps([issuer]),
        "token-keys.json": json.dumps([key | {"private_key": private}]),
        "token-public-keys.json": json.dumps([key]),
    }
    for name, text in texts.items():
        (directory / name).write_text(text)
    high, low = random.randrange(256), random.randrange(1, 255)  # noqa: S311 - not a secret.
    return Machine(f"127.30.{high}.{low}", directory)


def amended(text: str, changes: Mapping[str, str]) -> str:
    """
    Change a file of deploy/ for a test.

    Args:
        text: The file.
        changes: What takes the place of what; fails unless each is there.
    """
    for old, new in changes.items():
        assert old in text, f"{old} is not there"
        text = text.replace(old, new)
    return text
