"""
The contract of `bus.Bus`, on every adapter.

What concerns listeners is in `test_listener`, what only Redis can do wrong in `test_redis*`.
"""

import asyncio
from collections.abc import Sequence

from libs.common.bus.messages import Broadcast, Entry, Position, Publication, Whisper
from libs.common.bus.port import Bus
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import event, heard, kept, positions, processes, texts
from tests.support.servers.process import eventually

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")
NAMESAKE = Channel("2", "private-company.7")


class TestPublish:
    """A publish is appended and announced atomically."""

    async def test_positions_count_up(self, bus: Bus) -> None:
        """Each publication gets the next offset of its channel; an app's channel is its own."""
        answered = await bus.publish(
            [event(CHANNEL, "a"), event(OTHER, "b"), event(CHANNEL, "c"), event(NAMESAKE, "d")]
        )

        assert [position.offset for position in answered] == [1, 1, 2, 1]
        assert answered[0].epoch == answered[2].epoch

    async def test_nothing(self, bus: Bus) -> None:
        """No publications, no positions."""
        assert await bus.publish([]) == []

    async def test_without_source_each_counts(self, bus: Bus) -> None:
        """A publication without a source is never taken for a repetition."""
        await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "a")])
        await bus.publish([event(CHANNEL, "a")])

        assert await kept(bus, CHANNEL) == ["a", "a", "a"]

    async def test_order(self, buses: Sequence[Bus]) -> None:
        """A listener sees a channel's entries in order of offset, whoever published them."""
        channels = [Channel("1", f"order-{number}") for number in range(5)]
        async with buses[0].listen() as listener:
            await listener.follow(channels)

            async with asyncio.TaskGroup() as tasks:
                for bus in buses:
                    for start in range(0, 600, 100):
                        numbers = range(start, start + 100)
                        batch = [event(channels[n % 5], str(n)) for n in numbers]
                        tasks.create_task(bus.publish(batch))
            deliveries = await heard(listener, 1200)

        for channel in channels:
            offsets = [position.offset for position in positions(deliveries, channel)]
            assert offsets == list(range(1, 241))
            assert texts(deliveries, channel) == await kept(buses[1], channel)

    async def test_order_of_a_call(self, bus: Bus) -> None:
        """One call's publications to a channel stand in the history as in the call."""
        await bus.publish([event(CHANNEL, str(number)) for number in range(700)])

        assert await kept(bus, CHANNEL) == [str(number) for number in range(700)]

    async def test_all_of_a_broadcast_arrives(self, bus: Bus) -> None:
        """Frame, time, exclusions and trace reach listener and history as they were."""
        frame = '{"event":"größer","data":"line\\n\n\r\n\u2028\U0001f600"}'.encode() * 500
        broadcast = Broadcast(
            frame, 1_763_640_000.123456, ("12.34", "56.78"), "00-4bf92f3577b34da6a3ce929d0e0e4736-1"
        )
        async with bus.listen() as listener:
            followed = await listener.follow([CHANNEL])
            (position,) = await bus.publish([Publication(CHANNEL, broadcast)])
            deliveries = await heard(listener, 1)
        history = await bus.history(CHANNEL, followed[CHANNEL], limit=10)

        assert deliveries == [Entry(CHANNEL, position, broadcast)]
        assert history.entries == tuple(deliveries)


