"""Who has sent what they typed."""

from collections.abc import Sequence

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.typists.port import Report, Typing
from services.dispatcher.senders import Sender, Senders

ANN, BOB = Sender(Channel("1", "private-a"), "ann"), Sender(Channel("2", "b"), "bob")


class Told:
    """Typists that keep what they were told, and perhaps say that they are away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.reports: list[list[Report]] = []
        self.is_away = is_away

    async def check(self) -> None: ...

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        self.reports.append(list(reports))
        if self.is_away:
            raise Unavailable("roster")
        return [True] * len(reports)

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        return [Typing() for _ in channels]


class TestSent:
    """A user who has sent something types no more where it goes."""

    async def test_everywhere(self) -> None:
        """All are told in one call, each once, and for whatever source."""
        typists = Told()

        await Senders(typists).sent([ANN, BOB, ANN])

        assert typists.reports == [[Report(*each, "", 0.0, everywhere=True) for each in (ANN, BOB)]]

    async def test_nobody(self) -> None:
        """Where nobody is named nothing is asked of anybody."""
        typists = Told()

        await Senders(typists).sent([])

        assert typists.reports == []

    async def test_away(self) -> None:
        """That nobody can be told fails nothing, and is tried once."""
        typists = Told(is_away=True)

        await Senders(typists).sent([ANN])

        assert len(typists.reports) == 1
