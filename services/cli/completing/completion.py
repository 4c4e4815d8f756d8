"""
Print the script by which a shell completes fanfare's commands, options and choices.

For bash, in ~/.bashrc: source <(fanfare completion bash).  For zsh, into a file named _fanfare of
a directory in $fpath; for fish, into ~/.config/fish/completions/fanfare.fish.  No settings are
read.
"""

import argparse
import sys

from services.cli.completing.branches import branches
from services.cli.completing.shells import SHELLS
from services.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("shell", choices=sorted(SHELLS), metavar="SHELL", help="bash, fish or zsh")


def execute(arguments: argparse.Namespace, _: Settings) -> int:
    """Write the script for a shell."""
    sys.stdout.write(SHELLS[arguments.shell](list(branches(arguments.program))))
    return 0
