"""Orders, a line each on the standard input, and an answer to each: how a worker is driven."""

import sys
from collections.abc import Callable

from bench.websocket import Unexpected


def serve(name: str, obey: Callable[[str], object]) -> None:
    """
    Obey until the input ends, and answer ``done`` with what came of it.

    The process ends with a sentence where the server does something else than it should.

    Args:
        name: Of the worker, in that sentence.
        obey: Does what a line says.
    """
    try:
        for order in sys.stdin:
            print("done", obey(order), flush=True)
    except (OSError, Unexpected) as error:
        sys.exit(f"{name}: {error}")
