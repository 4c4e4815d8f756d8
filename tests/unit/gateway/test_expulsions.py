"""Who was taken out of which channels."""

import tracemalloc

import pytest

from libs.common.orders import Order
from services.gateway.expulsions import TIDY_FROM, Expelled, Expulsions

NOW, KEPT = 1000.0, 600.0


def expel(user: str = "ann", *channels: str, at: float = NOW, app: str = "1") -> Order:
    names = channels or ("private-campaign.5.*",)
    return Order("expel", app, user, at, at + KEPT, channels=names)


@pytest.fixture
def known() -> Expulsions:
    known = Expulsions()
    known.add(expel(), NOW)
    return known


def is_out(
    known: Expulsions,
    user: str = "ann",
    *,
    app: str = "1",
    channel: str = "private-campaign.5.chat",
    given_at: float = NOW,
    now: float = NOW,
) -> bool:
    try:
        known.check(app, user, channel, given_at=given_at, now=now)
    except Expelled:
        return True
    return False


class TestCheck:
    """Permissions that are presented."""

    def test_older(self, known: Expulsions) -> None:
        """One of before is refused, as of a user who is known and may not; one of after opens."""
        assert Expelled.status == 403
        assert is_out(known, given_at=NOW - 1)
        assert is_out(known, given_at=NOW)
        assert not is_out(known, given_at=NOW + 0.001)

    def test_others(self, known: Expulsions) -> None:
        """Other channels, other users, and users of other apps are not meant."""
        assert not is_out(known, channel="private-campaign.55.chat")
        assert not is_out(known, "bob")
        assert not is_out(known, app="2")

    def test_forgotten(self, known: Expulsions) -> None:
        """For as long as the order is remembered."""
        assert is_out(known, now=NOW + KEPT - 1)
        assert not is_out(known, now=NOW + KEPT)


class TestAdd:
    """Orders."""

    def test_made(self, known: Expulsions) -> None:
        """The answer tells which subscriptions end."""
        made = known.add(expel("ann", "private-1", "presence-*"), NOW)

        assert made.covers("private-1", NOW)
        assert made.covers("presence-x", NOW)
        assert not made.covers("private-12", NOW)
        assert not made.covers("private-1", NOW + 1)

    @pytest.mark.parametrize("instants", [(NOW, NOW + 10), (NOW + 10, NOW)])
    def test_again(self, instants: tuple[float, float]) -> None:
        """In whichever sequence orders come, the latest counts."""
        known = Expulsions()
        for at in instants:
            known.add(expel(at=at), NOW)

        assert is_out(known, given_at=NOW + 10)
        assert is_out(known, now=NOW + KEPT + 5)
        assert not is_out(known, given_at=NOW + 11)

    def test_several(self, known: Expulsions) -> None:
        """One of other channels leaves the first in force."""
        known.add(expel("ann", "private-1"), NOW)

        assert is_out(known)
        assert is_out(known, channel="private-1")

    def test_bounded(self, known: Expulsions) -> None:
        """A user who is taken out again and again costs what one order costs."""
        tracemalloc.start()
        try:
            for number in range(10_000):
                known.add(expel(at=NOW + number), NOW + number)
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert used < 100_000
        assert is_out(known, given_at=NOW + 9_999, now=NOW + 9_999)

    def test_tidied(self, known: Expulsions) -> None:
        """What has expired is forgotten, and what has not stays."""
        known.add(expel("bob", at=NOW + KEPT), NOW)
        for number in range(3 * TIDY_FROM):
            known.add(expel(f"u{number}", at=NOW), NOW + KEPT + 1)

        assert is_out(known, "bob", given_at=NOW + KEPT, now=NOW + KEPT + 1)
        assert not is_out(known, "ann", now=NOW)
