"""
The body of a request: judged by its head, and read when it is wanted.

What the head says is known before anything of the body is kept (`check_announced`, `announced`);
whoever must prove who calls proves it in between.
"""

import asyncio
from io import BytesIO

from aiohttp import hdrs, web

from libs.common.errors import Invalid
from libs.common.web.bodies.bodies import BODIES
from libs.common.web.bodies.budget import Owner
from libs.common.web.door.short_request import AnyRequest, ShortRequest

MAX_BODY = 1 << 20  # Bytes of a request that any handler may read; most read less.
# Bytes of a body that are taken from the connection though nobody wants them, so that it can stay.
MOST_LEFT = 64 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

GO_ON = "100-continue"
# What a client waits for before it sends a body (RFC 9110, 10.1.1); we know `GO_ON` alone.
EXPECTATION: web.RequestKey[str] = web.RequestKey("expectation", str)
_ROOM: web.RequestKey[int] = web.RequestKey("room", int)
_OWNER: web.RequestKey[Owner] = web.RequestKey("owner")


class BodyTooLarge(Invalid):
    """The body of a request is longer than its endpoint reads."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit} bytes")
        self.limit = limit


class SlowBody(Invalid):
    """The body of a request did not arrive in time."""

    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body took longer than {seconds:g} s to arrive")


class BrokenBody(Invalid):
    """The body of a request is not sent as HTTP asks."""

    def __init__(self) -> None:
        super().__init__("the body is broken off or malformed")


class CompressedBody(Invalid):
    """The body of a request is compressed; what it grows to would have to be bounded too."""

    status = 415

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"Content-Encoding {encoding[:32]!r} is not supported: send the body plain"
        )


def announced(request: AnyRequest) -> int | None:
    """Tell how many bytes of body a head announces; None: some, in chunks."""
    if isinstance(request, ShortRequest):
        return request.size
    return request.content_length if request.body_exists else 0


def check_announced(request: AnyRequest, *, limit: int) -> int | None:
    """
    Check what the head of a request says of its body.

    Args:
        request: Whose body it is.
        limit: Bytes that it may have.

    Returns:
        See `announced`.

    Raises:
        BodyTooLarge: The body will be longer.
        CompressedBody: The body is compressed.
    """
    if isinstance(request, ShortRequest):  # It is not compressed.
        size: int | None = request.size
    else:
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
        if encoding.lower() != "identity":
            raise CompressedBody(encoding)
        size = announced(request)
    if size is not None and size > limit:
        raise BodyTooLarge(limit)
    return size


def at_hand(request: AnyRequest, owner: Owner) -> bytes | None:
    """
    Take the body of a request if it came with the head; see `read_body`.

    Raises:
        TooManyBodies: There is no room for it now.
    """
    if not isinstance(request, ShortRequest) or not isinstance(request.body, bytes):
        return None
    if request.size and request.bodies is not None:
        request.bodies.take(owner, request.size)
        request.room = (owner, request.size)
    request.is_read = True
    return request.body


async def read_body(request: AnyRequest, *, limit: int, timeout: float, owner: Owner = "") -> bytes:
    """
    Read the body of a request, of which one copy is made.

    Args:
        request: Whose body it is.
        limit: Bytes that it may have.
        timeout: Seconds in which all of it must have arrived.
        owner: Who has room taken for it, until `let_go`.

    Raises:
        BodyTooLarge: The body is longer.
        SlowBody: The body took longer.
        BrokenBody: Its chunks are malformed, or the peer is gone.
        CompressedBody: The body is compressed.
        TooManyBodies: There is no room for it now.
    """
    size = check_announced(request, limit=limit)
    if (body := at_hand(request, owner)) is not None:
        return body
    if size:
        _hold(request, owner, size)
    try:
        if not isinstance(request, ShortRequest):
            return await _read(request, limit=limit, timeout=timeout, owner=owner)
        return await _taken(request, timeout)
    except TimeoutError as error:
        raise SlowBody(timeout) from error
    except (web.RequestPayloadError, OSError) as error:  # The latter for a peer that is gone.
        raise BrokenBody from error


async def _taken(request: ShortRequest, timeout: float) -> bytes:
    body = request.body
    if not isinstance(body, bytes):
        body = await body.read(timeout)
    request.is_read = True
    return body


async def _read(request: web.Request, *, limit: int, timeout: float, owner: Owner) -> bytes:
    # It gives out what it holds without a copy, and grows with what comes.
    body, room = BytesIO(), announced(request) or 0
    async with asyncio.timeout(timeout):
        await _go_on(request)
        async for chunk in request.content.iter_any():
            size = body.tell() + len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
            if size > room:
                _hold(request, owner, size - room)
                room = size
            body.write(chunk)
    return body.getvalue()


async def _go_on(request: web.Request) -> None:
    """Have a client send its body that waits to be told so."""
    if EXPECTATION in request:
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # Of the answer nothing is written yet.


def _hold(request: AnyRequest, owner: Owner, size: int) -> None:
    """Take room for more of a body, where there are bounds."""
    bodies = request.app.get(BODIES)
    if bodies is None:
        return
    bodies.take(owner, size)
    if isinstance(request, ShortRequest):
        request.room = (owner, size)
    else:
        request[_ROOM] = request.get(_ROOM, 0) + size
        request[_OWNER] = owner


def let_go(request: AnyRequest) -> bool:
    """
    Give back the room that was taken for the body of a request: it is answered.

    Of a short body that was not read the rest is dropped when it comes, and the connection stays.
    Whoever was not told to send a body need not, and what comes next may be anything (RFC 9110,
    10.1.1).

    Returns:
        Whether the answer ends the connection, since its body was not read.
    """
    if isinstance(request, ShortRequest):
        if request.room is not None and request.bodies is not None:
            request.bodies.give_back(*request.room)
        return not request.is_read and request.size > MOST_LEFT
    if _ROOM in request:
        request.app[BODIES].give_back(request[_OWNER], request[_ROOM])
    if not request.body_exists or request.content.at_eof():
        return False
    size = request.content_length
    return size is None or size > MOST_LEFT or EXPECTATION in request
