"""Names of keys."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.errors import Misconfigured
from libs.common.redis.keys import SLOTS, Keys, neighbour, slot

CHANNELS = st.builds(Channel, st.text("0123456789", min_size=1), st.text("-a_=@,.;", min_size=1))


class TestKeys:
    """What one script touches lives in one slot, and deployments never meet."""

    def test_form(self) -> None:
        """A key has prefix, tag, kind and channel.  Other names would lose a deployment's data."""
        keys = Keys("fanfare")
        channel = Channel("1", "private-x")

        assert keys.of("history", channel) == "fanfare:{119}:history:1/private-x"
        assert keys.partition("leaving", 0) == "fanfare:{10}:leaving"
        assert keys.partition("leaving", keys.index(channel)) == "fanfare:{119}:leaving"
        assert keys.single("orders") == "fanfare:{all}:orders"
        assert keys.tags[:5] == ("10", "18", "113", "342", "29")

    @given(CHANNELS)
    def test_several(self, channel: Channel) -> None:
        """Several keys of a place are those that it has one by one."""
        keys = Keys("fanfare")

        assert keys.several(("meta", "history"), channel) == (
            keys.of("meta", channel),
            keys.of("history", channel),
        )

    @given(CHANNELS)
    def test_one_slot(self, channel: Channel) -> None:
        """All keys of a channel, and its partition's, are in one slot."""
        keys = Keys("fanfare")
        names = [
            keys.of("meta", channel),
            keys.of("history", channel),
            keys.partition("leaving", keys.index(channel)),
            f"{{{keys.tag(channel)}}}",
        ]

        assert len({slot(name) for name in names}) == 1

    @given(CHANNELS, CHANNELS)
    def test_no_two_alike(self, one: Channel, other: Channel) -> None:
        """Two channels share no key, nor do two kinds, deployments, partitions."""
        keys = Keys("a")
        names = [keys.of("b", channel) for channel in {one, other}]
        names += [keys.of("c", one), Keys("a.b").of("b", one), keys.single("b")]
        names += [keys.partition("b", index) for index in range(64)]

        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("partitions", [1, 3, 16, 64, 100, 1024, 4096])
    def test_even(self, partitions: int) -> None:
        """Each of so many equal stretches of the slots has one partition."""
        keys = Keys("fanfare", partitions)

        stretches = [slot(f"{{{tag}}}") * partitions // SLOTS for tag in keys.tags]

        assert stretches == list(range(partitions))

    def test_channels_spread(self) -> None:
        """Channels that differ in a number spread over the partitions."""
        keys = Keys("fanfare")

        counts = Counter(keys.index(Channel("1", f"private-user.{n}")) for n in range(64_000))

        assert len(counts) == 64
        assert max(counts.values()) < 1.2 * 1000

    @pytest.mark.parametrize("prefix", ["", "a b", "a:b", "{a}", "a/b", "ä", "a\n"])
    def test_bad_prefix(self, prefix: str) -> None:
        """A prefix cannot break the names."""
        with pytest.raises(Misconfigured, match="prefix"):
            Keys(prefix)

    @pytest.mark.parametrize("partitions", [-1, 0, 4097])
    def test_bad_number(self, partitions: int) -> None:
        """The number of partitions has bounds."""
        with pytest.raises(Misconfigured, match="1 to 4096"):
            Keys("fanfare", partitions)


class TestNeighbour:
    """What lies beside a key has its slot."""

    def test_same_slot(self) -> None:
        """The name begins as the key's does."""
        key = Keys("a.b").of("feed", Channel("1", "private-{x}"))

        beside = neighbour(key, "listener:1")

        assert beside == key[: key.index("}") + 1] + ":listener:1"
        assert slot(beside) == slot(key)


class TestSlot:
    """Redis, "Cluster specification"; the numbers are a server's own (CLUSTER KEYSLOT)."""

    @pytest.mark.parametrize(
        "key, number",
        [
            ("foo", 12_182),
            ("123456789", 12_739),
            ("a{foo}b", 12_182),
            ("a{foo}{bar}", 12_182),
            ("a{}foo", 16_292),
            ("foo{{bar}}zap", 4015),
            ("foo{bar", 15_278),
            ("a}b{foo}", 12_182),
        ],
    )
    def test_as_redis(self, key: str, number: int) -> None:
        """Only what is in the first braces counts, if it is anything."""
        assert slot(key) == number
