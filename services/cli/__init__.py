"""
The command line: ``fanfare COMMAND …``.

Each command is a module with `configure`, which says what it takes, and `execute`, which does it
and returns the exit status: 0 done, 1 it failed, 2 the settings or the arguments are wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from libs.common.errors import Misconfigured
from libs.common.telemetry import logs
from services import settings
from services.cli import apps, check, explain, migrate, publish, run, token, trial


class Subcommand(Protocol):
    """What each module here offers."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes."""

    def execute(self, arguments: argparse.Namespace, settings: settings.Settings) -> int:
        """Do it, and return the exit status."""


COMMANDS: dict[str, Subcommand] = {
    "run": run,
    "migrate": migrate,
    "check": check,
    "explain": explain,
    "apps": apps,
    "token": token,
    "publish": publish,
    "test": trial,
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Do what a command line says.

    Args:
        argv: The arguments after the program's name; None: those of this process.

    Returns:
        The exit status.
    """
    logs.configure_command()
    arguments = parser().parse_args(argv)
    try:
        loaded = settings.load(path=arguments.config, environ=os.environ)
        return COMMANDS[arguments.command].execute(arguments, loaded)
    except Misconfigured as error:
        print(f"fanfare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Make what reads a command line: which command it names, and the arguments of that."""
    program = argparse.ArgumentParser(
        prog="fanfare", description="Self-hosted realtime: domain events to every Pusher client."
    )
    commands = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").strip().partition("\n")[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        command.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="the settings, in TOML (default: the file that FANFARE_CONFIG names)",
        )
        module.configure(command)
    return program
