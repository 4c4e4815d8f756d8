"""
Whether there is too much of something, so that its begin is told once.

Pure.
"""


class Overflow:
    """Too much of something, or not."""

    __slots__ = ("_is_on",)

    def __init__(self) -> None:
        self._is_on = False

    def begins(self) -> bool:
        """Know that there was no room; tell whether there had been some until then."""
        begins, self._is_on = not self._is_on, True
        return begins

    def ends(self) -> None:
        """Know that there is room again."""
        self._is_on = False
