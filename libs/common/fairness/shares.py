"""
Shares: how many of a number of places each app may have, where all apps share them.

Pure.  An app may have up to nine times as many as are free.  So one that takes all it can leaves a
tenth to others, two at once leave a nineteenth, and none needs to be told beforehand how many
others there are (dynamic thresholds: Choudhury and Hahne, 1998).
"""

from collections import Counter

TIMES = 9  # As many places as are free, that an app may have.


class Shares:
    """
    The places that apps have.

    Args:
        most: Places, of all apps together.
    """

    __slots__ = ("_apps", "_free")

    def __init__(self, most: int) -> None:
        self._apps: Counter[str] = Counter()
        self._free = most

    def has_room(self, app: str) -> bool:
        """Tell whether an app may have another place."""
        return self._free > 0 and self._apps[app] <= TIMES * self._free

    def take(self, app: str) -> None:
        """Give an app a place; the caller has asked whether it may have one."""
        self._apps[app] += 1
        self._free -= 1

    def give_back(self, app: str) -> None:
        """Have a place of an app free again."""
        self._free += 1
        self._apps[app] -= 1
        if not self._apps[app]:
            del self._apps[app]