class TestSource:
    """A publication with a source that was applied before is not applied again."""

    async def test_repeated(self, buses: Sequence[Bus]) -> None:
        """A repeated call is answered with the present position, and announces nothing."""
        call = [event(CHANNEL, str(n), ("kafka/orders/3", n, 5.0)) for n in range(3)]
        async with buses[0].listen() as listener:
            await listener.follow([CHANNEL])

            first = await buses[0].publish(call)
            again = await buses[1].publish(call)
            await buses[0].publish([event(CHANNEL, "last")])
            deliveries = await heard(listener, 4)

        assert [position.offset for position in first] == [1, 2, 3]
        assert again == [first[-1]] * 3
        assert texts(deliveries) == ["0", "1", "2", "last"]

    async def test_repeated_within_a_call(self, bus: Bus) -> None:
        """The same publication twice in one call is one entry."""
        once = event(CHANNEL, "a", ("kafka/orders/3", 7, 5.0))

        answered = await bus.publish([once, once])

        assert answered[0] == answered[1]
        assert await kept(bus, CHANNEL) == ["a"]

    async def test_overlapping(self, bus: Bus) -> None:
        """Of a call that begins with what was applied, the rest is applied."""
        await bus.publish([event(CHANNEL, str(n), ("kafka/orders/3", n, 5.0)) for n in range(4)])

        answered = await bus.publish(
            [event(CHANNEL, str(n), ("kafka/orders/3", n, 5.0)) for n in range(2, 7)]
        )

        assert [position.offset for position in answered] == [4, 4, 5, 6, 7]
        assert await kept(bus, CHANNEL) == ["0", "1", "2", "3", "4", "5", "6"]

    async def test_sources_are_apart(self, bus: Bus) -> None:
        """Another log, or another channel, has sequences of its own."""
        await bus.publish([event(CHANNEL, "a", ("kafka/orders/3", 9, 5.0))])

        await bus.publish([event(CHANNEL, "b", ("kafka/orders/4", 9, 5.0))])
        await bus.publish([event(OTHER, "c", ("kafka/orders/3", 9, 5.0))])

        assert await kept(bus, CHANNEL) == ["a", "b"]
        assert await kept(bus, OTHER) == ["c"]

    async def test_earlier_is_repeated(self, bus: Bus) -> None:
        """A lower sequence that is not newer was applied before, whichever it is."""
        await bus.publish([event(CHANNEL, "a", ("kafka/orders/3", 9, 5.0))])

        await bus.publish([event(CHANNEL, "b", ("kafka/orders/3", 8, 5.0))])
        await bus.publish([event(CHANNEL, "c", ("kafka/orders/3", 9, 4.0))])

        assert await kept(bus, CHANNEL) == ["a"]

    async def test_timestamps_may_go_back(self, bus: Bus) -> None:
        """A higher sequence is new however old its timestamp; what came before stays known."""
        await bus.publish([event(CHANNEL, "a", ("kafka/orders/3", 1, 9.0))])
        await bus.publish([event(CHANNEL, "b", ("kafka/orders/3", 2, 4.0))])

        await bus.publish([event(CHANNEL, "a", ("kafka/orders/3", 1, 9.0))])

        assert await kept(bus, CHANNEL) == ["a", "b"]

    async def test_large_sequences(self, bus: Bus) -> None:
        """Sequences are told apart up to 2**53, timestamps to the microsecond."""
        last = 2**53 - 1

        await bus.publish([event(CHANNEL, "a", ("k", last - 1, 1_763_640_000.000001))])
        await bus.publish([event(CHANNEL, "b", ("k", last, 1_763_640_000.000001))])
        await bus.publish([event(CHANNEL, "b", ("k", last, 1_763_640_000.000001))])
        await bus.publish([event(CHANNEL, "c", ("k", last - 2, 1_763_640_000.000002))])

        assert await kept(bus, CHANNEL) == ["a", "b", "c"]

    async def test_log_made_anew(self, bus: Bus) -> None:
        """A lower sequence with a newer timestamp is of a new log; its repetitions are known."""
        await bus.publish([event(CHANNEL, f"old{n}", ("k", n, 5.0)) for n in range(100, 103)])
        call = [event(CHANNEL, f"new{n}", ("k", n, 6.0 + n)) for n in range(3)]

        await bus.publish(call)
        await bus.publish(call)

        expected = ["old100", "old101", "old102", "new0", "new1", "new2"]
        assert await kept(bus, CHANNEL) == expected


