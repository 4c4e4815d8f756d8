"""The bodies of a process's requests: what they take of its memory, and how often it was full."""

from collections.abc import Iterator

import structlog
from aiohttp import web

from libs.common.errors import Unavailable
from libs.common.telemetry.metrics.families import Metric, counter, gauge
from libs.common.web.bodies.budget import BodyBudget, Owner

MOST = 32 * 1024 * 1024  # Bytes, unless the settings say otherwise.

HELD = gauge(
    "fanfare_http_body_bytes",
    "What the bodies of requests have together that are being read or answered, as they were "
    "announced; server.max_bodies is what there is for them.",
)
REFUSED = counter(
    "fanfare_http_bodies_refused_total",
    "Requests that were refused since there was no room for their bodies.",
)

log = structlog.get_logger()


class TooManyBodies(Unavailable):
    """There is no room for the body of a request, beside those of others."""

    def __init__(self) -> None:
        super().__init__("memory")
        self.args = ("too many bodies of requests are being worked on here",)


class Bodies:
    """
    Room for bodies, in bounds, and what is said where there is none.

    Args:
        most: Bytes that there is for all of them.

    Attributes:
        give_back: Gives back what was taken; see `BodyBudget.give_back`.
    """

    def __init__(self, most: int = MOST) -> None:
        self._budget = BodyBudget(most)
        self.give_back = self._budget.give_back
        self._refused = 0

    def take(self, owner: Owner, size: int) -> None:
        """
        Take room for a body; see `BodyBudget.take`.

        Raises:
            TooManyBodies: There is none.
        """
        if not self._budget.take(owner, size):
            self._refused += 1
            app = owner if isinstance(owner, str) else owner[0]
            log.warning(
                "bodies.refused",
                app=app,
                bytes=self._budget.held,
                setting="server.max_bodies",
                pace_by=app,
            )
            raise TooManyBodies

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield HELD.of(self._budget.held)
        yield REFUSED.of(self._refused)


BODIES: web.AppKey[Bodies] = web.AppKey("bodies", Bodies)
