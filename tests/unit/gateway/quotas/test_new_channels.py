"""Which subscribes go on, which wait, and whose turn comes first."""

import gc
import weakref
from typing import Any

import pytest

from services.gateway.protocol.effects import Ask
from services.gateway.quotas.budgets import subscribe_limits
from services.gateway.quotas.new_channels import FEW, NewChannels, Wait
from services.gateway.settings import GatewaySettings
from tests.unit.gateway.quotas.subscribers import Client, Gateway, gateway, names

HERE, THERE = "192.0.2.1", "192.0.2.2"


# A rate of one a second, and one at once, or as few as a client may: half a second later there is
# another.
LIMITS = pytest.mark.parametrize(
    "limits",
    [{"client": (1, 2)}, {"address": (1, 1)}, {"all_": (1, 1)}],
    ids=["client", "address", "all"],
)


def used_up(limits: dict[str, Any], client: Client) -> Gateway:
    """Make a gateway with these limits, of which a client has taken what may be taken at once."""
    here = gateway(**limits)
    here.ask(client, *names("before", 2 if "client" in limits else 1))
    return here


class TestTime:
    """When a turn comes, whatever it is that is waited for."""

    @LIMITS
    def test_instant(self, limits: dict[str, Any]) -> None:
        """At the very instant, not after it; else whoever looks then would look for ever."""
        ann = Client()
        here = used_up(limits, ann)
        here.ask(ann, "a")

        assert here.pass_time(0.5) == [(ann, "a")]
        here.now += 1
        assert here.ask(ann, "b") == [Wait.NONE]

    @LIMITS
    def test_overtaking(self, limits: dict[str, Any]) -> None:
        """Whose turn has come, though nobody has seen it yet, is not overtaken by who comes then."""
        ann = Client()
        late = ann if "client" in limits else Client()
        here = used_up(limits, ann)
        here.ask(ann, "a")
        here.now += 1

        assert here.ask(late, "b")[0] is not Wait.NONE
        assert here.pass_time() == [(ann, "a")]
        assert here.pass_time(1) == [(late, "b")]

    @pytest.mark.parametrize("known", [set(), {"a", "b", "c"}])
    @pytest.mark.parametrize("limits", [{"client": (1, 2)}, {"client": (1, 2), "address": (1, 2)}])
    def test_most(self, limits: dict[str, Any], known: set[str]) -> None:
        """No more go on at once than are asked for; the others do when they are."""
        here = gateway(**limits)
        here.known |= known
        for n in range(9):
            here.ask(Client(f"address {n}"), "a", "b", "c")
        here.now += 0.5

        assert [len(here.new.due(here.now, 5)) for _ in range(3)] == [5, 4, 0]

    def test_most_of_all(self) -> None:
        """So it is where addresses take turns."""
        here = gateway(all_=(10, 10))
        here.ask(Client(), *names("before", 10))
        for n in range(9):
            here.ask(Client(f"address {n}"), "a")
        here.now += 5

        assert [len(here.new.due(here.now, 5)) for _ in range(3)] == [5, 4, 0]


class TestConnection:
    """The budget of a connection."""

    def test_burst(self) -> None:
        """What is within it goes on at once; what is beyond waits, and goes on in order as it is earned."""
        here, ann = gateway(client=(10, 3)), Client()

        assert here.ask(ann, "a", "b", "c", "d", "e") == [Wait.NONE] * 3 + [Wait.CONNECTION] * 2
        assert here.pass_time(0.04) == []
        assert here.pass_time(0.06) == [(ann, "d")]
        assert here.pass_time(0.1) == [(ann, "e")]
        assert (len(here.new), here.new.is_idle) == (0, True)

    def test_known_channels(self) -> None:
        """It counts each subscribe, to channels that others are in as well."""
        here, ann = gateway(client=(10, 2)), Client()
        here.known |= {"a", "b", "c"}

        assert here.ask(ann, "a", "b", "c")[-1] is Wait.CONNECTION
        assert here.pass_time(0.1) == [(ann, "c")]

    def test_order(self) -> None:
        """Whoever waits for one waits for all that come later, were they free."""
        here, ann = gateway(address=(1, 1)), Client()
        here.known |= {"known"}

        assert here.ask(ann, "a", "b", "known") == [Wait.NONE, Wait.ADDRESS, Wait.ADDRESS]
        assert here.pass_time(1) == [(ann, "b"), (ann, "known")]

    def test_others(self) -> None:
        """It delays nobody else, not even at the same address."""
        here, ann, bob = gateway(client=(1, 2)), Client(), Client()
        here.ask(ann, "a0", "a1", "a2", "a3")

        assert here.ask(bob, "b") == [Wait.NONE]
        assert len(here.new) == 2

    def test_long(self) -> None:
        """As many wait as it may take at once, and no more."""
        here, ann = gateway(client=(1, 5)), Client()

        waits = here.ask(ann, *names("a", 12))

        assert waits == [Wait.NONE] * 5 + [Wait.CONNECTION] * 5 + [Wait.IMPOSSIBLE] * 2
        assert len(here.new) == 5

    def test_again(self) -> None:
        """What is asked for again while it waits keeps its place, and is one."""
        here, ann = gateway(client=(1, 2)), Client()

        here.ask(ann, "a", "b", "c", "d", "c", "c", "c")

        assert len(here.new) == 2
        assert here.pass_time(5) == [(ann, "c"), (ann, "d")]

    def test_nothing_kept(self) -> None:
        """Nothing of a connection that need not wait is kept, wherever its subscribes go."""
        here = gateway(client=(10, 10), address=(10, 10), all_=(10, 10))
        client = Client()
        kept = weakref.ref(client)
        gc.disable()
        try:
            here.ask(client, "a", "b")
            here.went_on.clear()
            del client

            assert kept() is None
        finally:
            gc.enable()


