"""How frames are joined into writes, and who is written to together."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.messages import Broadcast
from libs.common.channels import Channel
from services.gateway.channels import fanout
from services.gateway.channels.fanout import JOINED_BYTES, Share, grouped, joined, runs
from services.gateway.channels.hub import Fanout
from services.gateway.connections.socket import Socket, frame, join
from tests.unit.gateway.channels.hubs import Client

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


class Written:
    """A socket, which only counts as itself."""


ANN, BOB, CAT = (cast("Socket", Written()) for _ in range(3))


class TestJoined:
    """What one socket gets from several channels is written together."""

    def test_nobody_twice(self) -> None:
        """Where nobody gets from several channels there is nothing to join."""
        assert joined([[([ANN], [b"a"])], [([BOB, CAT], [b"b"])]]) is None

    def test_order(self) -> None:
        """A socket gets each channel's frames in their order, and those of the first first."""
        shares: list[list[Share]] = [[([ANN, BOB], [b"a", b"b"])], [([CAT, ANN], [b"c"])]]

        assert joined(shares) == [([ANN], [b"abc"]), ([BOB], [b"ab"]), ([CAT], [b"c"])]

    def test_alike(self) -> None:
        """Those who get the same are written it together, composed once."""
        crowd = [ANN, BOB, CAT]

        assert joined([[(crowd, [b"a"])], [(crowd, [b"b"])]]) == [(crowd, [b"ab"])]

    def test_left_out(self) -> None:
        """Who is left out of all that a channel is told gets what the others tell."""
        shares: list[list[Share]] = [[([ANN], []), ([BOB], [b"a"])], [([ANN, BOB], [b"b"])]]

        assert joined(shares) == [([ANN], [b"b"]), ([BOB], [b"ab"])]

    def test_bound(self) -> None:
        """A joined write ends where it is as long as writes may be."""
        long = b"a" * JOINED_BYTES

        assert joined([[([ANN], [long])], [([ANN], [b"b"])]]) == [([ANN], [long, b"b"])]

    @given(st.lists(st.dictionaries(st.integers(0, 3), st.lists(st.binary(max_size=3)))))
    def test_keeps_all(self, channels: list[dict[int, list[bytes]]]) -> None:
        """Whoever gets what, each socket is sent the same bytes as without it."""
        sockets = [cast("Socket", Written()) for _ in range(4)]
        shares: list[list[Share]] = [
            [([sockets[number]], writes) for number, writes in channel.items()]
            for channel in channels
        ]

        together = joined(shares)

        assert together is None or sent([together]) == sent(shares)


def sent(shares: list[list[Share]]) -> dict[Socket, bytes]:
    """Tell what each socket is sent in the end."""
    every: dict[Socket, bytes] = {}
    for share in shares:
        for sockets, writes in share:
            for to in sockets:
                every[to] = every.get(to, b"") + b"".join(writes)
    return every


class TestGrouped:
    """How many are written to before others get a turn."""

    def test_sizes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As many channels as have no more subscribers than a slice; a larger one is alone."""
        monkeypatch.setattr(fanout, "SLICE", 4)
        told = [crowd(size) for size in (2, 2, 1, 9, 4, 1)]

        groups = [[len(each.subscribers) for each in group] for group in grouped(told)]

        assert groups == [[2, 2], [1], [9], [4], [1]]


def crowd(size: int) -> Fanout[Client]:
    return Fanout(Channel("1", "news"), tuple(Client() for _ in range(size)), ())
