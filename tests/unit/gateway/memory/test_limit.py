"""How much memory there is for this process."""

from pathlib import Path

import pytest

from services.gateway.memory.limit import memory_limit

ONE, TWO = 100 << 20, 200 << 20


def limit(folder: Path, own: str, files: dict[str, str]) -> int:
    for name, text in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return memory_limit(folder / "groups", folder / "own")


@pytest.mark.parametrize(
    "own,files",
    [
        ("0::/\n", {"memory.max": f"{ONE}\n"}),
        ("0::/a/b\n", {"a/b/memory.max": f"{ONE}\n", "memory.max": f"{TWO}\n"}),
        ("0::/a/b\n", {"a/memory.max": f"{ONE}\n", "a/b/memory.max": "max\n"}),
        ("0::/outside/of/it\n", {"memory.max": f"{ONE}\n"}),
        ("0::/../outside\n", {"memory.max": f"{ONE}\n"}),
        (
            "5:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n",
            {"memory/memory.limit_in_bytes": f"{ONE}\n"},
        ),
        ("5:memory:/a\n", {"memory/a/memory.limit_in_bytes": f"{ONE}\n"}),
    ],
    ids=["root", "own", "above", "outside", "upwards", "version 1", "version 1, own"],
)
def test_groups(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    """
    The least of the groups that the process is in counts, whether or not its own is shown.
    """
    assert limit(tmp_path, own, files) == ONE


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", "0\n", "?\n", ""])
def test_machine(tmp_path: Path, text: str) -> None:
    """
    Where no group has a bound, it is the machine's.
    """
    machine = memory_limit(tmp_path, tmp_path)

    assert limit(tmp_path, "0::/\n", {"memory.max": text}) == machine > 0


def test_here() -> None:
    assert memory_limit() > 1 << 20
