"""docker-compose.yml as Compose reads it, as far as this file goes: references replaced, services as tables."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

from services.settings import Settings, load
from tests.support.deployments.program import ROOT

FILE = ROOT / "docker-compose.yml"
IMAGE = "fanfare"  # Ours; the others are fetched.

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\})")

Service = dict[str, Any]


class Reference(NamedTuple):
    """A variable that the file refers to; the default is None if there is none."""

    name: str
    default: str | None


def secrets() -> dict[str, str]:
    """Make new secrets, as ``make up`` does."""
    script = [ROOT / "deploy" / "secrets.sh"]
    made = subprocess.run(script, check=True, capture_output=True, text=True)  # noqa: S603 - ours.
    return variables(made.stdout)


def variables(text: str) -> dict[str, str]:
    """Read an .env file as Compose does: what stands between single quotes counts as it is."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.split("=", 1) for line in lines]
    return {name: value[1:-1] if value[:1] == "'" else value for name, value in pairs}


def composition(environ: Mapping[str, str]) -> dict[str, Any]:
    """
    Read the file.

    Raises:
        KeyError: It refers to a variable that is not there.
    """
    document: dict[str, Any] = _replaced(yaml.safe_load(FILE.read_text()), environ)
    return document


def settings_of(container: Service) -> Settings:
    """Load the settings of a container of ours as it does: its variables over the file that it mounts."""
    (mount,) = container["volumes"]
    source, target, _ = mount.split(":")
    inside = PurePosixPath(container["environment"]["FANFARE_CONFIG"])
    return load(path=ROOT / source / inside.relative_to(target), environ=container["environment"])


def share_network(containers: Mapping[str, Service], *names: str) -> bool:
    """Tell whether some containers reach each other."""
    return bool(set.intersection(*(set(containers[name]["networks"]) for name in names)))


def references() -> Iterator[Reference]:
    """Yield the variables that the file refers to."""
    for found in _REFERENCE.finditer(FILE.read_text()):
        if found["name"]:
            yield Reference(found["name"], found["word"] if found["how"] == "-" else None)


def _replaced(node: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _replaced(value, environ) for name, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, environ) for value in node]
    return _text(node, environ) if isinstance(node, str) else node


def _text(text: str, environ: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if found["how"] == "-":
            return environ.get(found["name"]) or found["word"]
        return environ[found["name"]]

    return _REFERENCE.sub(value, text)
