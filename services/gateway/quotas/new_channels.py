"""
How fast clients may subscribe, and whose subscribe is next where they want more than that.

Pure.  Times are monotonic seconds.  A subscribe takes of its connection's budget.  One that is new,
as Redis has to be asked for its channel or keeps something of it, takes of its address's and of the
gateway's as well.  What finds a budget used up waits; nothing is refused while there is room to
wait.  Each budget is one number, until when all that was taken will have been earned (the generic
cell rate algorithm).

The order of a connection is kept.  Who waits for its own budget delays nobody else.  The
connections of an address take turns at its budget, and the addresses at the gateway's.  An example.
An attacker has a thousand connections at one address, each with a hundred subscribes to new names:
they wait for the budget of that address.  Ann subscribes from another address: nobody waits for the
gateway's budget, so she goes on at once.  Were that used up too, she would be the second of two
addresses that take turns, not the last of 100,001 subscribes.

As many subscribes of an address may wait as there is room left: one address fills half of it, and
what becomes free goes to those for whom least waits.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

from services.gateway.protocol.effects import Ask
from services.gateway.quotas.budgets import Budget, SubscribeLimits

FEW = 1000  # Addresses of which it is not looked whether their budgets are whole again.


class Wait(StrEnum):
    """What a subscribe waits for: the limit, as the settings call it."""

    NONE = "nothing"
    CONNECTION = "subscribes"
    ADDRESS = "new_channels_per_address"
    GATEWAY = "new_channels"
    IMPOSSIBLE = "max_waiting"  # It does not wait: there is no room.


# Looked up in an enumeration, a member takes as long as all the rest of a test.
NONE, CONNECTION = Wait.NONE, Wait.CONNECTION


class Applicant(Protocol):
    """
    A connection.

    Attributes:
        subscribes_earned_at: When all its subscribes until now will have been earned.
    """

    subscribes_earned_at: float


S = TypeVar("S", bound=Applicant)


@dataclass(slots=True, eq=False)
class _Line(Generic[S]):
    """
    The subscribes of one connection that wait; it stands in one place until its turn comes.

    Attributes:
        applicant: The connection; None: it has ended.
        address: Whose connection it is.
        budget: Its own.
        asks: What it asks for, by channel, oldest first; none, if all was withdrawn.
        is_new: Whether it waits for its address, or for the gateway, and not for its own budget.
    """

    applicant: S | None
    address: "_Address[S]"
    budget: Budget
    asks: dict[str, Ask] = field(default_factory=dict)
    is_new: bool = False


@dataclass(slots=True, eq=False)
class _Address(Generic[S]):
    """
    An address with connections that have a line.

    Attributes:
        name: The address.
        lines: Those that wait for its budget, or for the gateway's, in the order of their turns.
        known: How many lines it has, those that wait for their own budgets too.
        waiting: How many subscribes are in them.
        is_placed: Whether it waits for its own budget, or for its turn at the gateway's.
        is_next: The latter.
    """

    name: str
    lines: deque[_Line[S]] = field(default_factory=deque)
    known: int = 0
    waiting: int = 0
    is_placed: bool = False
    is_next: bool = False


class NewChannels(Generic[S]):
    """
    The subscribes of one gateway, as far as they are held to rates.

    Args:
        limits: The rates, and how many may wait.
        is_new: Whether a subscribe is new at this moment.
    """

    def __init__(self, limits: SubscribeLimits, is_new: Callable[[S, Ask], bool]) -> None:
        self._limits = limits
        self._of_address, self._of_all = limits.address, limits.gateway
        self._is_new = is_new
        self._earned_at = 0.0  # Of the gateway's budget.
        self._addresses_earned_at: dict[str, float] = {}
        self._most_kept = FEW
        self._lines: dict[S, _Line[S]] = {}
        self._addresses: dict[str, _Address[S]] = {}  # Those with lines.
        self._round: deque[_Address[S]] = deque()  # Whose turns at the gateway's budget come.
        # Who waits for a budget of its own, and until when.
        self._calendar: list[tuple[float, int, _Line[S] | _Address[S]]] = []
        self._entries = 0
        self._waiting = 0

    def __len__(self) -> int:
        """Count the subscribes that wait."""
        return self._waiting

    @property
    def is_idle(self) -> bool:
        """Whether nobody's turn will come."""
        return not self._calendar and not self._round

    @property
    def busiest(self) -> str:
        """Name the address for which most wait; empty: none do."""
        return max(self._addresses.values(), key=lambda each: each.waiting).name if self else ""

    @property
    def known_addresses(self) -> int:
        """Count the addresses of which something is kept."""
        return len(self._addresses_earned_at.keys() | self._addresses.keys())

    def take(
        self, applicant: S, ask: Ask, budget: Budget, *, is_new: bool, address: str, now: float
    ) -> Wait:
        """
        Take a subscribe: it may go on, or waits until `due` returns it.

        Args:
            applicant: The connection; it is named to `forget` when it ends.
            ask: What it asks for.  What waits for the same channel gives way to it.
            budget: Of the connection; see `SubscribeLimits.of_connection`.
            is_new: Whether it is new.
            address: Where it comes from.
            now: The present instant.

        Returns:
            What it waits for.
        """
        if applicant in self._lines:
            line = self._lines[applicant]
            return self._put(line, ask, self._cause(line))
        wait = CONNECTION
        if applicant.subscribes_earned_at - budget.span <= now:
            wait = self._judge_new(address, now) if is_new else NONE
        if wait is NONE:
            self._pay(applicant, address, budget, is_new=is_new, now=now)
            return wait
        line = self._open(applicant, address, budget)
        taken = self._put(line, ask, wait)
        self._place(line, now, [])
        return taken

    def withdraw(self, applicant: S, channel: str) -> bool:
        """Let a subscribe wait no more; tell whether it did."""
        line = self._lines.get(applicant)
        if line is None or line.asks.pop(channel, None) is None:
            return False
        self._count(line, -1)
        return True

    def forget(self, applicant: S) -> None:
        """Let nothing of a connection wait: it has ended."""
        if self._lines and (line := self._lines.pop(applicant, None)) is not None:
            self._count(line, -len(line.asks))
            line.asks.clear()
            line.applicant = None

    def due(self, now: float, most: int) -> list[tuple[S, Ask]]:
        """Take those whose turn has come, in order; about ``most``, and more if called again."""
        gone: list[tuple[S, Ask]] = []
        while self._calendar and self._calendar[0][0] <= now and len(gone) < most:
            *_, thing = heappop(self._calendar)
            if isinstance(thing, _Line):
                self._place(thing, now, gone)
            else:
                thing.is_placed = False
                self._line_up(thing, now)
        while self._round and len(gone) < most and self._of_all.allows(self._earned_at, now):
            address = self._round.popleft()
            address.is_placed = address.is_next = False
            self._serve(address, now, gone)
            self._line_up(address, now)
        return gone

    def _judge_new(self, address: str, now: float) -> Wait:
        """Tell for what a new subscribe has to wait that its connection's budget allows."""
        earned_at = self._addresses_earned_at.get(address, 0.0)
        if earned_at - self._of_address.span > now:
            return Wait.ADDRESS
        if self._addresses and (before := self._addresses.get(address)) and before.lines:
            return Wait.ADDRESS
        if self._round or self._earned_at - self._of_all.span > now:
            return Wait.GATEWAY
        return NONE

    def _pay(self, applicant: S, address: str, budget: Budget, *, is_new: bool, now: float) -> None:
        # Three times the same, without a call: each subscribe comes by.
        before = applicant.subscribes_earned_at
        applicant.subscribes_earned_at = (before if before > now else now) + budget.gap  # noqa: FURB136
        if not is_new:
            return
        before = self._earned_at
        self._earned_at = (before if before > now else now) + self._of_all.gap  # noqa: FURB136
        if self._of_address.gap:
            kept = self._addresses_earned_at
            before = kept.get(address, now)
            kept[address] = (before if before > now else now) + self._of_address.gap  # noqa: FURB136
            if len(kept) > self._most_kept:
                self._forget_whole(now)

    def _forget_whole(self, now: float) -> None:
        """Forget the addresses whose budgets are whole again; look when twice as many are kept."""
        kept = {name: at for name, at in self._addresses_earned_at.items() if at > now}
        self._addresses_earned_at = kept
        self._most_kept = max(FEW, 2 * len(kept))

    def _open(self, applicant: S, address: str, budget: Budget) -> _Line[S]:
        whose = self._addresses.get(address)
        if whose is None:
            whose = self._addresses[address] = _Address(address)
        whose.known += 1
        line = self._lines[applicant] = _Line(applicant, whose, budget)
        return line

    def _drop(self, line: _Line[S]) -> None:
        """Forget a line that stands nowhere."""
        if line.applicant is not None:
            del self._lines[line.applicant]
        line.address.known -= 1
        if not line.address.known:
            del self._addresses[line.address.name]

    def _put(self, line: _Line[S], ask: Ask, wait: Wait) -> Wait:
        if ask.channel not in line.asks:
            is_long = len(line.asks) >= line.budget.burst
            if is_long or line.address.waiting >= self._limits.waiting - self._waiting:
                return Wait.IMPOSSIBLE
            self._count(line, 1)
        line.asks[ask.channel] = ask
        return wait

    def _count(self, line: _Line[S], more: int) -> None:
        line.address.waiting += more
        self._waiting += more

    def _cause(self, line: _Line[S]) -> Wait:
        if not line.is_new:
            return Wait.CONNECTION
        return Wait.GATEWAY if line.address.is_next else Wait.ADDRESS

    def _place(self, line: _Line[S], now: float, gone: list[tuple[S, Ask]]) -> None:
        """Let go what need not wait, and have the line wait for its next turn."""
        line.is_new = False
        while line.applicant is not None and line.asks:
            if not line.budget.allows(line.applicant.subscribes_earned_at, now):
                self._enter(line, line.budget.allows_at(line.applicant.subscribes_earned_at))
                return
            if self._is_new(line.applicant, next(iter(line.asks.values()))):
                line.is_new = True
                line.address.lines.append(line)
                self._line_up(line.address, now)
                return
            self._let_go(line.applicant, line, now, gone)
        self._drop(line)

    def _line_up(self, address: _Address[S], now: float) -> None:
        """Have an address wait for its next turn, if a line of it does."""
        if address.is_placed or not address.lines:
            return
        address.is_placed = True
        earned_at = self._addresses_earned_at.get(address.name, 0.0)
        if self._of_address.allows(earned_at, now):
            address.is_next = True
            self._round.append(address)
        else:
            self._enter(address, self._of_address.allows_at(earned_at))

    def _enter(self, thing: _Line[S] | _Address[S], at: float) -> None:
        self._entries += 1
        heappush(self._calendar, (at, self._entries, thing))

    def _serve(self, address: _Address[S], now: float, gone: list[tuple[S, Ask]]) -> None:
        """Let go the next subscribe of an address."""
        while address.lines:
            line = address.lines.popleft()
            if line.applicant is not None and line.asks:
                self._let_go(line.applicant, line, now, gone)
                self._place(line, now, gone)
                return
            self._drop(line)

    def _let_go(self, applicant: S, line: _Line[S], now: float, gone: list[tuple[S, Ask]]) -> None:
        ask = line.asks.pop(next(iter(line.asks)))
        self._count(line, -1)
        # Somebody else may have come to the channel meanwhile.
        is_new = self._is_new(applicant, ask)
        self._pay(applicant, line.address.name, line.budget, is_new=is_new, now=now)
        gone.append((applicant, ask))
