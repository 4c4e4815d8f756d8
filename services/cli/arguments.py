"""
What arguments stand for, and what is said of those that stand for nothing.

A command line is refused in a sentence, which says what may have been meant.  Of `fanfare apps`:
limits, origins, a secret that exists already.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from libs.common.apps import origins
from libs.common.apps.limits import Limits
from libs.common.config.environment import did_you_mean, reason
from libs.common.config.types import expected, show
from libs.common.errors import Misconfigured
from services.settings import SERVICES

# What argparse says, in the Pythons that we run on.
_NO_COMMAND = re.compile(r"the following arguments are required: (COMMAND|ACTION)")
_NO_CHOICE = re.compile(r"argument (COMMAND|ACTION): invalid choice: '(.*?)'.*\(choose from (.*)\)")
_WORD = re.compile(r"[\w-]+")
_OPTION = re.compile(r"(?<![\w-])--[\w-]+")

_KINDS = {field.name: field.type for field in msgspec.structs.fields(Limits)}


class Parser(argparse.ArgumentParser):
    """A parser that refuses in a sentence, and says where to read on; alone it shows its help."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with status 2."""
        if _NO_COMMAND.fullmatch(message):
            self.exit(2, self.format_help())
        sentence = _worded(message)
        stop = "" if sentence.endswith("?") else "."
        self.exit(2, f"fanfare: {sentence}{stop} See {self.prog} --help\n")

    def refuse(self, words: Sequence[str]) -> None:
        """Refuse what is left of a command line, if anything is."""
        if not words:
            return
        name = words[0].partition("=")[0]
        if not name.startswith("-"):
            self.error(f"there is no place for the argument {name!r}")
        known = sorted(set(_OPTION.findall(self.format_help())))
        self.error(f"there is no option {name}{did_you_mean(name, known)}")


def _worded(message: str) -> str:
    """Translate what argparse says."""
    found = _NO_CHOICE.fullmatch(message)
    if found is None:
        return message.removeprefix("argument ")
    hint = did_you_mean(found[2], _WORD.findall(found[3]))
    if found[1] == "COMMAND" and found[2] in SERVICES:
        hint = f"; fanfare run {found[2]} runs that service"
    return f"there is no {found[1].lower()} {found[2]!r}{hint}"


def add_action(actions: Any, name: str, summary: str, act: Any) -> argparse.ArgumentParser:
    """
    Add an action to a command that has several.

    Args:
        actions: What `argparse` gave for them.
        name: Its name.
        summary: What it does.
        act: Does it; found in the arguments as ``act``.
    """
    action: argparse.ArgumentParser = actions.add_parser(name, help=summary, description=summary)
    # Left out here it must not hide one that stands before the action.
    action.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="the settings, in TOML",
    )
    action.set_defaults(act=act, parser=action)
    return action


def seconds(text: str) -> float:
    """
    Read a number of seconds.

    Raises:
        argparse.ArgumentTypeError: The text is none, or no time can be it.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {show(text)}")
    return number


def above_zero(text: str) -> int:
    """
    Read how many.

    Raises:
        argparse.ArgumentTypeError: The text is no whole number above 0.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {show(text)}")
    return int(text)


def limits_of(texts: Sequence[str]) -> Limits:
    """
    Read the limits of a new app, each ``NAME=NUMBER``.

    Raises:
        Misconfigured: One is something else, unknown, or out of bounds.
    """
    return msgspec.convert(dict(_limit(text) for text in texts), Limits)


def changes_of(texts: Sequence[str]) -> dict[str, float | None]:
    """
    Read changes of limits, each ``NAME=NUMBER``, or ``NAME=`` for the default.

    Raises:
        Misconfigured: As in `limits_of`, but that any name may return to its default.
    """
    return dict(_change(text) for text in texts)


def _change(text: str) -> tuple[str, float | None]:
    name, separator, value = text.partition("=")
    if name and separator and not value:
        return name, None
    return _limit(text)


def _limit(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Misconfigured(f"--limit {text!r}: expected NAME=NUMBER, such as connections=1000")
    if name not in _KINDS:
        raise Misconfigured(f"--limit {name!r} is unknown{did_you_mean(name, _KINDS)}")
    kind: Any = _KINDS[name]
    try:
        number: float = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        number = math.nan
    if not math.isfinite(number):
        raise Misconfigured(f"--limit {name}: expected {expected(kind)}, found {show(value)}")
    return name, number


def origins_of(texts: Sequence[str]) -> list[str]:
    """
    Read origins.

    Raises:
        Misconfigured: One can match no page.
    """
    try:
        origins.check(texts)
    except ValueError as error:
        raise Misconfigured(f"--origin: {error}") from error
    return list(texts)


def id_of(text: str) -> str:
    """
    Read an app's id.

    Raises:
        Misconfigured: The text is empty.
    """
    if not text:
        raise Misconfigured("--id: expected a text that is not empty, digits by custom")
    return text


def is_customary(app_id: str) -> bool:
    """Tell whether the Python SDK takes an app's id."""
    return app_id.isascii() and app_id.isdigit()


def secret_in(file: str) -> str:
    """
    Read a secret from a file; ``-`` is the standard input.  One line break may end it.

    Raises:
        Misconfigured: The file cannot be read, or does not hold one line of text.
    """
    if file == "-" and sys.stdin is None:
        raise Misconfigured("--secret-file -: there is no standard input to read")
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        place = json.dumps(file, ensure_ascii=False)
        raise Misconfigured(f"--secret-file {place}: cannot be read: {reason(error)}") from error
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.isprintable() or not secret.strip():
        raise Misconfigured("--secret-file: expected one line with the secret, and nothing else")
    return secret
