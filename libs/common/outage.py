"""
Outages: how a process says that a backend is away, and that it is back.

Whoever talks to a backend tells its `Outage` of every failure and every answer.  Each outage makes
two lines in the log, ``backend.lost`` and ``backend.found``, however many calls fail in between and
however many users the backend has.
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakSet

import structlog

from libs.common.errors import Unavailable

log = structlog.get_logger()

_ADDRESS = re.compile(r"\('([^']+)', (\d+)(?:, [^()]*)?\)")
# ``[Error 7] RequestTimedOutError``, as aiokafka names what a broker answered.
_CLASS = re.compile(r"(?:\[Error -?\d+\] )?\b((?:[A-Z][a-z]+){2,})Error\b")
_HUMP = re.compile(r"([A-Z])")

# Of this process: who shows how backends are would else have to be told of each by its maker.
_KNOWN: "WeakSet[Outage]" = WeakSet()
_LOST: Counter[str] = Counter()


class Standing(NamedTuple):
    """
    How a backend is and was, by all that talk to it here.

    Attributes:
        is_up: Whether none of them finds it away; None: none of them has asked it.
        outages: How often it went away, since the start.
    """

    is_up: bool | None
    outages: int


def standings() -> dict[str, Standing]:
    """Tell of each backend, by name, how it is; it is known from its first `Outage` on."""
    is_up: dict[str, bool | None] = dict.fromkeys(
        sorted({each.backend for each in _KNOWN} | {*_LOST})
    )
    for each in _KNOWN:
        if each.was_asked:
            is_up[each.backend] = is_up[each.backend] is not False and not each.is_away
    return {name: Standing(up, _LOST[name]) for name, up in is_up.items()}


class Outage:
    """
    Whether one backend is away, as far as one process can tell.

    It is away while it is for at least one of its users: a connection that listens, one that asks.
    Calls that are under way at the same time may share it: none of its methods waits.

    Args:
        backend: The backend's name as in the settings, such as ``bus``; a part follows a slash, as
            in ``identity/jwks``.
        clock: Monotonic seconds.
        is_told: Whether it makes lines, and counts; if not, another one tells of the same backend.
        facts: Further keys of both lines.

    Attributes:
        backend: The backend's name.
        since: The instant of the first failure, in monotonic seconds; None: the backend is there.
        lost_at: The same instant as ``backend.lost`` in the log has it, in UTC epoch seconds.
        was_asked: Whether it was ever told of a failure or an answer.
    """

    def __init__(
        self,
        backend: str,
        clock: Callable[[], float] = time.monotonic,
        /,
        *,
        is_told: bool = True,
        **facts: str,
    ) -> None:
        self.backend = backend
        self.since: float | None = None
        self.lost_at: float | None = None
        self.was_asked = False
        self._clock = clock
        self._is_told = is_told
        self._facts = facts
        self._reasons: dict[str, str] = {}  # By user.
        if is_told:
            _KNOWN.add(self)

    @property
    def is_away(self) -> bool:
        """Whether the last call of a user failed."""
        return self.since is not None

    @property
    def seconds(self) -> float:
        """For how long the backend has been away; 0: it is there."""
        return 0.0 if self.since is None else self._clock() - self.since

    @property
    def reason(self) -> str:
        """Why the last calls failed, for operators; empty: the backend is there."""
        return "; ".join(dict.fromkeys(self._reasons.values()))

    def ensure(self) -> None:
        """
        Raise if it is away.

        Raises:
            Unavailable: It is; `Unavailable.since` is set, and the cause has the reason.
        """
        if self.is_away:
            error = Unavailable(self.backend)
            error.since = self.lost_at
            raise error from ConnectionError(self.reason)

    def lost(self, reason: str, *, by: str = "") -> None:
        """
        Note that a call failed; the first of several is logged.

        Args:
            reason: Why, as the server or its client library gave it.
            by: Which user of the backend called: ``listener``, or the address of a server of many.
        """
        self.was_asked = True
        self._reasons[by] = reason
        if self.since is None:
            self.since, self.lost_at = self._clock(), time.time()
            if self._is_told:
                self._tell_lost(reason, by)

    def _tell_lost(self, reason: str, by: str) -> None:
        _LOST[self.backend] += 1
        user = {"by": by} if by else {}
        log.warning("backend.lost", backend=self.backend, reason=reason, **user, **self._facts)

    def found(self, *, by: str = "") -> None:
        """Note that the backend answered a user; logged if it was away, and now is for nobody."""
        self.was_asked = True
        if by not in self._reasons:
            return
        reason, seconds = self.reason, round(self.seconds, 3)
        del self._reasons[by]
        if not self._reasons:
            self.since = self.lost_at = None
            if self._is_told:
                told = {"reason": reason, "seconds": seconds}
                log.info("backend.found", backend=self.backend, **told, **self._facts)


def reason_of(error: BaseException) -> str:
    """Say in one line why a call failed: what its cause says, or else what its class is called."""
    cause = error.__cause__ or error
    if isinstance(cause, TimeoutError) and not str(cause):
        return "no answer in time"
    return worded(str(cause)) or worded(type(cause).__name__)


def worded(text: str) -> str:
    """Say in one line, and in words, what a client library says with its classes and tuples."""
    line = _ADDRESS.sub(r"\1:\2", " ".join(text.split()))
    return _CLASS.sub(lambda found: _HUMP.sub(r" \1", found[1]).strip().lower(), line)
