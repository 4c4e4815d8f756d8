"""aiohttp as listeners use it: an application becomes what makes the protocol of a connection."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from aiohttp import web

from libs.common.web.framework.exchange import Exchange, asked

GOODBYE = 1.0  # Seconds that requests have which are being answered at the end.
# Bytes of a body that are read before somebody wants them: twice that at most.
AHEAD = 32 * 1024


async def opened(
    app: web.Application, log: logging.Logger, *, keep_alive: float
) -> tuple[web.AppRunner, Callable[[], asyncio.Protocol]]:
    """
    Open an application.

    Args:
        app: What answers.
        log: Takes what aiohttp says.
        keep_alive: Seconds that a connection may be silent between two requests.

    Returns:
        What closes it, and what makes the protocol of a connection.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GOODBYE)
    await runner.setup()
    server = cast("web.Server", runner.server)  # There is one since `setup`.
    server.request_factory = partial(asked, server.request_factory)
    options: dict[str, Any] = {
        "loop": asyncio.get_running_loop(),
        "access_log": None,
        "logger": log,
        "auto_decompress": False,
        "keepalive_timeout": keep_alive,
        "read_bufsize": AHEAD,
    }
    return runner, partial(Exchange, server, **options)
