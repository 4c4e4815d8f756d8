"""The exception tree is what its page says."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

import libs
import services
from libs.common import errors

INDENT = 4 * " "
BRANCHES = (errors.Invalid, errors.Denied, errors.Unavailable, errors.Misconfigured)


def test_tree() -> None:
    """Every exception of libs and services stands in the tree at the top of errors.py, and no other."""
    for package in (libs, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                import_module(module.name)

    assert list(told()) == [line for branch in BRANCHES for line in tree(branch)]


class Odd(errors.Forbidden):
    """A refusal whose words quote nothing."""

    may_quote = False


class ByPolicy(errors.Forbidden):
    """A refusal of a policy's."""

    facts = {"pattern": "private-{x}", "channel": "private-y"}  # noqa: RUF012 - as the class has it.


@pytest.mark.parametrize(
    "error, kind",
    [
        (errors.Invalid("no channel 'x'"), "Invalid"),
        (errors.Denied("no app 'x'"), "Denied"),
        (Odd("the token has expired"), "Odd the token has expired"),
        (ByPolicy("you may not, x"), "ByPolicy private-{x}"),
        (errors.Unavailable("bus"), "Unavailable the bus backend is unavailable"),
    ],
)
def test_kind(error: errors.Invalid | errors.Denied | errors.Unavailable, kind: str) -> None:
    """None of it is what a peer chose."""
    assert errors.kind_of_refusal(error) == kind


def told() -> Iterator[str]:
    """Read the tree in the docstring: each name, with its indentation."""
    for line in (errors.__doc__ or "").splitlines():
        if line.startswith(INDENT):
            name, _, _ = line.strip().partition(" ")
            yield line[: line.index(name)] + name


def tree(error: type[Exception], depth: int = 1) -> Iterator[str]:
    """Walk through an exception and what is derived from it, in alphabetical order."""
    yield depth * INDENT + error.__name__
    for each in sorted(error.__subclasses__(), key=lambda each: each.__name__):
        if each.__module__.startswith(("libs.", "services.")):
            yield from tree(each, depth + 1)
