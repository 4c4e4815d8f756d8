"""
What keeps the house easy to find one's way in: docs/architecture.md, "The house".

Import contracts hold the arrows; here are the sizes of rooms, and that a name stands for one thing.
"""

import ast
import tomllib
from collections import Counter
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ("libs", "services")
MOST_MODULES = 12  # Of a folder, its ``__init__.py`` among them.
MOST_LINES = 400
LONGEST_FUNCTION = 45

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules(*tops: str) -> tuple[Path, ...]:
    found = chain.from_iterable((ROOT / top).rglob("*.py") for top in tops)
    return tuple(path for path in found if "node_modules" not in path.parts)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("tops", [SOURCE, ("tests", "bench", "examples")])
def test_files(tops: tuple[str, ...]) -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*tops)}

    assert not {str(path): number for path, number in lines.items() if number > MOST_LINES}


def test_folders() -> None:
    """A folder that passes this is split by subject before the next module comes."""
    numbers = Counter(path.parent for path in modules(*SOURCE))

    assert not {str(path): number for path, number in numbers.items() if number > MOST_MODULES}


def test_functions() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules(*SOURCE)
        for node in nodes(path)
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    }

    assert not long


def test_class_names() -> None:
    """No two classes have the same name, so that a search for one finds it."""
    names = Counter(
        node.name
        for path in modules(*SOURCE)
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
    )

    assert not [name for name, number in names.items() if number > 1]


def test_ports() -> None:
    """Whatever has a port is held to it: its memory adapter knows no server."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["id"]: each for each in settings["tool"]["importlinter"]["contracts"]}
    ports = [path.relative_to(ROOT).parent for path in modules(*SOURCE) if path.name == "port.py"]

    assert {".".join(package.parts) for package in ports} == {*contracts["ports"]["containers"]}