class TestWhisper:
    """A whisper reaches who listens now, and enters no history."""

    async def test_heard(self, buses: Sequence[Bus]) -> None:
        """Listeners hear it in full, and between the entries it was sent between."""
        broadcast = Broadcast(b'{"event":"client-typing"}', 7.5, ("12.34",), "trace")
        async with buses[0].listen() as listener:
            await listener.follow([CHANNEL])
            await buses[1].publish([event(CHANNEL, "a")])
            await buses[1].whisper(CHANNEL, broadcast)
            await buses[1].whisper(OTHER, broadcast)
            await buses[1].publish([event(CHANNEL, "b")])
            deliveries = await heard(listener, 3)

        assert deliveries[1] == Whisper(CHANNEL, broadcast)
        assert texts(deliveries) == ["a", "b"]

    async def test_is_forgotten(self, bus: Bus) -> None:
        """It moves no offset and cannot be read again."""
        await bus.publish([event(CHANNEL, "a")])
        await bus.whisper(CHANNEL, Broadcast(b"{}", 7.5))

        top = (await bus.tops([CHANNEL]))[CHANNEL]

        assert top.offset == 1
        assert await kept(bus, CHANNEL) == ["a"]


class TestHistory:
    """What was missed can be read again, for as long as the settings say."""

    async def test_after(self, buses: Sequence[Bus]) -> None:
        """It returns what follows a position, the nearest first, and where the channel stands."""
        answered = await buses[0].publish([event(CHANNEL, str(number)) for number in range(10)])

        all_after = await buses[1].history(CHANNEL, answered[3], limit=100)
        nearest = await buses[1].history(CHANNEL, answered[3], limit=2)
        none_after = await buses[1].history(CHANNEL, answered[9], limit=100)

        assert all_after.top == nearest.top == none_after.top == answered[9]
        assert all_after.entries is not None
        assert texts(all_after.entries) == ["4", "5", "6", "7", "8", "9"]
        assert [entry.position for entry in all_after.entries] == answered[4:]
        assert nearest.entries == all_after.entries[:2]
        assert none_after.entries == ()

    async def test_no_entries_wanted(self, bus: Bus) -> None:
        """With a limit of 0 it only tells whether the history reaches back."""
        first, second = await bus.publish([event(CHANNEL, "a"), event(CHANNEL, "b")])

        assert (await bus.history(CHANNEL, first, limit=0)).entries == ()
        assert (await bus.history(CHANNEL, Position("else", 1), limit=0)).entries is None
        assert (await bus.history(CHANNEL, second, limit=0)).top == second

    async def test_elsewhere(self, bus: Bus) -> None:
        """Positions of another epoch, or that the channel has not reached, lead nowhere."""
        (top,) = await bus.publish([event(CHANNEL, "a")])

        for after in (
            Position("another", 0),
            Position("another", 1),
            Position("", 0),
            Position(top.epoch, 2),
            Position(top.epoch, 10**15),
            Position(top.epoch, -1),
        ):
            history = await bus.history(CHANNEL, after, limit=10)
            assert history.entries is None, after
            assert history.top == top

    async def test_never_used(self, buses: Sequence[Bus]) -> None:
        """A channel without entries stays where it is, for all who read it."""
        first = await buses[0].history(CHANNEL, Position("", 0), limit=10)
        again = await buses[1].history(CHANNEL, first.top, limit=10)
        beyond = await buses[1].history(CHANNEL, Position(first.top.epoch, 1), limit=10)

        assert first.top.offset == 0
        assert first.entries is None
        assert again.top == beyond.top == first.top
        assert again.entries == ()
        assert beyond.entries is None

    async def test_from_the_origin(self, buses: Sequence[Bus]) -> None:
        """What follows the position of a channel without entries are the first ones, and no hole."""
        origin = (await buses[0].tops([CHANNEL]))[CHANNEL]
        answered = await buses[1].publish([event(CHANNEL, str(number)) for number in range(5)])

        history = await buses[0].history(CHANNEL, origin, limit=3)
        beyond = await buses[0].history(CHANNEL, Position(origin.epoch, 1), limit=3)

        assert history.top == answered[-1]
        assert history.entries is not None
        assert [entry.position for entry in history.entries] == answered[:3]
        assert beyond.entries is None

    async def test_most_entries(self, bus_url: str, prefix: str) -> None:
        """The history reaches back as far as the settings say, and not much further."""
        history = HistorySettings(max_entries=50)
        async with processes(bus_url, prefix, history=history) as (bus, _):
            answered = await bus.publish([event(CHANNEL, str(n)) for n in range(400)])

            within = await bus.history(CHANNEL, answered[-51], limit=1000)
            beyond = await bus.history(CHANNEL, answered[400 - 152], limit=1000)

        assert within.entries is not None
        assert texts(within.entries) == [str(number) for number in range(350, 400)]
        assert beyond.entries is None
        assert beyond.top == answered[-1]

    async def test_longest_age(self, bus_url: str, prefix: str) -> None:
        """After their age the entries are forgotten; epoch, offset and sources are not."""
        history = HistorySettings(max_age=0.15)
        async with processes(bus_url, prefix, history=history) as (bus, _):
            origin = (await bus.tops([CHANNEL]))[CHANNEL]
            first, second = await bus.publish(
                [event(CHANNEL, str(n), ("k", n, 5.0)) for n in range(2)]
            )

            async def is_forgotten() -> bool:
                return (await bus.history(CHANNEL, first, limit=10)).entries is None

            await eventually(is_forgotten, timeout=DEADLINE)
            forgotten = await bus.history(CHANNEL, first, limit=10)
            since_origin = await bus.history(CHANNEL, origin, limit=10)
            at_top = await bus.history(CHANNEL, second, limit=10)
            repeated = await bus.publish([event(CHANNEL, "1", ("k", 1, 5.0))])
            (third,) = await bus.publish([event(CHANNEL, "2", ("k", 2, 5.0))])

        assert forgotten.top == since_origin.top == second
        assert since_origin.entries is None
        assert at_top.entries == ()
        assert repeated == [second]
        assert third == Position(second.epoch, 3)


