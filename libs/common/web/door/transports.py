"""What asyncio's transports leave behind, and who clears it away."""

import asyncio


def let_go(transport: asyncio.BaseTransport) -> None:
    """
    Let a transport that is closed leave memory as soon as it has ended.

    It keeps what it calls when there is something to read, which is a method of its own: a circle,
    for which the collector would have to walk all other connections.
    """
    vars(transport).pop("_read_ready_cb", None)
