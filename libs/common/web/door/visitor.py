"""
A connection until it is known whose it is, and between the requests of short ways.

The head is read as a whole, in bounds of size and time.  What is in no way unusual is taken here,
and of its body little is read until a handler wants it.  All else is aiohttp's from then on, with
every byte that was read.
"""

import asyncio
import re
import time
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.http import RawRequestMessage

from libs.common.web import http
from libs.common.web.bodies.arriving import Arriving
from libs.common.web.bodies.reading import MAX_BODY
from libs.common.web.door.answers import FULL, NO_TLS, TOO_LONG, TOO_SLOW, goodbye, switching, wire
from libs.common.web.door.door import Door
from libs.common.web.door.farewell import LINGER, Farewell, let_go
from libs.common.web.door.heads import accept_key, body_size
from libs.common.web.door.mismatches import HELLO
from libs.common.web.door.short_request import ShortRequest
from libs.common.web.door.ways import ShortWay

# Bytes that may wait behind a request which is being answered, or for its body to be wanted.
MOST_HELD = 64 * 1024

_END = b"\r\n\r\n"
_MALFORMED = (b"\n\n", b"\n\r\n")  # Ends of heads too, but not by RFC 9112.
_POST = re.compile(rb"POST ((/[\w.~/-]+)(?:\?[^#\x00- \x7f-\xff]*)?) HTTP/1\.1\r\n")


