"""Who waits is woken at once, and by nothing that was before."""

from services.presence.bell import Bell


async def test_rung() -> None:
    """All who wait hear it; who waits then waits for the next time."""
    bell = Bell()
    one, other = bell.heard(), bell.heard()

    bell.ring()
    later = bell.heard()

    assert (one.done(), other.done(), later.done()) == (True, True, False)
    bell.ring()
    bell.ring()
    assert later.done()


async def test_nobody_waits() -> None:
    """What rings for nobody is gone."""
    bell = Bell()

    bell.ring()

    assert not bell.heard().done()