class TestNewness:
    """What is new takes of the budgets of an address and of all."""

    def test_free(self) -> None:
        """What is not new takes nothing of them, and waits for neither."""
        here, ann, bob = gateway(address=(1, 1), all_=(1, 1)), Client(), Client()
        here.known |= set(names("k", 100))

        assert set(here.ask(ann, *names("k", 100))) == {Wait.NONE}
        assert here.ask(bob, "new", "other") == [Wait.NONE, Wait.ADDRESS]
        assert here.ask(Client(), "k1") == [Wait.NONE]

    def test_same_name(self) -> None:
        """The same name again and again, each time as if for the first time, takes as much as ever new ones."""
        here, ann = gateway(address=(1, 3)), Client()

        waits = here.ask(ann, "a", "a", "a", "a", "a")

        assert waits == [Wait.NONE] * 3 + [Wait.ADDRESS] * 2
        assert len(here.new) == 1

    def test_no_longer_new(self) -> None:
        """To whose channel somebody else came meanwhile pays nothing when its turn comes."""
        here, ann, bob = gateway(address=(1, 1)), Client(), Client()
        here.ask(ann, "a", "b")
        here.ask(bob, "c")
        here.known.add("b")

        assert here.pass_time(1) == [(ann, "b"), (bob, "c")]


