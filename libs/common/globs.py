"""
Names of channels, and patterns in which ``*`` stands for any characters, or for none.

Pure.  No pattern takes longer than others of its length: there is nothing that is tried and taken
back.
"""

from collections.abc import Iterable


class Globs:
    """
    Some names and patterns.

    Args:
        patterns: The names and patterns, of which one must fit.
    """

    __slots__ = ("_globs", "_names")

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self._names = frozenset(pattern for pattern in patterns if "*" not in pattern)
        self._globs = tuple(tuple(pattern.split("*")) for pattern in patterns if "*" in pattern)

    def fits(self, name: str) -> bool:
        """Tell whether a name is one of them, or fits one."""
        return name in self._names or any(_fits(glob, name) for glob in self._globs)


def _fits(glob: tuple[str, ...], name: str) -> bool:
    """Look for each part once, behind the one before: the first place is as good as any."""
    first, last = glob[0], glob[-1]
    start, end = len(first), len(name) - len(last)
    if start > end or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in glob[1:-1]:
        found = name.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True
