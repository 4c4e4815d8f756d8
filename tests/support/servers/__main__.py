"""
``python -m tests.support.servers start|stop|status|install [PURPOSE]``: a developer's servers.

``start`` prints the exports by which tests and ``fanfare`` find them, so that ``eval "$(…)"`` sets
them; everything else it has to say goes to standard error.
"""

import argparse
import asyncio
import shlex
import sys
import time

from tests.support.programs import PURPOSES, CannotInstall, MissingProgram
from tests.support.servers import developer
from tests.support.servers.packages import MissingJars, install
from tests.support.servers.process import ServerDidNotStart


def main() -> int:
    """Do what the command line says and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.servers")
    parser.add_argument("command", choices=["install", *sorted(_COMMANDS)])
    parser.add_argument("purpose", choices=sorted(PURPOSES), nargs="?", default="all")
    arguments = parser.parse_args()
    try:
        if arguments.command == "install":
            install(arguments.purpose)
            return 0
        return _COMMANDS[arguments.command]()
    except (CannotInstall, MissingJars, MissingProgram, ServerDidNotStart) as error:
        _tell(str(error))
        return 1


def _start() -> int:
    install("services")
    before = time.monotonic()
    for kind, server in asyncio.run(developer.start()).items():
        _print_export(kind, server)
    _tell(f"ready after {time.monotonic() - before:.1f} s")
    return 0


def _stop() -> int:
    ended = developer.stop()
    _tell(f"ended: {', '.join(ended) or 'nothing was running'}")
    return 0


def _status() -> int:
    found = developer.servers()
    for kind, server in found.items():
        _print_export(kind, server)
    down = [kind for kind in developer.KINDS if kind not in found]
    if down:
        _tell(f"not running: {', '.join(down)}")
    return 1 if down else 0


def _print_export(kind: str, server: developer.Running) -> None:
    line = f"export {developer.variable(kind)}={shlex.quote(server.url)}"
    sys.stdout.write(f"{line}  # pid {server.pid}\n")


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


_COMMANDS = {"start": _start, "status": _status, "stop": _stop}

if __name__ == "__main__":
    sys.exit(main())
