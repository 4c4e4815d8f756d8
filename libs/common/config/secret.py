"""A text that must not be shown."""


class Secret:
    """
    A secret: its text is had only by asking for it.

    Neither ``repr`` nor ``str`` shows it, so that it cannot reach a log by accident.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
