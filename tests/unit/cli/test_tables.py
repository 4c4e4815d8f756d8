"""Tables on a terminal."""

from services.cli.tables import aligned, printable


def test_aligned() -> None:
    """Columns stand in line, and nothing follows the last text of a row."""
    assert aligned([("A", "LONG"), ("abc", ""), ("b", "x")]) == ["A    LONG", "abc", "b    x"]


def test_printable() -> None:
    """What others named or answered does nothing to the terminal."""
    assert printable("a\x1b[2Jb\nü") == "a�[2Jb�ü"
    assert aligned([("\x07", "x")]) == ["�  x"]
