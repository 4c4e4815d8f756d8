"""What the parser knows of its own command line."""

import argparse

import pytest

from services.cli import COMMANDS, parser
from services.cli.completing.branches import LONGEST, Branch, Option, branches


@pytest.fixture
def made() -> list[Branch]:
    """Return the branches of a small program."""
    program = argparse.ArgumentParser(prog="x")
    commands = program.add_subparsers()
    run = commands.add_parser("run", help="run it")
    run.add_argument("services", nargs="*", choices=["auth", "gateway"])
    run.add_argument("--config", "-c", metavar="FILE", help="50%% of\n  it")
    run.add_argument("--level", choices=["low", "high"], help="so " * 100)
    run.add_argument("--quiet", action="store_true")
    run.add_argument("--name")
    return list(branches(program))


def test_branches(made: list[Branch]) -> None:
    """
    Commands follow the program, and choices a command; of options it is known what they take.
    """
    program, run = made

    assert (program.place, program.words) == ("", (("run", "run it"),))
    assert (run.place, run.words) == ("/run", (("auth", ""), ("gateway", "")))
    help_, config, level, quiet, name = run.options
    assert help_.takes == quiet.takes == "nothing"
    assert config == Option(("--config", "-c"), "file", (), "50% of it")
    assert (level.takes, level.choices) == ("choice", ("low", "high"))
    assert len(level.summary) <= LONGEST
    assert (name.takes, name.summary) == ("text", "")


def test_all() -> None:
    """
    Every command of the program is there, and the actions of those that have some.
    """
    known = {branch.path: branch for branch in branches(parser())}

    assert {word for word, _ in known[()].words} == {*COMMANDS}
    assert {("apps", "rotate"), ("dead-letters", "replay"), ("config", "show")} <= {*known}
