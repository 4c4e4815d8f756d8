"""Who is subscribed to what."""

from collections import Counter

import pytest

from bench.load.seats import channel_names, seats


def test_names() -> None:
    """All names are as long as the others, so that what is received can be counted."""
    names = channel_names("bench-", 2000)

    assert (names[0], names[-1]) == ("bench-00000", "bench-01999")
    assert {len(name) for name in names} == {11}


@pytest.mark.parametrize(
    "channels, subscribers, connections",
    [
        (100, 1, 100),
        (100, 5, 500),
        (100, 20, 2000),
        (2000, 1, 2000),
        (2000, 5, 2000),
        (2000, 20, 2000),
    ],
)
class TestSeats:
    """Subscribers, by channel and by connection."""

    def test_channels(self, channels: int, subscribers: int, connections: int) -> None:
        """
        Each channel has its subscribers, and nobody is one twice.
        """
        names = channel_names("bench-", channels)

        found = seats(names, subscribers, connections=connections)

        taken = Counter(name for wish in found for name in wish)
        assert taken == dict.fromkeys(names, subscribers)
        assert all(len({*wish}) == len(wish) for wish in found)

    def test_connections(self, channels: int, subscribers: int, connections: int) -> None:
        """
        All connections have as many channels as the others.
        """
        found = seats(channel_names("bench-", channels), subscribers, connections=connections)

        assert {len(wish) for wish in found} == {channels * subscribers // connections}
        assert len(found) == connections
