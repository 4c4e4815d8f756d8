"""HTTP in numbers: requests at the public address, by what they were answered."""

import time
from collections import Counter
from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from libs.common.telemetry.metrics.families import Metric, counter, histogram
from libs.common.telemetry.metrics.histogram import Histogram

REQUESTS = counter(
    "fanfare_http_requests_total",
    "Requests at the public address, of clients and of back ends, by the status of the answer; "
    "WebSockets are not among them.",
    "status",
)
SECONDS = histogram("fanfare_http_request_seconds", "How long the answers to them took.")


class RequestMetrics:
    """What became of requests."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter()
        self._seconds = Histogram()

    def counting(self) -> Middleware:
        """Make the middleware that counts; it comes first, so that refusals are answers to it."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = time.monotonic()
            response = await handler(request)
            if not isinstance(response, web.WebSocketResponse):
                self._answers[response.status] += 1
                self._seconds.record(time.monotonic() - began)
            return response

        return count

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield REQUESTS.by({str(status): count for status, count in self._answers.items()})
        yield SECONDS.of(self._seconds)
