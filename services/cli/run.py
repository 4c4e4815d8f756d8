"""Run services in this process: all four, or those that are named."""

import argparse
import os
import sys

import structlog

from libs.common.errors import Misconfigured
from libs.common.telemetry import logs
from libs.common.web.listeners import CannotListen
from services import program
from services.settings import SERVICES, Settings, load

log = structlog.get_logger()


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"of {', '.join(SERVICES)}")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until told to stop, or until a service crashes; raises Misconfigured as `program.run`."""
    logs.configure(settings.log)
    try:
        program.run(
            settings,
            arguments.services or SERVICES,
            lambda: load(path=arguments.config, environ=os.environ),
        )
    except CannotListen as error:
        name = "listen" if error.address in settings.server.listen else "internal_listen"
        remedy = (
            f'{name} = "HOST:PORT" below [server], or FANFARE_SERVER_{name.upper()}=HOST:PORT, '
            "names another address"
        )
        print(f"fanfare: server.{name}: {error}; {remedy}", file=sys.stderr)
        return 1
    except ExceptionGroup as group:
        # With apps of a database, a rule may show to be wrong only once they are read.
        if (wrong := group.subgroup(Misconfigured)) is not None:
            raise _leaf(wrong) from group
        log.exception("process.crashed")
        return 1
    return 0


def _leaf(error: BaseException) -> BaseException:
    return _leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
