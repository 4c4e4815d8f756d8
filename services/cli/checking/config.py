"""
Show the settings that hold, and where each comes from: the file, the environment, its default.

Secrets are masked, the passwords in URLs too.  They are those of a process that would start now:
one that runs has read them before.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from libs.common.backends.urls import TAKEN_FROM
from libs.common.config.effective import EffectiveSetting, effective
from libs.common.config.environment import did_you_mean
from libs.common.errors import Misconfigured
from services.cli.arguments import add_action
from services.cli.tables import aligned
from services.settings import Settings

LONGEST = 100  # Characters of a value in a table; JSON has all.


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: an action, and what that takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = add_action(actions, "show", "show the settings that hold, secrets masked", _show)
    show.add_argument(
        "names",
        nargs="*",
        metavar="SETTING",
        help="only these, such as gateway, backends.bus or apps[0]",
    )
    show.add_argument("--set", action="store_true", help="only those that are no default")
    show.add_argument("--json", action="store_true", help="one JSON object, for programs")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; raises Misconfigured where there is no such setting."""
    status: int = arguments.act(arguments, settings)
    return status


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    every = [*effective(settings, path=arguments.config, environ=os.environ)]
    chosen = [
        each
        for each in _named(every, arguments.names)
        if not arguments.set or each.origin.source != "default"
    ]
    if arguments.json:
        print(msgspec.json.encode({each.name: _whole(each) for each in chosen}).decode())
        return 0
    for line in aligned([_row(each) for each in chosen]) if chosen else []:
        print(line)
    if not chosen:
        print("fanfare: all of these have their defaults", file=sys.stderr)
    return 0


def _named(every: Sequence[EffectiveSetting], names: Sequence[str]) -> list[EffectiveSetting]:
    """
    Choose the settings that are named, or are within what is.

    Raises:
        Misconfigured: A name stands for nothing.
    """
    for name in names:
        if not any(_is_within(each.name, name) for each in every):
            known = {each.name for each in every} | {each.name.partition(".")[0] for each in every}
            raise Misconfigured(f"there is no setting {name!r}{did_you_mean(name, sorted(known))}")
    return [
        each for each in every if not names or any(_is_within(each.name, name) for name in names)
    ]


def _is_within(name: str, section: str) -> bool:
    return name == section or name.startswith((f"{section}.", f"{section}["))


def _row(setting: EffectiveSetting) -> tuple[str, str, str]:
    text = msgspec.json.encode(setting.value).decode()
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return setting.name, shown, _place(setting)


def _place(setting: EffectiveSetting) -> str:
    """Say where a setting comes from; of some the default is what another setting says."""
    origin, name = setting.origin, setting.name.removeprefix("backends.")
    if origin.source != "default":
        return origin.place
    same = TAKEN_FROM.get(name) if name != setting.name else None
    return f"as backends.{same}" if same else "default"


def _whole(setting: EffectiveSetting) -> dict[str, Any]:
    return {
        "value": setting.value,
        "source": setting.origin.source,
        "place": setting.origin.place,
    }