class TestTops:
    """Positions can be read without following."""

    async def test_many(self, buses: Sequence[Bus]) -> None:
        """They come in the order asked for, and are the same for every process."""
        channels = [Channel("1", f"tops-{number}") for number in range(40)]
        for number, channel in enumerate(channels):
            await buses[0].publish([event(channel, "x")] * number)

        tops = await buses[0].tops(channels)

        assert [tops[channel].offset for channel in channels] == list(range(40))
        assert await buses[1].tops(channels[::-1]) == tops
        assert await buses[1].tops([]) == {}

    async def test_epochs_differ(self, bus: Bus) -> None:
        """Each channel's history has a life of its own."""
        channels = [Channel("1", f"epoch-{number}") for number in range(20)]
        lives = await bus.publish([event(channel, "x") for channel in channels])

        assert len({life.epoch for life in lives}) == 20


class TestDeployments:
    """Two deployments with other prefixes never meet."""

    async def test_apart(self, bus_url: str, prefix: str) -> None:
        """Neither hears, nor reads, nor counts what the other one publishes."""
        async with (
            processes(bus_url, prefix, count=1) as (one,),
            processes(bus_url, f"{prefix}.b", count=1) as (two,),
            one.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            await two.publish([event(CHANNEL, "theirs", ("k", 9, 5.0))])
            await two.whisper(CHANNEL, Broadcast(b"theirs", 7.5))
            await one.publish([event(CHANNEL, "ours", ("k", 9, 5.0))])
            deliveries = await heard(listener, 1)

            assert texts(deliveries) == ["ours"]
            assert await kept(one, CHANNEL) == ["ours"]
            assert await kept(two, CHANNEL) == ["theirs"]
