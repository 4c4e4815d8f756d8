"""
The metrics as a page: every family that the source declares, by the part of the program that counts it.

``python -m tests.support.documents.metrics`` prints docs/metrics.md; `make docs` writes it, and a test holds it.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from libs.common.telemetry.metrics.families import Family
from tests.support.documents.tree import ROOT, TOPS

PROCESS = "Every process"

_DECLARES = "libs.common.telemetry.metrics.families import"
_HEAD = """\
# Metrics

Every family of metrics, at `/metrics` of the internal address and, where `telemetry.otlp_endpoint` is set, sent by OTLP
under the same names. `make docs` writes this page from the declarations in the source. [operations.md](operations.md)
tells how they are read, and which of them to look at first.

Counters begin with 0 at each start. A gateway's numbers are those of one process: sum them over the gateways of a
deployment. No label is a channel, a user or a socket.
"""


def page(root: Path = ROOT) -> str:
    """Compose docs/metrics.md."""
    groups = families(root)
    return "\n".join([_HEAD, *(line for name, few in groups.items() for line in _group(name, few))])


def families(root: Path = ROOT) -> Mapping[str, Sequence[Family]]:
    """Find every family that a module declares: in the order of the source, by service."""
    groups: dict[str, list[Family]] = {}
    for module in _declaring(root):
        found = [each for each in vars(module).values() if isinstance(each, Family)]
        groups.setdefault(_owner(module.__name__), []).extend(found)
    return dict(sorted(groups.items(), key=lambda group: (group[0] == PROCESS, group[0])))


def _declaring(root: Path) -> Iterator[ModuleType]:
    for path in sorted(path for top in TOPS for path in (root / top).rglob("*.py")):
        if _DECLARES in path.read_text(encoding="utf-8"):
            yield importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


def _owner(module: str) -> str:
    top, service, *_ = module.split(".")
    return service.capitalize() if top == "services" else PROCESS


def _group(name: str, few: Sequence[Family]) -> Iterator[str]:
    if not few:
        return
    yield f"## {name}\n\n| name | kind | labels | what it says |\n|---|---|---|---|"
    for each in few:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        yield f"| `{each.name}` | {each.kind} | {labels} | {each.means} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
