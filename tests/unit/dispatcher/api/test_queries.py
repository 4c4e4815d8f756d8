"""What back ends ask about channels, and what they are answered."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from libs.common.bus.messages import Broadcast, Cached, Entry, Position, event_frame
from libs.common.channels import Channel
from services.dispatcher.api import queries
from services.dispatcher.api.queries import BadQuery, Facts

NEWS, ROOM = Channel("1", "news"), Channel("1", "presence-room")
CACHE, CACHED_ROOM = Channel("1", "cache-news"), Channel("1", "presence-cache-room")
ALL = frozenset({"user_count", "subscription_count", "cache"})


def kept(data: str, ttl: float) -> Cached:
    """Make what a cache channel keeps."""
    broadcast = Broadcast(event_frame(CACHE.name, "moved", data), 0.0)
    return Cached(Entry(CACHE, Position("e", 1), broadcast), ttl)


class TestAttributes:
    """Pusher, "HTTP API": ``info`` names attributes, joined by commas."""

    @pytest.mark.parametrize(
        "info,names",
        [
            ("", set()),
            (" , ", set()),
            ("user_count", {"user_count"}),
            ("user_count,subscription_count", {"user_count", "subscription_count"}),
            (" cache , user_count,", {"cache", "user_count"}),
            ("cache,cache", {"cache"}),
        ],
    )
    def test_read(self, info: str, names: set[str]) -> None:
        """Spaces, empty parts and repetitions make no difference."""
        assert queries.attributes_of(info) == names

    @pytest.mark.parametrize("info", ["users", "user_count,User_Count", "user_count;cache"])
    def test_unknown(self, info: str) -> None:
        """An attribute that does not exist is refused, with its name."""
        with pytest.raises(BadQuery, match="there is no attribute") as caught:
            queries.attributes_of(info)

        assert caught.value.status == 400

    def test_long(self) -> None:
        """Of a long one only the beginning is repeated."""
        with pytest.raises(BadQuery) as caught:
            queries.attributes_of("x" * 5000)

        assert len(str(caught.value)) < 120


class TestApplicable:
    """Which attributes a channel can have."""

    @pytest.mark.parametrize(
        "channel,names",
        [
            (NEWS, {"subscription_count"}),
            (ROOM, {"subscription_count", "user_count"}),
            (CACHE, {"subscription_count", "cache"}),
            (CACHED_ROOM, ALL),
        ],
    )
    def test_kept(self, channel: Channel, names: set[str]) -> None:
        """Users are counted in presence channels, cache channels keep their last event."""
        assert queries.applicable(channel, ALL) == names
        assert queries.applicable(channel, frozenset()) == frozenset()

    @pytest.mark.parametrize(
        "channel,asked,sentence",
        [
            (NEWS, {"user_count"}, "only presence channels have user_count"),
            (ROOM, {"user_count", "cache"}, "only cache channels have cache"),
        ],
    )
    def test_refused(self, channel: Channel, asked: set[str], sentence: str) -> None:
        """A query for one channel that cannot have what is asked is refused."""
        with pytest.raises(BadQuery, match=sentence):
            queries.check_channel_query(channel, frozenset(asked))

    @pytest.mark.parametrize("channel", [NEWS, ROOM, CACHE, CACHED_ROOM])
    def test_allowed(self, channel: Channel) -> None:
        """A query for what a channel can have is good."""
        queries.check_channel_query(channel, queries.applicable(channel, ALL))


class TestListing:
    """A query for all channels that begin alike."""

    @pytest.mark.parametrize(
        "prefix,asked",
        [
            ("", set()),
            ("", {"subscription_count"}),
            ("presence-", {"user_count", "subscription_count"}),
            ("presence-room", {"user_count"}),
        ],
    )
    def test_allowed(self, prefix: str, asked: set[str]) -> None:
        """Users are counted where all of the channels are presence channels."""
        queries.check_listing(prefix, frozenset(asked))

    @pytest.mark.parametrize(
        "prefix,asked,sentence",
        [
            ("", {"user_count"}, "needs filter_by_prefix"),
            ("presence", {"user_count"}, "needs filter_by_prefix"),
            ("private-presence-", {"user_count"}, "needs filter_by_prefix"),
            ("cache-", {"cache"}, "one channel alone"),
        ],
    )
    def test_refused(self, prefix: str, asked: set[str], sentence: str) -> None:
        """What not all of them can have is refused."""
        with pytest.raises(BadQuery, match=sentence):
            queries.check_listing(prefix, frozenset(asked))


class TestDescribed:
    """What is told of a channel."""

    FACTS = Facts(subscriptions=3, users=2, cached=kept("text", 9.0))

    def test_all(self) -> None:
        """Everything that is asked for and that it can have is told."""
        assert queries.described(CACHED_ROOM, self.FACTS, ALL) == {
            "user_count": 2,
            "subscription_count": 3,
            "cache": {"data": "text", "ttl": 9},
        }

    def test_what_it_cannot_have(self) -> None:
        """What it cannot have is left out, as is what nobody asked for."""
        assert queries.described(NEWS, self.FACTS, ALL) == {"subscription_count": 3}
        assert queries.described(CACHED_ROOM, self.FACTS, frozenset()) == {}

    @pytest.mark.parametrize("ttl,told", [(1799.6, 1800), (1.2, 1), (0.2, 1)])
    def test_time_left(self, ttl: float, told: int) -> None:
        """The seconds left are whole, and never none while it is kept."""
        facts = Facts(cached=kept("", ttl))

        assert queries.described(CACHE, facts, ALL)["cache"] == {"data": "", "ttl": told}

    def test_nothing_kept(self) -> None:
        """An empty cache is told as that."""
        assert queries.described(CACHE, Facts(), ALL)["cache"] is None

    def test_data_as_published(self) -> None:
        """The data are the publisher's text, unchanged."""
        text = '{"a": "é\\n\\"x\\""}'

        told = queries.described(CACHE, Facts(cached=kept(text, 5.0)), ALL)

        assert told["cache"] == {"data": text, "ttl": 5}


