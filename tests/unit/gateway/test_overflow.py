"""Too much of something."""

from services.gateway.overflow import Overflow


def test_begins() -> None:
    """That it begins is told once, and again after it has ended."""
    overflow = Overflow()

    assert [overflow.begins(), overflow.begins()] == [True, False]
    overflow.ends()
    assert [overflow.begins(), overflow.begins()] == [True, False]
