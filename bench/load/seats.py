"""
Who is subscribed to what, where there are many channels with few subscribers each.

Pure.
"""

from collections.abc import Sequence


def channel_names(prefix: str, count: int) -> list[str]:
    """Name channels, all as long as the others."""
    return [f"{prefix}{number:05}" for number in range(count)]


def seats(names: Sequence[str], subscribers: int, *, connections: int) -> list[list[str]]:
    """
    Spread the subscribers of channels over connections, evenly and none twice in a channel.

    Args:
        names: Of the channels.
        subscribers: Of each channel.
        connections: That there are; as many as there are seats in all, or a divisor of that.

    Returns:
        The channels of each connection.
    """
    found: list[list[str]] = [[] for _ in range(connections)]
    for turn in range(subscribers):
        for number, name in enumerate(names):
            # Each time that all connections have been passed, neighbours change places.
            seat = turn * len(names) + number
            found[(seat + seat // connections) % connections].append(name)
    return found
