"""Units of deploy/systemd, as far as a process needs them that runs without systemd."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployments.program import ROOT

UNITS = ROOT / "deploy" / "systemd"
CREDENTIALS = "%d"


@dataclass(frozen=True, slots=True)
class Unit:
    """
    A unit with its drop-ins.

    Attributes:
        name: With its instance, ``fanfare-gateway@6001.service``.
        lines: Section, setting and value, in order.
    """

    name: str
    lines: Sequence[tuple[str, str, str]]

    def all(self, setting: str, section: str = "Service") -> list[str]:
        """Return all values of a setting, in order; specifiers of the instance are resolved."""
        instance = self.name.partition("@")[2].removesuffix(".service")
        found = [text for where, name, text in self.lines if (where, name) == (section, setting)]
        return [text.replace("%i", instance) for text in found]

    def one(self, setting: str, section: str = "Service") -> str:
        """Return the value of a setting that is there once."""
        (text,) = self.all(setting, section)
        return text

    def environ(self, credentials: Path) -> dict[str, str]:
        """Return what it sets of its process's variables."""
        words = [word for line in self.all("Environment") for word in shlex.split(line)]
        pairs = [word.replace(CREDENTIALS, str(credentials)).partition("=") for word in words]
        return {name: text for name, _, text in pairs}

    def credentials(self) -> dict[str, str]:
        """Return from which file each credential is loaded."""
        return dict(text.split(":", 1) for text in self.all("LoadCredential"))


def unit(name: str) -> Unit:
    """Read a unit, such as ``fanfare-gateway@6001.service``, and its drop-ins."""
    template, at, _ = name.partition("@")
    file = UNITS / (f"{template}@.service" if at else name)
    drop_ins = (UNITS / f"fanfare-{at}.service.d").glob("*.conf")
    return Unit(name, [line for path in (file, *sorted(drop_ins)) for line in _lines(path)])


def _lines(path: Path) -> list[tuple[str, str, str]]:
    section, found = "", []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, text = line.partition("=")
            found.append((section, name, text))
    return found
