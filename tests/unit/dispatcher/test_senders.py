"""Who has sent what they typed."""

import pytest

from libs.common.channels import Channel, ChannelUser
from libs.common.leases.memory import MemoryLeases
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Report
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.senders import Senders
from tests.support.fakes.typists import FaultyTypists

ANN, BOB = ChannelUser(Channel("1", "private-a"), "ann"), ChannelUser(Channel("2", "b"), "bob")


@pytest.fixture
def typists() -> FaultyTypists:
    return FaultyTypists(lambda: MemoryTypists(lambda _: None, MemoryLeases(), lambda _: 0))


@pytest.fixture
def counters() -> DispatcherCounters:
    return DispatcherCounters()


class TestSent:
    """A user who has sent something types no more where it goes."""

    async def test_everywhere(self, typists: FaultyTypists, counters: DispatcherCounters) -> None:
        """All are told in one call, each once, and for whatever source."""
        await Senders(typists, counters).sent([ANN, BOB, ANN])

        assert typists.reports == [Report(*each, "", 0.0, everywhere=True) for each in (ANN, BOB)]
        assert (typists.calls, counters.senders_untold) == (1, 0)

    async def test_nobody(self, typists: FaultyTypists, counters: DispatcherCounters) -> None:
        """Where nobody is named nothing is asked of anybody."""
        await Senders(typists, counters).sent([])

        assert typists.calls == 0

    async def test_away(self, typists: FaultyTypists, counters: DispatcherCounters) -> None:
        """That nobody can be told fails nothing, is tried once, and counted."""
        typists.is_away = True

        await Senders(typists, counters).sent([ANN, BOB])

        assert (typists.calls, counters.senders_untold) == (1, 2)

    async def test_slow(self, typists: FaultyTypists, counters: DispatcherCounters) -> None:
        """Nobody waits for long."""
        typists.answers.clear()

        await Senders(typists, counters, patience=0.01).sent([ANN])

        assert counters.senders_untold == 1
