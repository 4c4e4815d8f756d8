"""
Logs: one wide line per unit of work, for machines or for people, on standard error.

Context that is bound with ``bound_contextvars`` is on every line; everything of other libraries
goes the same way, and so does what Python itself writes there.  No line waits for its reader
(`line_writer`), all are held to a pace (`pacer`), and so are texts to a length (`texts`).
"""

import atexit
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from libs.common.errors import Misconfigured
from libs.common.telemetry import uncaught
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.line_writer import LineWriter, Notice
from libs.common.telemetry.pacer import Pacer
from libs.common.telemetry.pacing import HeldBack
from libs.common.telemetry.settings import LogSettings
from libs.common.telemetry.texts import bounded
from libs.common.telemetry.tracing.current import trace_ids

log = structlog.get_logger()

# The level of the log is for what happens; what it says of itself, and audits, is always written.
_WHATEVER_LEVEL = structlog.make_filtering_bound_logger(logging.DEBUG)

_FILES: dict[str, TextIO] = {}  # By path: each is opened once, however often `configure` is called.

END_TIMEOUT = 1.0  # Seconds that the reader has at the end for what waits.


class ForeignLines(logging.StreamHandler[TextIO]):
    """Writes what other libraries log, unless it comes too fast."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        with suppress(structlog.DropEvent):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name.
        """Log that a record has no words, as its arguments do not fit it."""
        log.error("exception.uncaught", place=record.name, exc_info=sys.exception())


class _Lines:
    """
    The end of structlog's chain: writes finished lines.

    Not its `WriteLogger`, whose lock the garbage collector may run into a second time.
    """

    def __init__(self, stream: TextIO) -> None:
        self._write = stream.write

    def write(self, line: str) -> None:
        self._write(f"{line}\n")

    debug = info = warning = error = critical = write


class _Errors(_Lines):
    """The same for a command; what is no error is left out here, so that tests can capture it."""

    def _leave_out(self, line: str) -> None:
        pass

    debug = info = warning = _leave_out


class ProcessLogger(structlog.BoundLoggerBase):
    """
    The logger of a process, whose level may be changed while it runs: see `set_level`.

    Who keeps one, as it is dear to find it anew for each line, has the new level too.

    Attributes:
        shows_all: Whether everything is written, ``debug`` too.
    """

    shows_all = False


def _shows_all() -> bool:
    return ProcessLogger.shows_all


def set_level(level: str) -> None:
    """Write from now on what is of a level, such as ``debug``, or worse."""
    number = logging.getLevelNamesMapping()[level.upper()]
    for name, method in vars(structlog.make_filtering_bound_logger(number)).items():
        if not name.startswith("__"):
            setattr(ProcessLogger, name, method)
    ProcessLogger.shows_all = number <= logging.DEBUG
    logging.getLogger().setLevel(max(number, logging.WARNING))


def configure(settings: LogSettings) -> None:
    """
    Set up the process's logs, for as long as it lives; may be called again.

    Raises:
        Misconfigured: The file of the audit log cannot be written.
    """
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _form(settings)
    # What the log says of itself is neither paced nor left out.
    own_log = structlog.wrap_logger(
        structlog.ReturnLogger(), [*shared, *last], wrapper_class=_WHATEVER_LEVEL
    )
    stream = _standard_error(lambda lines: _dropped(own_log, lines))
    pacer = _pacer(own_log, stream, shows_all=_shows_all)
    shared = [pacer, structlog.contextvars.merge_contextvars, bounded, trace_ids, *shared]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=ProcessLogger,
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    _adopt(stream, shared, last)
    _open_audit(settings.audit, stream, last)
    set_level(settings.level)


def configure_command() -> None:
    """
    Set up the logs of a command: to standard error too, as standard output is for answers.

    Only errors are written: what backend is away is part of the answer.
    """
    structlog.configure(logger_factory=lambda *_: _Errors(sys.stderr or io.StringIO()))


def configure_audit(settings: LogSettings) -> None:
    """Set up the audit log of a command that does what is audited; raises as `configure`."""
    _open_audit(settings.audit, sys.stderr or io.StringIO(), _form(settings))


def reopen() -> None:
    """
    Open the file of the audit log anew by its path, as whoever rotates it has moved the old one.

    The new file takes the old one's descriptor in one step, so that no line is lost between.
    """
    for path, stream in _FILES.items():
        try:
            descriptor = _opened(path)
        except OSError as error:
            # The sentence says it all.
            log.error("log.not_reopened", file=path, reason=error.strerror)  # noqa: TRY400
            continue
        os.dup2(descriptor, stream.fileno(), inheritable=False)
        os.close(descriptor)


def dropped_lines() -> int:
    """Count the lines that were lost since the start, as nobody read them."""
    writer = getattr(sys.stderr, "buffer", None)
    return writer.dropped if isinstance(writer, LineWriter) else 0


def _form(settings: LogSettings) -> list[structlog.types.Processor]:
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    as_columns = settings.format == "console" or (settings.format == "auto" and is_terminal)
    if as_columns:
        return [structlog.dev.ConsoleRenderer(colors=is_terminal)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _standard_error(notice: Notice) -> TextIO:
    """Take the place of standard error, once, by what does not wait for its reader."""
    writer = getattr(sys.stderr, "buffer", None)
    if isinstance(writer, LineWriter):
        writer.notice = notice
        return sys.stderr
    try:
        # Python has none where the descriptor was closed before it began.
        descriptor = sys.stderr.fileno() if sys.stderr else os.open(os.devnull, os.O_WRONLY)
    except io.UnsupportedOperation:  # A text in memory takes all at once.
        return sys.stderr
    sys.stderr = _unwaiting(descriptor, notice)
    uncaught.adopt()
    return sys.stderr


def _dropped(own_log: Any, lines: int) -> str:
    return f"{own_log.warning('log.dropped', lines=lines)}\n"


def _pacer(own_log: Any, stream: TextIO, *, shows_all: Callable[[], bool] = bool) -> Pacer:
    def say(held: HeldBack) -> None:
        by = {"by": held.by} if held.by else {}
        line = own_log.warning("log.held_back", name=held.name, lines=held.lines, **by)
        stream.write(f"{line}\n")

    pacer = Pacer(say, shows_all=shows_all)
    os.register_at_fork(after_in_child=pacer.restart)
    atexit.register(pacer.say_rest)  # Before the writer is drained: the last one is called first.
    return pacer


def _open_audit(destination: str, stream: TextIO, last: list[structlog.types.Processor]) -> None:
    if destination == "off":
        audit_log.open(None)
        return
    last = last if destination == "log" else [structlog.processors.JSONRenderer()]
    stamped: list[structlog.types.Processor] = [
        trace_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *last,
    ]
    own_log = structlog.wrap_logger(
        structlog.ReturnLogger(), stamped, wrapper_class=_WHATEVER_LEVEL, log="audit"
    )
    if destination != "log":
        stream = _appended(destination, lambda lines: _dropped(own_log, lines))
    pacer = _pacer(own_log, stream)

    def paced(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
        return pacer(logger, method, line) if "pace_by" in line else line

    processors = [paced, structlog.contextvars.merge_contextvars, bounded, *stamped]
    audit_log.open(
        structlog.wrap_logger(
            _Lines(stream), processors, wrapper_class=_WHATEVER_LEVEL, log="audit"
        )
    )


def _appended(path: str, notice: Notice) -> TextIO:
    """Open a file to append to it, once; raises as `configure`."""
    if (known := _FILES.get(path)) is not None:
        return known
    try:
        descriptor = _opened(path)
    except OSError as error:
        raise Misconfigured(f"log.audit: {path}: {error.strerror}") from error
    return _FILES.setdefault(path, _unwaiting(descriptor, notice))


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _unwaiting(descriptor: int, notice: Notice) -> TextIO:
    """Make a text that takes lines and waits for nobody; what it has is written at the end."""
    writer: Any = LineWriter(descriptor, notice)  # Typeshed asks for one of `io`'s own buffers.
    os.register_at_fork(after_in_child=writer.restart)
    atexit.register(writer.drain, END_TIMEOUT)
    return io.TextIOWrapper(
        writer, encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _adopt(
    stream: TextIO,
    shared: list[structlog.types.Processor],
    last: list[structlog.types.Processor],
) -> None:
    """Write what other libraries log in the same form; of them only warnings and worse."""
    handler = ForeignLines(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.getLogger().handlers = [handler]
    # What they say of a backend that is away is said better, and once, by our adapters.  The
    # adapter of Kafka takes aiokafka's complaints itself, for as long as nobody sets the level of
    # its logger.
    for name in ("asyncio", "redis"):
        logging.getLogger(name).setLevel(logging.ERROR)