class Visitor(asyncio.Protocol):
    """
    A connection.

    Args:
        door: What all of them share.
    """

    __slots__ = (
        "_arriving",
        "_door",
        "_has_ended",
        "_held",
        "_is_full",
        "_is_resting",
        "_scanned",
        "_task",
        "_transport",
    )

    def __init__(self, door: Door) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._held: bytes | bytearray = b""
        self._scanned = 0  # Of what is held, as far as no head ends in it.
        self._arriving: Arriving | None = None  # The body of what is answered, or just was.
        self._task: asyncio.Task[None] | None = None
        self._is_full = False  # Whether the peer has yet to read what it was answered.
        self._is_resting = False  # Whether it was answered, and has sent nothing since.
        self._has_ended = False  # Whether the peer sends no more.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol.connection_made`."""
        self._transport = cast(asyncio.Transport, transport)
        if self._door.is_closed:
            self.leave()
        else:
            self._door.expect(self, self._door.limits.handshake_timeout)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls with it.
        """Forget it; a request that is being answered is answered to nobody."""
        if (transport := self._leave()) is not None:
            let_go(transport)

    def eof_received(self) -> bool:
        """Keep the connection for the answer that is under way; TLS has no half of one."""
        self._has_ended = True
        if self._arriving is not None:  # What nobody finished is dropped with the connection.
            return False
        return self._is_busy and self._transport is not None and self._transport.can_write_eof()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._arriving is not None:
            data = self._arrive(self._arriving, data)
        if not self._held:
            self._held = data
        elif data:
            self._join(data)
        if self._held and not self._is_busy:
            self._look()
        self._pace()

    def _arrive(self, arriving: Arriving, data: bytes) -> bytes:
        """Give a body what is its, and return the rest."""
        rest = arriving.take(data)
        if arriving.is_whole:
            self._arriving = None
            self._door.forget(self)
            if self._task is None:  # Its request was answered without it.
                self._rest()
        return rest

    def _join(self, data: bytes) -> None:
        if isinstance(self._held, bytes):
            self._held = bytearray(self._held)
        self._held += data

    def _pace(self) -> None:
        """Read no more while much is waiting; whoever has the connection by now reads."""
        if (transport := self._transport) is None:
            return
        waiting = self._arriving.unwanted if self._arriving is not None else len(self._held)
        if self._is_busy and waiting > MOST_HELD:
            transport.pause_reading()
        else:
            transport.resume_reading()

    @property
    def _is_busy(self) -> bool:
        """Whether what comes has to wait: for an answer, a body, or a peer that reads it."""
        return self._task is not None or self._is_full or self._arriving is not None

    def _look(self) -> None:
        """Do what the bytes that are there ask for."""
        held = self._held
        if held[0] == HELLO:
            self._turn_away()
            return
        found = held.find(_END, self._scanned)
        size = len(held) if found < 0 else found + len(_END)
        if size > self._door.limits.max_head:
            error = TOO_LONG.format(size=self._door.limits.max_head)
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, error)
        elif found >= 0:
            if not self._is_taken(bytes(held[:size])):
                self._hand_over()
        elif any(held.find(end, self._scanned) >= 0 for end in _MALFORMED):
            self._hand_over()
        else:
            self._scanned = max(0, size - len(_END))
            self._expect_head()

    def _expect_head(self) -> None:
        """Have the rest of a head follow in time, after an answer from its first byte on."""
        if self._is_resting:
            self._is_resting = False
            self._door.expect(self, self._door.limits.handshake_timeout)

    def _is_taken(self, head: bytes) -> bool:
        """Take a head, if it is an upgrade or a request of a short way, and in no way unusual."""
        if head.startswith(b"GET "):
            return b"websocket" in head.lower() and self._upgrade(head)
        posted = _POST.match(head)
        if posted is None:
            return False
        way = self._door.way_of(posted[2].decode())
        message = self._door.heads.posted(head, posted[1]) if way else None
        size = body_size(message) if message else None
        if way is None or message is None or size is None or size > MAX_BODY:
            return False
        self._drop(len(head))
        self._begin(message, way[0], match_info=way[1], size=size)
        return True

    def _drop(self, size: int) -> None:
        """Hold what was taken no longer."""
        if isinstance(self._held, bytearray):
            del self._held[:size]  # Moves nothing, however much is left.
        else:
            self._held = self._held[size:]
        self._scanned = 0

    def _upgrade(self, head: bytes) -> bool:
        upgrader, transport = self._door.upgrader, self._transport
        if upgrader is None or transport is None or self._has_ended:
            return False
        message = self._door.heads.parsed(head)
        accept = accept_key(message) if message else None
        if message is None or accept is None:
            return False
        if upgrader.is_full():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, FULL)
            return True
        self._door.forget(self)
        self._transport = None
        rest = bytes(self._held[len(head) :])
        self._held = b""
        request = self._request(message, transport, match_info={}, body=b"", size=0)
        transport.resume_reading()
        upgrader.upgraded(request, transport, answer=switching(accept), rest=rest)
        return True

    def _request(
        self,
        message: RawRequestMessage,
        transport: asyncio.Transport,
        *,
        match_info: dict[str, str],
        body: bytes | Arriving,
        size: int,
    ) -> ShortRequest:
        return ShortRequest(
            message,
            body,
            size=size,
            remote=_host(transport.get_extra_info("peername")),
            secure=transport.get_extra_info("sslcontext") is not None,
            match_info=match_info,
            app=self._door.app,
            bodies=self._door.bodies,
        )

    def _begin(
        self, message: RawRequestMessage, way: ShortWay, *, match_info: dict[str, str], size: int
    ) -> None:
        """Begin to answer a request, whether its body is there or not."""
        if self._transport is None:
            return
        self._door.forget(self)
        held = self._held
        if len(held) >= size:
            body: bytes | Arriving = bytes(held[:size])
            self._drop(size)
        else:
            body = self._arriving = Arriving(size, self._want)
            body.take(bytes(held))
            self._held = b""
        request = self._request(
            message, self._transport, match_info=match_info, body=body, size=size
        )
        self._task = self._door.begin(self._answer(way, request))

    def _want(self, seconds: float) -> None:
        """Read what is left of a body."""
        self._door.expect(self, seconds)
        self._pace()

    async def _answer(self, way: ShortWay, request: ShortRequest) -> None:
        began = time.monotonic()
        try:
            answering = http.errors(cast(web.Request, request), way.handler)
            response = cast(web.Response, await answering)
            answer = wire(response)
        except BaseException:  # The process ends, or it is our own fault: nobody is answered.
            self._abort()
            raise
        finally:
            self._door.tasks.discard(cast("asyncio.Task[None]", self._task))
            self._task = None
        self._door.metrics.answered(response.status, time.monotonic() - began)
        if self._transport is None or self._transport.is_closing():
            return
        if response.keep_alive is False:
            self._part(answer)
            return
        self._transport.write(answer)
        self._go_on()

    def _go_on(self) -> None:
        """Look at what came meanwhile, unless the peer does not read what it was answered."""
        if self._transport is None:
            return
        if self._door.is_closed or (self._has_ended and not self._held):
            self._part()
            return
        if self._arriving is not None:
            self._skip(self._arriving)
            return
        self._rest()
        if self._held and not self._is_full:
            self._look()
        self._pace()
        if self._has_ended and not self._is_busy:
            self._part()

    def _rest(self) -> None:
        """Expect the next request."""
        self._door.expect(self, self._door.limits.keep_alive)
        self._is_resting = not self._is_full

    def _skip(self, arriving: Arriving) -> None:
        """Have the rest of a body come that nobody wants, as something may follow it."""
        arriving.drop()
        self._door.expect(self, LINGER)
        self._pace()

    def pause_writing(self) -> None:
        """Answer nothing more until the peer has read what it was answered."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        if self._task is None:
            self._go_on()

    def overdue(self) -> None:
        """End a connection that says nothing, too slowly what it wants, or does not read."""
        if self._is_full:
            self._abort()
        elif self._arriving is not None and self._task is not None:
            self._arriving.lose(TimeoutError())
        elif self._arriving is not None:
            self._part()
        elif self._held:
            seconds = self._door.limits.handshake_timeout
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, TOO_SLOW.format(seconds=seconds))
        else:
            self._part()

    def leave(self) -> None:
        """End the connection at once."""
        if (transport := self._leave()) is not None:
            transport.close()
            let_go(transport)

    def _abort(self) -> None:
        if (transport := self._leave()) is not None:
            transport.abort()
            let_go(transport)

    def _part(self, last: bytes = b"") -> None:
        """End the connection once the peer has what was written, or its time is over."""
        if (transport := self._leave()) is not None:
            Farewell(self._door, transport).say(last, has_ended=self._has_ended)

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        self._door.metrics.answered(status, 0.0)
        self._part(goodbye(status, error))

    def _turn_away(self) -> None:
        """End a connection whose client begins TLS; by an answer in HTTP it knows what is wrong."""
        if (transport := self._transport) is not None:
            peer, own = (transport.get_extra_info(each) for each in ("peername", "sockname"))
            self._door.mismatches.met_tls(_host(peer), own[1] if own else 0)
            self._refuse(HTTPStatus.BAD_REQUEST, NO_TLS)

    def _hand_over(self) -> None:
        """Leave the connection to aiohttp, with all that was read and not answered."""
        if (transport := self._leave()) is not None:
            protocol = self._door.framework()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            transport.resume_reading()
            protocol.data_received(bytes(self._held))

    def _leave(self) -> asyncio.Transport | None:
        """Have nothing more to do with the connection, and return it."""
        self._door.forget(self)
        if self._arriving is not None:
            self._arriving.lose(ConnectionError("the connection has ended"))
            self._arriving = None
        transport, self._transport = self._transport, None
        return transport


def _host(peer: tuple[str, int] | None) -> str | None:
    """Tell the address of a peer's name; None: it is gone."""
    return peer[0] if peer else None
