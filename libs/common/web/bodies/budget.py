"""
How many bytes the bodies of all requests of a process may have together.

Pure.  Whoever asks for room has at most as much as is left to all others, so that one app alone has
half of it, two three quarters, and there is always some for one more: `libs.common.fairness.shares`
counts places so, where one is little; here a body may be a thirtieth of all.  A user counts apart
from his app, whose back ends would else wait for what any one user holds.  Source: Choudhury and
Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998).
"""

Owner = str | tuple[str, str]  # An app, empty where none is known; or an app and one of its users.


class BodyBudget:
    """
    Room for bodies.

    Args:
        most: Bytes that there is for all of them.

    Attributes:
        held: Bytes that are taken.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0
        self._by_owner: dict[Owner, int] = {}

    def take(self, owner: Owner, size: int) -> bool:
        """
        Take room for a body.

        Args:
            owner: Whose request it is.
            size: Bytes.

        Returns:
            Whether there is room; if not, nothing is taken.
        """
        own, held = self._by_owner.get(owner, 0) + size, self.held + size
        if own + held > self._most:
            return False
        self._by_owner[owner] = own
        self.held = held
        return True

    def give_back(self, owner: Owner, size: int) -> None:
        """Give back what was taken."""
        self.held -= size
        own = self._by_owner[owner] - size
        if own:
            self._by_owner[owner] = own
        else:
            del self._by_owner[owner]