class TestAddress:
    """The budget of an address."""

    def test_connections(self) -> None:
        """Its connections share it, and take turns when it is used up; one with many has no more of it."""
        here = gateway(address=(1, 1))
        ann, bob, cid = Client(), Client(), Client()
        here.ask(ann, *names("a", 4))
        here.ask(bob, "b0", "b1")
        here.ask(cid, "c0")

        gone = [channel for _ in range(7) for _, channel in here.pass_time(1)]

        assert gone == ["a1", "b0", "c0", "a2", "b1", "a3"]

    def test_others(self) -> None:
        """Another address does not wait for it."""
        here = gateway(address=(1, 1))
        here.ask(Client(HERE), *names("a", 100))

        assert here.ask(Client(THERE), "b") == [Wait.NONE]
        assert len(here.new) == 99

    def test_own_budget_first(self) -> None:
        """Who waits for its own budget stands in nobody's way at its address."""
        here, ann, bob = gateway(client=(1, 2), address=(100, 2)), Client(), Client()
        here.ask(ann, "a0", "a1", "a2")

        assert here.ask(bob, "b0") == [Wait.ADDRESS]
        assert here.pass_time(0.01) == [(bob, "b0")]
        assert here.pass_time(1) == [(ann, "a2")]

    def test_kept(self) -> None:
        """Of addresses that have been quiet nothing is kept, however many there were."""
        here = gateway(address=(10, 10))
        for n in range(20 * FEW):
            here.ask(Client(f"address {n}"), "a")
            here.now += 0.1

        assert here.new.known_addresses <= FEW + 1

    def test_seldom_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While very many are busy it is seldom looked which of them are quiet: it takes as long as they are many."""
        looks = 0

        def looked(new: NewChannels[Client], now: float) -> None:
            nonlocal looks
            looks += 1
            forget(new, now)

        forget = NewChannels._forget_whole
        monkeypatch.setattr(NewChannels, "_forget_whole", looked)
        here = gateway(address=(0.001, 10))
        for n in range(10 * FEW):
            here.ask(Client(f"address {n}"), "a")

        assert looks == 4


class TestGateway:
    """The budget of all."""

    def test_turns(self) -> None:
        """When it is used up, addresses take turns: whoever comes behind a flood is the next but one."""
        here = gateway(all_=(1, 1))
        flood = [Client(HERE) for _ in range(50)]
        for n, client in enumerate(flood):
            here.ask(client, *names(f"{n}.", 20))
        ann = Client(THERE)

        assert here.ask(ann, "a0", "a1") == [Wait.GATEWAY] * 2
        gone = [each for _ in range(4) for each in here.pass_time(1)]
        assert [client.address for client, _ in gone] == [HERE, THERE, HERE, THERE]

    def test_not_beyond(self) -> None:
        """Addresses that may take more wait all the same, and none of them overtakes who waits."""
        here, ann, bob = gateway(address=(5, 5), all_=(2, 2)), Client(HERE), Client(THERE)
        here.ask(ann, *names("a", 5))
        here.now += 0.5

        assert here.ask(bob, "b") == [Wait.GATEWAY]
        assert here.pass_time() == [(ann, "a2")]
        assert here.pass_time(0.5) == [(bob, "b")]

    def test_cause(self) -> None:
        """It is known what each waits for."""
        here = gateway(client=(1, 4), address=(1, 3), all_=(1, 2))
        ann = Client()

        assert here.ask(ann, *names("a", 3)) == [Wait.NONE, Wait.NONE, Wait.GATEWAY]
        assert here.ask(Client(THERE), "b") == [Wait.GATEWAY]
        assert here.new.busiest == HERE


class TestRoom:
    """How many may wait in all."""

    def test_one_address(self) -> None:
        """One address fills half of the room; another finds a place, and is not refused for it."""
        here = gateway(address=(1, 1), all_=(1, 1), waiting=100)
        waits = [here.ask(Client(HERE), "a", "b")[-1] for _ in range(100)]

        assert waits.count(Wait.IMPOSSIBLE) > 40
        assert len(here.new) == 50
        assert here.ask(Client(THERE), *names("c", 10)) == [Wait.GATEWAY] * 10

    def test_many_addresses(self) -> None:
        """Of what becomes free those get least for whom most waits, and somebody new finds a place."""
        here = gateway(all_=(20, 20), waiting=100)
        flood = [Client(f"address {n}") for n in range(9) for _ in range(100)]
        for _ in range(20):
            for client in flood:
                here.ask(client, "a")
            assert len(here.new) <= 100
            here.pass_time(1)
        for client in flood:
            here.ask(client, "a")

        assert here.ask(Client(HERE), "mine") == [Wait.GATEWAY]


class TestGivenUp:
    """Subscribes that nobody waits for any more."""

    def test_withdrawn(self) -> None:
        """It never goes on, takes nothing of any budget, and leaves room."""
        here, ann = gateway(client=(1, 2)), Client()
        here.ask(ann, "a", "b", "c")

        assert here.new.withdraw(ann, "c")
        assert not here.new.withdraw(ann, "c")
        assert not here.new.withdraw(Client(), "c")
        assert len(here.new) == 0
        assert here.ask(ann, "d") == [Wait.CONNECTION]
        assert here.pass_time(1) == [(ann, "d")]

    def test_again_and_again(self) -> None:
        """However often somebody subscribes and gives up, nothing piles up."""
        here, ann = gateway(client=(0.001, 1), address=(0.001, 1)), Client()
        for n in range(1000):
            here.ask(ann, f"a{n}")
            here.new.withdraw(ann, f"a{n}")

        assert len(here.new) == 0
        assert len(here.new._calendar) == 1
        assert here.pass_time(1000) == []
        assert here.new.is_idle
        assert here.new.known_addresses == 1

    @pytest.mark.parametrize(
        "here",
        [gateway(client=(1, 2)), gateway(address=(1, 2)), gateway(all_=(1, 2))],
        ids=["client", "address", "all"],
    )
    def test_ended(self, here: Gateway) -> None:
        """Nothing of a connection that has ended goes on, or is kept; the others' turns come as before."""
        ann, bob = Client(), Client()
        here.ask(bob, "b0", "b1")
        here.ask(ann, "a0", "a1", "a2")
        here.ask(bob, "b2")

        here.new.forget(ann)
        here.went_on.clear()
        kept = weakref.ref(ann)
        del ann

        assert kept() is None
        assert len(here.new) == 1
        assert here.pass_time(2) == [(bob, "b2")]
        assert here.new.is_idle

    @LIMITS
    def test_afterwards(self, limits: dict[str, Any]) -> None:
        """Who gave up before a turn came is a client as any other then."""
        ann = Client()
        here = used_up(limits, ann)
        here.ask(ann, "a")
        here.new.withdraw(ann, "a")

        assert here.pass_time(10) == []
        assert here.ask(ann, "b") == [Wait.NONE]
        assert not here.new._addresses

    def test_unknown(self) -> None:
        """Most connections end without having waited."""
        here = gateway(client=(1, 1))

        here.new.forget(Client())

        assert here.new.is_idle


class TestReturn:
    """Ten thousand clients return after a deploy, each to a hundred channels, in one second."""

    def test_nobody_waits(self) -> None:
        """All of them are their own, and all clients behind one address: nobody waits."""
        here = Gateway(subscribe_limits(GatewaySettings()), channels=100)
        waits: set[Wait] = set()
        own = here.limits.of_connection(100)
        take, asks = here.new.take, [Ask(name, None) for name in names("own", 100)]
        for number in range(10_000):
            client, now = Client(), here.now + number / 10_000
            for ask in asks:
                waits.add(take(client, ask, own, is_new=True, address=HERE, now=now))

        assert waits == {Wait.NONE}
