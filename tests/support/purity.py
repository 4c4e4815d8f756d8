"""Which modules are pure, as the contract of that name in pyproject.toml says."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pure_modules() -> list[Path]:
    """Return the files of pure modules, packages' ``__init__.py`` aside, relative to the repository."""
    return [file for name in _contract() for file in _files(Path(*name.split(".")))]


def _contract() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    (found,) = [contract for contract in contracts if contract["id"] == "pure"]
    names: list[str] = found["source_modules"]
    return names


def _files(place: Path) -> Iterator[Path]:
    if not (ROOT / place).is_dir():
        yield place.with_suffix(".py")
        return
    for file in sorted((ROOT / place).rglob("*.py")):
        if file.name != "__init__.py":
            yield file.relative_to(ROOT)
