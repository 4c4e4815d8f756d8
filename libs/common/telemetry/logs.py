"""
Logs: one wide line per unit of work, for machines or for people, on standard error.

Context that is bound with ``bound_contextvars`` is on every line; everything of other libraries
goes the same way.
"""

import logging
import sys

import structlog

from libs.common.telemetry.settings import LogSettings


class MalformedRequests(logging.Filter):
    """
    Keeps what aiohttp says of requests that are no HTTP out of the logs.

    Its words quote the request, tokens and signatures with it, and anybody could fill the logs with
    them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record may be written."""
        error = record.exc_info[1] if record.exc_info else None
        return not type(error).__module__.startswith("aiohttp.http_exceptions")


def configure(settings: LogSettings) -> None:
    """Set up the process's logs; may be called again."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    is_terminal = sys.stderr.isatty()
    as_columns = settings.format == "console" or (settings.format == "auto" and is_terminal)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_columns:
        last: list[structlog.types.Processor] = [structlog.dev.ConsoleRenderer(colors=is_terminal)]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _adopt(shared, last, level)


def _adopt(
    shared: list[structlog.types.Processor], last: list[structlog.types.Processor], level: int
) -> None:
    """Write what other libraries log in the same form; of them only warnings and worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    # What they say of a backend that is away is said better, and once, by our adapters.  The
    # adapter of Kafka takes aiokafka's complaints itself, for as long as nobody sets the level of
    # its logger.
    for name in ("asyncio", "redis"):
        logging.getLogger(name).setLevel(logging.ERROR)
    server = logging.getLogger("aiohttp.server")
    if not any(isinstance(known, MalformedRequests) for known in server.filters):
        server.addFilter(MalformedRequests())
