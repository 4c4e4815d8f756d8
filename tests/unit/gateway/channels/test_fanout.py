"""How frames are joined into writes."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.messages import Broadcast
from services.gateway.channels.fanout import JOINED_BYTES, runs
from services.gateway.connections.socket import frame, join

SIZES = st.lists(st.integers(0, JOINED_BYTES * 2), max_size=8)


def broadcasts(*sizes: int) -> list[Broadcast]:
    return [Broadcast(bytes([65 + number]) * size, 0.0) for number, size in enumerate(sizes)]


class TestRuns:
    """As few writes as the bound allows, and nothing in another order."""

    def test_none(self) -> None:
        """Of nothing there is no write."""
        assert runs([]) == []

    def test_small(self) -> None:
        """Small frames are one write."""
        several = broadcasts(10, 200, 3000)

        assert runs(several) == [join(each.frame for each in several)]

    def test_full(self) -> None:
        """A write ends with the frame that fills it; a large frame is not split."""
        first, second, third = broadcasts(JOINED_BYTES - 1, 1, 3 * JOINED_BYTES)

        assert runs([first, second, third]) == [
            frame(first.frame) + frame(second.frame),
            frame(third.frame),
        ]

    @given(SIZES)
    def test_keeps_all(self, sizes: list[int]) -> None:
        """Whatever the sizes, the client reads the same bytes as from one write a frame."""
        several = broadcasts(*sizes)

        assert b"".join(runs(several)) == b"".join(frame(each.frame) for each in several)
