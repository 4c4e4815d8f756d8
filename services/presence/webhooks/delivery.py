"""
Delivers what a webhook is told: tries, tries again, and at last lays it with the dead letters.

Pusher tries again whatever is not 2xx for 5 minutes; so does this, and each time the request is
dated and signed anew, with the same ``webhook-id``.  A receiver that answers 410, or any other 4xx,
may be in the middle of a release: it is no exception.  What it says in ``Retry-After`` holds for
all that it is told, and for no longer than anything is tried.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from libs.common.apps.app import App
from libs.common.apps.port import Apps, known_app
from libs.common.apps.webhooks import WebhookSettings
from libs.common.dead_letters.port import DeadLetter, DeadLetters
from libs.common.egress.client import Answer, EgressClient, NoAnswer, OutgoingRequest
from libs.common.errors import Unavailable
from libs.common.outage import Outage
from libs.common.retry import Backoff, Retry
from services.presence.settings import PresenceSettings
from services.presence.webhooks.pauses import asked_pause
from services.presence.webhooks.payloads import CONTENT_TYPE, Delivery, body_of
from services.presence.webhooks.signing import signed_headers

FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # Seconds.
ANSWER = 4096  # Bytes of an answer that are read, so that its connection can be used again.

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WebhookTools:
    """
    What all webhooks are delivered with.

    Attributes:
        apps: The tenants: a webhook is what it is there at each try.
        client: Calls receivers; opened by the caller.
        letters: Takes what could not be delivered.
        settings: How long, how often, how many at once.
        backoff: Makes the delays between the tries of one delivery.
        clock: UTC epoch seconds.
        timer: Monotonic seconds.
    """

    apps: Apps
    client: EgressClient
    letters: DeadLetters
    settings: PresenceSettings
    backoff: Callable[[], Backoff] = lambda: Backoff(FIRST_RETRY, LAST_RETRY)
    clock: Callable[[], float] = time.time
    timer: Callable[[], float] = time.monotonic


class Courier:
    """
    Delivers to one webhook.

    Args:
        app_id: Whose it is.
        name: The webhook's name.
        tools: What it is done with.

    Attributes:
        counts: ``delivered``, ``failed`` (tries) and ``buried`` (dead letters).
    """

    def __init__(self, app_id: str, name: str, *, tools: WebhookTools) -> None:
        self._app_id = app_id
        self._name = name
        self._tools = tools
        # Of this webhook alone: one that hangs keeps none of the others waiting.
        self._room = asyncio.Semaphore(tools.settings.webhook_requests)
        self._outage = Outage("webhook", tools.timer, app=app_id, webhook=name)
        self._burying = Retry()
        self._paused_until = 0.0  # Monotonic seconds.
        self.counts: Counter[str] = Counter()

    @property
    def is_away(self) -> bool:
        """Whether the last try failed."""
        return self._outage.is_away

    @property
    def lost_at(self) -> float | None:
        """Since when tries have failed, in UTC epoch seconds; None: the last one did not."""
        return self._outage.lost_at

    @property
    def trouble(self) -> str:
        """Say which webhook fails, and why, for operators."""
        return f"{self._name} of app {self._app_id}: {self._outage.reason}"

    def settings(self) -> WebhookSettings | None:
        """Return what is said of the webhook now; None: there is none any more."""
        found = self._found()
        return found[1] if found else None

    async def deliver(self, delivery: Delivery) -> None:
        """Return when it is delivered, or a dead letter; also if the webhook is no more."""
        tools, backoff = self._tools, self._tools.backoff()
        first_at = began = 0.0
        tries = 0
        while True:
            async with self._room:
                began = began if tries else tools.timer()
                await self._pause(began)  # Here: who waits for room must heed it, too.
                first_at = first_at if tries else tools.clock()
                tries += 1
                fault = await self.attempt(delivery)
            if not fault:
                return
            left = self._patience(began)
            if left <= 0:
                await self._bury(delivery, fault, tries=tries, first_at=first_at)
                return
            await asyncio.sleep(min(backoff.delay(), left))

    async def attempt(self, delivery: Delivery) -> str:
        """
        Try once.

        Returns:
            Why it failed, for operators; empty: it did not, or there is no such webhook any more.
        """
        is_early = self._tools.timer() < self._paused_until
        try:
            found = self._found()
            if found is None:
                return ""
            answer = await self._tools.client.ask(self._request(*found, delivery))
        except NoAnswer as error:
            return self._failed(error.reason)
        except Unavailable as error:
            return str(error)
        if not 200 <= answer.status < 300:
            self._heed(answer)
            return self._failed(f"answered {answer.status}")
        if is_early:  # It was asked all the same, and takes what it is told.
            self._paused_until = 0.0
        self._outage.found()
        self.counts["delivered"] += 1
        return ""

    def _heed(self, answer: Answer) -> None:
        asked = asked_pause(answer.status, answer.retry_after, now=self._tools.clock())
        self._paused_until = max(self._paused_until, self._tools.timer() + asked)

    async def _pause(self, began: float) -> None:
        """Wait for as long as the receiver asked for, while there is patience."""
        while True:
            left = min(self._paused_until - self._tools.timer(), self._patience(began))
            if left <= 0:
                return
            await asyncio.sleep(left)

    def _found(self) -> tuple[App, WebhookSettings] | None:
        # Switched off, too: what an app's clients leave behind is told all the same.
        app = known_app(self._tools.apps, self._app_id)
        if app is None:
            return None
        named = (webhook for webhook in app.webhooks if webhook.name == self._name)
        return next(((app, webhook) for webhook in named), None)

    def _request(self, app: App, webhook: WebhookSettings, delivery: Delivery) -> OutgoingRequest:
        now = self._tools.clock()
        body = body_of(delivery.facts, now=now)
        own = {name: value.reveal() for name, value in webhook.headers.items()}
        signed = signed_headers(app, delivery.id, body=body, now=now)
        return OutgoingRequest(
            "POST",
            webhook.url,
            ANSWER,
            self._tools.settings.webhook_timeout,
            headers={**own, "Content-Type": CONTENT_TYPE, **signed},
            body=body,
            cut=True,
        )

    def _failed(self, reason: str) -> str:
        self._outage.lost(reason)
        self.counts["failed"] += 1
        return reason

    def _patience(self, began: float) -> float:
        """
        Return the seconds in which it may be tried again.

        They are over for all at once where the receiver has been away for as long: else what comes
        would wait its turn for as long again, and the stream behind it be trimmed.
        """
        passed = max(self._tools.timer() - began, self._outage.seconds)
        return self._tools.settings.webhook_patience - passed

    async def _bury(self, delivery: Delivery, reason: str, *, tries: int, first_at: float) -> None:
        letter = DeadLetter(
            id=delivery.id,
            app=self._app_id,
            webhook=self._name,
            facts=tuple(delivery.facts),
            reason=reason,
            tries=tries,
            first_at=first_at,
            died_at=self._tools.clock(),
        )
        await self._burying.until_done(lambda: self._tools.letters.keep(letter))
        self.counts["buried"] += 1
        log.warning(
            "webhook.dead_lettered",
            app=self._app_id,
            webhook=self._name,
            id=delivery.id,
            events=[fact.kind for fact in delivery.facts][:10],
            tries=tries,
            reason=reason,
            pace_by=f"{self._app_id} {self._name}",
        )