class TestOccupation:
    """Whether anybody is there."""

    @pytest.mark.parametrize(
        "facts,occupied",
        [
            (Facts(), False),
            (Facts(subscriptions=1), True),
            (Facts(subscriptions=1, users=1), True),
            (Facts(users=1), True),
            (Facts(cached=kept("x", 5.0)), False),
        ],
    )
    def test_occupied(self, facts: Facts, *, occupied: bool) -> None:
        """A subscription occupies a channel, and so does a user who may still return; a kept event does not."""
        assert queries.is_occupied(facts) is occupied
        assert queries.occupation(ROOM, facts, frozenset()) == {"occupied": occupied}

    def test_with_attributes(self) -> None:
        """The answer has what was asked for beside it."""
        asked = frozenset({"user_count", "subscription_count"})

        assert queries.occupation(ROOM, Facts(3, 2), asked) == {
            "occupied": True,
            "user_count": 2,
            "subscription_count": 3,
        }

    @pytest.mark.parametrize(
        "channel,told",
        [
            (NEWS, {"occupied": True, "connection_count": 3}),
            (ROOM, {"occupied": True, "connection_count": 3, "user_count": 2}),
        ],
    )
    def test_deprecated_shape(self, channel: Channel, told: dict[str, Any]) -> None:
        """``/stats`` calls subscriptions connections, and tells users of presence channels alone."""
        assert queries.statistics(channel, Facts(3, 2)) == told


class TestUsers:
    """Who is in a presence channel."""

    INFOS: Mapping[str, str] = {"7": '{"name":"Ann"}', "bob": "null"}

    def test_ids(self) -> None:
        """Pusher tells ids alone."""
        assert queries.users(self.INFOS, with_info=False) == {"users": [{"id": "7"}, {"id": "bob"}]}
        assert queries.users({}, with_info=False) == {"users": []}

    def test_with_info(self) -> None:
        """With what is known of them, where it is asked for."""
        body = msgspec.json.encode(queries.users(self.INFOS, with_info=True))

        assert msgspec.json.decode(body) == {
            "users": [
                {"id": "7", "user_info": {"name": "Ann"}},
                {"id": "bob", "user_info": None},
            ]
        }
