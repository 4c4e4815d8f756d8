"""Clients who subscribe, as tests of the rates see them."""

from dataclasses import dataclass, field

from services.gateway.protocol.effects import Ask
from services.gateway.quotas.budgets import SubscribeLimits, budget_of
from services.gateway.quotas.new_channels import NewChannels, Wait


@dataclass(eq=False, slots=True, weakref_slot=True)
class Client:
    """A connection from an address."""

    address: str = "192.0.2.1"
    subscribes_earned_at: float = 0.0


@dataclass
class Gateway:
    """
    Subscribes at a gateway.

    Attributes:
        limits: How fast they may come.
        known: The channels that somebody is subscribed to: a subscribe to one of them is not new.
        went_on: Who went on with which channel, in order.
        now: The present instant.
    """

    limits: SubscribeLimits
    known: set[str] = field(default_factory=set)
    went_on: list[tuple[Client, str]] = field(default_factory=list)
    now: float = 1000.0
    channels: int = 1

    def __post_init__(self) -> None:
        self.new: NewChannels[Client] = NewChannels(
            self.limits, lambda _, ask: ask.channel not in self.known
        )

    def ask(self, client: Client, *channels: str) -> list[Wait]:
        """Have a client subscribe, in this order."""
        return [self._ask(client, channel) for channel in channels]

    def _ask(self, client: Client, channel: str) -> Wait:
        wait = self.new.take(
            client,
            Ask(channel, None),
            self.limits.of_connection(self.channels),
            is_new=channel not in self.known,
            address=client.address,
            now=self.now,
        )
        if wait is Wait.NONE:
            self.went_on.append((client, channel))
        return wait

    def pass_time(self, seconds: float = 0.0) -> list[tuple[Client, str]]:
        """Let time pass, and take whose turn has come."""
        self.now += seconds
        gone: list[tuple[Client, str]] = []
        while due := self.new.due(self.now, 3):
            gone += [(client, ask.channel) for client, ask in due]
        self.went_on += gone
        return gone


def gateway(
    *,
    client: tuple[float, int] = (0.0, 1),
    address: tuple[float, int] = (0.0, 1),
    all_: tuple[float, int] = (0.0, 1),
    waiting: int = 100_000,
    channels: int = 1,
) -> Gateway:
    """Make a gateway with rates and bursts: of a client, whose app allows few channels, of an address, of all."""
    rate, burst = client
    limits = SubscribeLimits(
        rate=rate,
        burst=burst,
        address=budget_of(*address),
        gateway=budget_of(*all_),
        waiting=waiting,
    )
    return Gateway(limits, channels=channels)


def names(prefix: str, number: int) -> list[str]:
    """Make names of channels."""
    return [f"{prefix}{n}" for n in range(number)]
