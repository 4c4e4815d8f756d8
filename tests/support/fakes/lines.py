"""A socket that only keeps in mind how often it is held."""


class Line:
    """
    A newcomer's socket.

    Attributes:
        holds: How often it is held.
    """

    def __init__(self) -> None:
        self.holds = 0

    def hold(self) -> None:
        """See `Held.hold`."""
        self.holds += 1

    def release(self) -> None:
        """See `Held.release`."""
        self.holds -= 1
