"""
The ways of Redis's pub/sub: classic, to every node of a cluster, and sharded, to one.

Pure.  A sharded message goes to the node that has the feed's slot, and to who is subscribed there
(Redis, "Pub/Sub: sharded").  Who announces in one way is not heard in the other, so a deployment
goes from one to the other over two steps in which it announces both ways: see `Pubsub`.
"""

import re
from enum import Enum
from typing import Literal

Way = Literal["classic", "both-classic", "both-sharded", "sharded"]

_STATEMENT = re.compile(r"^( *)redis\.call\('PUBLISH', (.*)\)$", re.MULTILINE)


class Pubsub(Enum):
    """
    How feeds are announced and heard, in the order in which a deployment goes from one to the next.

    Any two neighbours understand each other: what is announced by the one is heard by the other.
    """

    CLASSIC = "classic"
    BOTH_CLASSIC = "both-classic"
    BOTH_SHARDED = "both-sharded"
    SHARDED = "sharded"

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that announce a message."""
        return _COMMANDS[self]

    @property
    def hears_sharded(self) -> bool:
        """Whether listeners subscribe at the node that has the feed's slot."""
        return self in {Pubsub.BOTH_SHARDED, Pubsub.SHARDED}

    def announced(self, script: str) -> str:
        """Put the commands into a script, in which each ``PUBLISH`` has a line of its own."""
        lines = (rf"\1redis.call('{command}', \2)" for command in self.commands)
        return _STATEMENT.sub("\n".join(lines), script)


_COMMANDS = {
    Pubsub.CLASSIC: ("PUBLISH",),
    Pubsub.BOTH_CLASSIC: ("PUBLISH", "SPUBLISH"),
    Pubsub.BOTH_SHARDED: ("PUBLISH", "SPUBLISH"),
    Pubsub.SHARDED: ("SPUBLISH",),
}
