"""Subscribes held to rates, beside a plain model: any number of clients in any order, second by second."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.gateway.quotas.new_channels import Wait
from tests.unit.gateway.quotas.subscribers import Client, Gateway, gateway

OWN, ADDRESS, ALL = (1, 3), (2, 4), (3, 6)  # Rates and bursts.
ROOM = 20
CHANNELS = st.sampled_from("abcdefgh")
CLIENTS = st.integers(0, 5)


@dataclass
class Bucket:
    """What may be taken: whole ones, that come back second by second."""

    rate: int
    burst: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.burst

    def pass_time(self, seconds: int) -> None:
        self.left = min(self.burst, self.left + self.rate * seconds)


class Subscribing(RuleBasedStateMachine):
    """What goes on is within all budgets, in order, and nothing waits that might go on."""

    def __init__(self) -> None:
        super().__init__()
        self.clients = [Client(f"address {n // 3}") for n in range(6)]
        self.wanted: dict[Client, list[str]] = {client: [] for client in self.clients}
        self.own = {client: Bucket(*OWN) for client in self.clients}
        self.addresses = {client.address: Bucket(*ADDRESS) for client in self.clients}
        self.all = Bucket(*ALL)

    @initialize()
    def begin(self) -> None:
        self.here: Gateway = gateway(client=OWN, address=ADDRESS, all_=ALL, waiting=ROOM)

    @rule(number=CLIENTS, channel=CHANNELS)
    def ask(self, number: int, channel: str) -> None:
        client = self.clients[number]
        wanted = self.wanted[client]
        (wait,) = self.here.ask(client, channel)
        if wait is Wait.NONE:
            assert not wanted
            self._pay(client, channel)
        elif wait is Wait.IMPOSSIBLE:
            assert channel not in wanted
            room = ROOM - sum(map(len, self.wanted.values()))
            assert len(wanted) >= OWN[1] or self._waiting(client.address) >= room
        elif channel not in wanted:
            wanted.append(channel)

    @rule(number=CLIENTS, channel=CHANNELS)
    def withdraw(self, number: int, channel: str) -> None:
        client = self.clients[number]
        waited = channel in self.wanted[client]

        assert self.here.new.withdraw(client, channel) == waited
        if waited:
            self.wanted[client].remove(channel)

    @rule(number=CLIENTS)
    def end(self, number: int) -> None:
        """Another client comes in its place."""
        gone = self.clients[number]
        self.here.new.forget(gone)
        client = self.clients[number] = Client(gone.address)
        del self.wanted[gone]
        self.wanted[client], self.own[client] = [], Bucket(*OWN)

    @rule(channel=CHANNELS)
    def become_known(self, channel: str) -> None:
        self.here.known ^= {channel}

    @rule(seconds=st.integers(0, 4))
    def pass_time(self, seconds: int) -> None:
        for bucket in (*self.own.values(), *self.addresses.values(), self.all):
            bucket.pass_time(seconds)
        for client, channel in self.here.pass_time(seconds):
            assert self.wanted[client].pop(0) == channel
            self._pay(client, channel)
        # Who waits for an address waits on if the channel becomes known meanwhile.
        for client, wanted in self.wanted.items():
            assert not wanted or not all(b.left > 0 for b in self._buckets(client, is_new=True))

    @invariant()
    def counted(self) -> None:
        if hasattr(self, "here"):
            assert len(self.here.new) == sum(map(len, self.wanted.values())) <= ROOM
            assert not len(self.here.new) or not self.here.new.is_idle

    def teardown(self) -> None:
        """In the end everybody had a turn, and nothing is kept."""
        if hasattr(self, "here"):
            for _ in range(ROOM):
                self.pass_time(4)
            assert not any(self.wanted.values())
            assert self.here.new.is_idle
            assert not self.here.new._lines
            assert not self.here.new._addresses

    def _waiting(self, address: str) -> int:
        return sum(len(w) for client, w in self.wanted.items() if client.address == address)

    def _buckets(self, client: Client, *, is_new: bool) -> list[Bucket]:
        shared = [self.addresses[client.address], self.all] if is_new else []
        return [self.own[client], *shared]

    def _pay(self, client: Client, channel: str) -> None:
        for bucket in self._buckets(client, is_new=channel not in self.here.known):
            assert bucket.left > 0
            bucket.left -= 1


TestSubscribing = Subscribing.TestCase
TestSubscribing.settings = settings(max_examples=50, stateful_step_count=40)
