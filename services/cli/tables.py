"""Tables on a terminal: rows of texts, one under the other."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows that have as many texts each, so that their columns stand in line."""
    shown = [[printable(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]


def printable(text: str) -> str:
    """Write a text of any origin so that it does nothing to a terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
