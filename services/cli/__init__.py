"""
The command line: ``fanfare COMMAND …``.

Each command is a module with `configure`, which says what it takes, and `execute`, which does it
and returns the exit status: 0 done, 1 it failed, 2 the settings or the arguments are wrong.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from libs.common.errors import Misconfigured
from libs.common.telemetry import logs
from services import settings
from services.cli import apps, explain, listen, migrate, publish, run, token, trial
from services.cli.arguments import Parser
from services.cli.checking import check, config
from services.cli.client import DatabaseAway
from services.cli.completing import completion
from services.cli.dead_letters import command
from services.cli.presence import users, webhooks
from services.cli.watching import debug, status, top
from services.version import VERSION

# What writing alone fails with: a disk that is full, or broken, or a quota that is used up.
_UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG}


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
    "config": config,
    "status": status,
    "top": top,
    "debug": debug,
    "explain": explain,
    "apps": apps,
    "dead-letters": command,
    "webhooks": webhooks,
    "users": users,
    "token": token,
    "publish": publish,
    "listen": listen,
    "test": trial,
    "completion": completion,
}

# These look at a deployment from where perhaps nothing but its Redis is known.
WITHOUT_APPS = {"status", "top", "debug"}


# These must work wherever a shell starts.
WITHOUT_SETTINGS = {"completion"}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Do what a command line says.

    Args:
        argv: The arguments after the program's name; None: those of this process.

    Returns:
        The exit status.

    Raises:
        SystemExit: The arguments are wrong (2), or asked for help or the version alone (0).
    """
    logs.configure_command()
    arguments, rest = parser().parse_known_args(argv)
    arguments.parser.refuse(rest)
    try:
        status = _execute(arguments)
        return _flushed() or status
    except BrokenPipeError:
        _stop_writing()
        return 1
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        return _unwritten(error)
    except KeyboardInterrupt:
        return 130


def _flushed() -> int:
    """Write what was printed; 1 where that cannot be."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        return _unwritten(error)
    return 0


def _unwritten(error: OSError) -> int:
    print(f"fanfare: the output cannot be written: {error.strerror}", file=sys.stderr)
    _stop_writing()
    return 1


def _execute(arguments: argparse.Namespace) -> int:
    try:
        if arguments.command in WITHOUT_SETTINGS:
            return COMMANDS[arguments.command].execute(arguments, settings.Settings())
        loaded = settings.load(
            path=arguments.config,
            environ=os.environ,
            needs_apps=arguments.command not in WITHOUT_APPS,
        )
        return COMMANDS[arguments.command].execute(arguments, loaded)
    except Misconfigured as error:
        print(f"fanfare: {error}", file=sys.stderr)
        return 2
    except DatabaseAway as error:
        print(f"fanfare: {error}", file=sys.stderr)
        return 1


def _stop_writing() -> None:
    """Let Python not fail once more, in words, at what was printed for a reader that has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def parser() -> Parser:
    """Make what reads a command line: which command it names, and the arguments of that."""
    program = Parser(
        prog="fanfare", description="Self-hosted realtime: domain events to every Pusher client."
    )
    program.add_argument(
        "--version", action="version", version=f"fanfare {VERSION}", help="say which release it is"
    )
    _configure(program)
    commands = program.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").strip().partition("\n")[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        # Left out here it must not hide one that stands before the command.
        _configure(command, default=argparse.SUPPRESS)
        command.set_defaults(parser=command, program=program)
        module.configure(command)
    return program


def _configure(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Let a parser take the file."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=default,
        help="the settings, in TOML (default: the file that FANFARE_CONFIG names)",
    )
