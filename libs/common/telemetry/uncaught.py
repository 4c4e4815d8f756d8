"""
Exceptions that nobody caught, and warnings, as lines of the log.

Python would write them to standard error as text of several lines.  Those of tasks are told by
asyncio through its logger, and need nothing here.
"""

import logging
import sys
import threading
from types import TracebackType

import structlog

log = structlog.get_logger()


def adopt() -> None:
    """Log what is caught by nobody, from now on."""
    sys.excepthook = _of_the_program
    threading.excepthook = _of_a_thread
    sys.unraisablehook = _of_a_finalizer
    logging.captureWarnings(capture=True)


def _of_the_program(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    log.error("exception.uncaught", place="program", exc_info=(kind, error, trace))


def _of_a_thread(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "thread"
    log.error("exception.uncaught", place=name, exc_info=failed.exc_value or True)


def _of_a_finalizer(failed: "sys.UnraisableHookArgs") -> None:
    place = failed.err_msg or f"finalizer of {type(failed.object).__name__}"
    log.error("exception.uncaught", place=place, exc_info=failed.exc_value or True)
