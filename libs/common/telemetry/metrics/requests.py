"""HTTP in numbers: requests at the public address, by what they were answered."""

import time
from collections import Counter
from collections.abc import Awaitable, Iterator

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from libs.common.telemetry.metrics.families import Metric, counter, histogram
from libs.common.telemetry.metrics.histogram import Histogram

REQUESTS = counter(
    "fanfare_http_requests_total",
    "Requests at the public address, of clients and of back ends, by the status of the answer; "
    "those that ask for a WebSocket are not among them.",
    "status",
)
# Those that are 0 from the start.
STATUSES = ("200", "202", "204", "400", "401", "403", "404", "413", "429", "500", "503")
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
            # A frame around a WebSocket would stay in memory as long as the connection.
            is_upgrade = hdrs.UPGRADE in request.headers
            return handler(request) if is_upgrade else self._counted(request, handler)

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

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        answers = {str(status): count for status, count in self._answers.items()}
        yield REQUESTS.by(answers, known=STATUSES)
        yield SECONDS.of(self._seconds)
