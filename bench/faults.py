"""What keeps a measurement from being made, and how that is told."""

from collections.abc import Iterator

from bench.websocket import Unexpected
from bench.workers import Failed
from bench.yardstick import NoCompiler
from libs.common.errors import Unavailable
from tests.support.servers import MissingProgram, ServerDidNotStart
from tests.support.servers.packages import MissingJars

CANNOT = (
    AssertionError,  # Of `tests.support.deployments.program`: Fanfare did not start, and why.
    Failed,
    MissingJars,
    MissingProgram,
    NoCompiler,
    OSError,  # Connections that break, and everything that takes too long.
    ServerDidNotStart,
    Unavailable,
    Unexpected,
)


def told(error: BaseException) -> list[str]:
    """Say what is wrong, each once."""
    return list(dict.fromkeys(str(each) or "it took too long" for each in _leaves(error)))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
