"""How much memory there is for this process: its control group's, or the machine's."""

import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def memory_limit(groups: Path = GROUPS, own: Path = OWN) -> int:
    """
    Return the bytes of memory that this process may use.

    The least of what its control groups allow, of version 2 (``memory.max``) and of version 1
    (``memory.limit_in_bytes``), and of what the machine has.

    Args:
        groups: Where control groups are shown.
        own: Names those of this process.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_bounds(groups, own)])


def _bounds(groups: Path, own: Path) -> Iterator[int]:
    for folder in _folders(groups, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                text = (folder / name).read_text().strip()
            except OSError:
                continue
            if text.isdigit() and int(text) > 0:  # Else "max".
                yield int(text)


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Name the folders of this process's groups, and of those that they are in."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        root = groups / controllers
        # In a container the path may be that of the machine outside, which is not shown.
        yield root
        folder = root / path.strip("/")
        while folder != root and root in folder.parents:
            yield folder
            folder = folder.parent
