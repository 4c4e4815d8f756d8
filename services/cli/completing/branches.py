"""
What may stand where on a command line, as its parser knows it.

Pure.  A branch is the program, a command, or an action of a command.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from libs.common.config.types import is_struct
from services.settings import SERVICES, Settings

Takes = Literal["nothing", "choice", "file", "text"]

LONGEST = 80  # Characters of a summary: a shell shows it beside the word.


@dataclass(frozen=True, slots=True)
class Option:
    """
    An option.

    Attributes:
        names: All of its names, dashes included.
        takes: What follows it.
        choices: What that may be, where it is a choice.
        summary: What it is for.
    """

    names: tuple[str, ...]
    takes: Takes
    choices: tuple[str, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Branch:
    """
    A place on the command line.

    Attributes:
        path: The words that lead to it; of the program none.
        words: Those that may follow, commands, actions or values, each with its summary.
        options: Those that it takes.
    """

    path: tuple[str, ...]
    words: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]

    @property
    def place(self) -> str:
        """Its path as one text: empty, ``/apps``, ``/apps/add``."""
        return "".join(f"/{word}" for word in self.path)


def branches(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Branch]:
    """Yield a parser's branch, and those of its commands and actions."""
    words: dict[str, str] = {}
    options = []
    inner: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask.
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - nor for these.
            inner = dict(action.choices)
            summaries = {each.dest: each.help for each in action._get_subactions()}  # noqa: SLF001
            words |= {name: _short(summaries.get(name)) for name in inner}
        elif action.option_strings:
            options.append(_option(action))
        else:
            words |= dict.fromkeys(_words(action), "")
    yield Branch(path, tuple(words.items()), tuple(options))
    for name, each in inner.items():
        yield from branches(each, (*path, name))


def _words(action: argparse.Action) -> Iterable[str]:
    """Tell what may stand in the place of an argument, where that is known."""
    if action.metavar == "SERVICE":
        return SERVICES
    if action.metavar == "SETTING":
        return _settings(Settings)
    return map(str, action.choices or ())


def _settings(table: type[msgspec.Struct], above: str = "") -> Iterator[str]:
    """Yield the names of settings and of their sections; members of lists have no names."""
    for field in msgspec.structs.fields(table):
        name = f"{above}{field.encode_name}"
        yield name
        if is_struct(field.type):
            yield from _settings(field.type, f"{name}.")


def _option(action: argparse.Action) -> Option:
    choices = tuple(map(str, action.choices or ()))
    return Option(tuple(action.option_strings), _takes(action), choices, _short(action.help))


def _takes(action: argparse.Action) -> Takes:
    if action.nargs == 0:
        return "nothing"
    if action.choices:
        return "choice"
    return "file" if action.metavar == "FILE" else "text"


def _short(text: str | None) -> str:
    """Take the first words of a help text, in one line."""
    line = " ".join((text or "").replace("%%", "%").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
