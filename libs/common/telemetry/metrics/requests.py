"""HTTP in numbers: requests at the public address, by what they were answered."""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from libs.common.telemetry.metrics.families import Metric, counter, histogram
from libs.common.telemetry.metrics.histogram import Histogram

REQUESTS = counter(
    "fanfare_http_requests_total",
    "Requests at the public address, of clients and of back ends, by the status of the answer: "
    "what is no HTTP counts as 400, and a head that is too slow or too long as 408 or 431. Those "
    "that ask for a WebSocket are not among them.",
    "status",
)
# Those that are 0 from the start.
STATUSES = ("200", "202", "204", "400", "401", "403", "404", "413", "429", "500", "503")
# Where the errors are defined that aiohttp's parser raises.
_MALFORMED = "aiohttp.http_exceptions"
SECONDS = histogram("fanfare_http_request_seconds", "How long the answers to them took.")


class RequestMetrics:
    """What became of requests."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter()
        self._seconds = Histogram()

    def counting(self) -> Middleware:
        """Make the middleware that counts; it comes first, so that refusals are answers to it."""

        @web.middleware
        def count(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            upgrade = request.headers.get(hdrs.UPGRADE, "").strip().lower()
            if upgrade == "websocket":
                return handler(request)
            return self._counted(request, handler)

        return count

    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        response = await handler(request)
        self.answered(response.status, time.monotonic() - began)
        return response

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer that did not come from `counting`."""
        self._answers[status] += 1
        self._seconds.record(seconds)

    def framework_log(self) -> logging.Logger:
        """
        Make the logger for a server of aiohttp.

        What it says of requests that are no HTTP is counted as answers, which no application sees,
        and not written: its words quote the request, tokens and signatures with it, and anybody
        could fill the logs with them.
        """
        # Not one of `logging.getLogger`: each counts its own.  Of some it tells for debugging.
        log = logging.Logger("aiohttp.server", logging.DEBUG)  # noqa: LOG001
        log.parent = logging.getLogger("aiohttp.server")
        log.addFilter(self._passes)
        return log

    def _passes(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not type(error).__module__.startswith(_MALFORMED):
            return record.levelno >= logging.WARNING
        self.answered(HTTPStatus.BAD_REQUEST, 0.0)
        return False

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        answers = {str(status): count for status, count in self._answers.items()}
        yield REQUESTS.by(answers, known=STATUSES)
        yield SECONDS.of(self._seconds)
