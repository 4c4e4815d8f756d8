"""Dead letters are sent again: by the same code as ever, each once, the oldest first."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from libs.common.dead_letters.port import START, DeadLetter, DeadLetters, Selection
from services.presence.webhooks.delivery import Courier, WebhookTools
from services.presence.webhooks.payloads import Delivery

PAGE = 100  # Letters that are read at once.
TROUBLES = 3  # Failures of a webhook in a row, after which its other letters are left.


@dataclass(slots=True)
class Progress:
    """
    How far it is.

    Attributes:
        total: How many letters there were.
        delivered: Those that a receiver took.
        failed: Those that it did not; they stay.
        left: Those that were not tried, as the ones before had failed.
        unsure: Those whose answer was awaited when it broke off.
        reasons: Why the last one of each webhook failed.
    """

    total: int
    delivered: int = 0
    failed: int = 0
    left: int = 0
    unsure: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many were dealt with."""
        return self.delivered + self.failed + self.left

    def __str__(self) -> str:
        words = f"{self.done} of {self.total}: {self.delivered} delivered"
        words += f", {self.failed} failed" if self.failed else ""
        words += f", {self.left} not tried" if self.left else ""
        return words + (f", {self.unsure} may have been" if self.unsure else "")


async def replay(
    selection: Selection,
    tools: WebhookTools,
    *,
    progress: Progress,
    shown: Callable[[Progress], None],
) -> None:
    """
    Send letters again, and forget those that were delivered.

    Args:
        selection: Which.
        tools: What they are delivered with; its client is open.
        progress: Is told how far it is.
        shown: Called after each.

    Raises:
        Unavailable: The list cannot be read, or written; what was delivered may be sent once more.
    """
    couriers: dict[tuple[str, str], Courier] = {}
    troubles: Counter[tuple[str, str]] = Counter()
    async for letter in _letters(tools.letters, selection):
        name = letter.app, letter.webhook
        if troubles[name] >= TROUBLES:
            progress.left += 1
        else:
            courier = couriers.setdefault(name, Courier(*name, tools=tools))
            progress.unsure = 1
            fault = await _attempt(courier, letter)
            troubles[name] = troubles[name] + 1 if fault else 0
            await _note(progress, letter, fault, tools.letters)
        shown(progress)


async def newest(letters: DeadLetters, selection: Selection, *, limit: int) -> list[DeadLetter]:
    """
    Read the letters that were given up last, the last one first.

    Raises:
        Unavailable: The list cannot be read.
    """
    found: deque[DeadLetter] = deque(maxlen=limit)
    async for letter in _letters(letters, selection):
        found.append(letter)
    return [*reversed(found)]


async def _attempt(courier: Courier, letter: DeadLetter) -> str:
    if courier.settings() is None:
        return f"app {letter.app} has no webhook {letter.webhook} any more"
    return await courier.attempt(Delivery(letter.id, letter.facts))


async def _note(progress: Progress, letter: DeadLetter, fault: str, letters: DeadLetters) -> None:
    if fault:
        progress.unsure = 0
        progress.failed += 1
        progress.reasons[f"{letter.app}/{letter.webhook}"] = fault
        return
    await letters.remove([letter.id])
    progress.unsure = 0
    progress.delivered += 1


async def _letters(letters: DeadLetters, selection: Selection) -> AsyncIterator[DeadLetter]:
    after = START
    while page := await letters.read(selection, after=after, limit=PAGE):
        for letter in page:
            yield letter
        after = page[-1].place
