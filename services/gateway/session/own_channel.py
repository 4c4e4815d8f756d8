"""
A user's own channel, ``#server-to-user-{id}``, in which a client is before it hears of its sign-in.

Pure.  ``now`` is monotonic seconds.  A back end may send to a user as soon as the client is told
that it is signed in, and pusher-js subscribes to the channel only after that; some clients never do
(Soketi asks for no subscribe).  So the sign-in itself brings the client into the channel.
"""

from collections.abc import Sequence
from math import inf

import msgspec

from libs.common.channels import USER_PREFIX
from services.gateway.protocol.effects import Effect
from services.gateway.protocol.frames import User

# Seconds.  While Redis is away a back end can send nothing to a user; pages wait for their sign-in.
PATIENCE = 2.0


def own_channel(user: User | None) -> str | None:
    """Name a user's own channel; None: there is no user."""
    return USER_PREFIX + user.id if user else None


class OwnChannel(msgspec.Struct, eq=False, gc=False):
    """
    The own channel of a connection's user, and the answer to the sign-in, which waits for it.

    Attributes:
        name: Of the channel that the last sign-in opened; None: there was none.
        due: When the client must be told of its sign-in, in the channel or not.
    """

    name: str | None = None
    due: float = inf
    _answer: Sequence[Effect] = ()

    def wait(self, answer: Sequence[Effect], *, now: float) -> None:
        """Keep the answer to a sign-in; one that is repeated meanwhile is answered with it once."""
        self._answer = answer
        self.due = min(self.due, now + PATIENCE)

    def told(self) -> list[Effect]:
        """Return the answer, if it was not told yet."""
        answer = list(self._answer)
        self.drop()
        return answer

    def overdue(self, now: float) -> list[Effect]:
        """Return the answer if it has waited for long enough."""
        return self.told() if now >= self.due else []

    def drop(self) -> None:
        """Let no answer wait: the sign-in was undone, or the client is gone."""
        self._answer, self.due = (), inf
