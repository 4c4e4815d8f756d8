"""Names of channels and events, and what values may not do to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import BadChannelName, BadEventName, Channel
from libs.common.expressions import BadRule
from services.dispatcher.routing.names import ChannelTemplate, EventTemplate
from tests.unit.dispatcher.examples import scope

PREFIXES = [
    "",
    "cache-",
    "private-",
    "private-cache-",
    "presence-",
    "presence-cache-",
    "#server-to-user-",
]
ENCRYPTED = ["private-encrypted-", "private-encrypted-cache-"]
VALUES = st.text("-abcdehinprstuvy_=@,.;#0", max_size=20) | st.sampled_from(PREFIXES + ENCRYPTED)


def channel(source: str, value: object = "x", *, longest: int = 164) -> str:
    return ChannelTemplate(source, longest=longest).render(scope({"a": value}))


def event(source: str, value: object = "x", *, longest: int = 200) -> str:
    return EventTemplate(source, longest=longest).render(scope({"a": value}))


class TestChannels:
    """Pusher, "Channel naming conventions"."""

    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_every_kind(self, prefix: str) -> None:
        assert channel(prefix + "{data.a}", "m@x.org,5;_=") == prefix + "m@x.org,5;_="

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "{{}}",
            "two words",
            "two words.{data.a}",
            "#other-{data.a}",
            "a#server-to-user-{data.a}",
            "#server-to-user-",
            "é",
            "a" * 165,
            "a" * 164 + "{data.a}",
        ],
    )
    def test_never_allowed(self, source: str) -> None:
        """A name that no value can save is found at the start."""
        with pytest.raises((BadChannelName, BadRule)):
            ChannelTemplate(source, longest=164)

    @pytest.mark.parametrize(
        "source,value",
        [
            ("a.{data.a}", "two words"),
            ("a.{data.a}", "é"),
            ("a.{data.a}", "a\n"),
            ("a.{data.a}", "#"),
            ("a.{data.a}", "x" * 163),
            ("{data.a}", ""),
            ("#server-to-user-{data.a}", ""),
            ("#server-to-user-{data.a}", "a\nb"),
            ("#server-to-user-{data.a}", "x" * 129),
        ],
    )
    def test_out_of_bounds(self, source: str, value: str) -> None:
        with pytest.raises(BadChannelName):
            channel(source, value)

    def test_constant(self) -> None:
        """A name without expressions needs nothing of the event."""
        assert ChannelTemplate("private-a", longest=164).render({}) == "private-a"
        assert EventTemplate("a {{b}}", longest=200).render({}) == "a {b}"

    @pytest.mark.parametrize("prefix", ENCRYPTED)
    def test_encrypted(self, prefix: str) -> None:
        """Clients could not read what a route sends there: found at the start."""
        with pytest.raises(BadChannelName, match="encrypted"):
            ChannelTemplate(prefix + "{data.a}", longest=164)

    def test_longest(self) -> None:
        assert channel("a.{data.a}", "x" * 162) == "a." + "x" * 162
        with pytest.raises(BadChannelName, match="longer than 10"):
            channel("a.{data.a}", "x" * 9, longest=10)

    @pytest.mark.parametrize(
        "source,value",
        [
            ("{data.a}", "private-user.1"),
            ("{data.a}", "#server-to-user-1"),
            ("{data.a}", "cache-x"),
            ("pri{data.a}", "vate-user.1"),
            ("private{data.a}", "-user.1"),
            ("private-{data.a}", "encrypted-x"),
            ("private-{data.a}", "cache-x"),
            ("presence-{data.a}", "cache-x"),
        ],
    )
    def test_a_value_cannot_change_the_kind(self, source: str, value: str) -> None:
        with pytest.raises(BadChannelName, match="changes what kind"):
            channel(source, value)

    @given(prefix=st.sampled_from(PREFIXES), value=VALUES)
    def test_kind_is_the_prefixes(self, prefix: str, value: str) -> None:
        """Whatever the value, the channel is refused or of the kind that the route says."""
        try:
            name = channel(prefix + "{data.a}", value)
        except BadChannelName:
            return

        assert name == prefix + value
        assert Channel("", name).kind is Channel("", prefix).kind
        assert Channel("", name).is_cache is Channel("", prefix).is_cache


class TestEvents:
    """Pusher, "Events": names of up to 200 characters, some reserved."""

    @pytest.mark.parametrize(
        "source,name",
        [
            ("stock.low", "stock.low"),
            ("{type}", "stock.low"),
            ("{data.a}.changed", "x.changed"),
            ("App\\Events\\OrderShipped", "App\\Events\\OrderShipped"),
            ("my-pusher:x", "my-pusher:x"),
            ("geändert", "geändert"),
        ],
    )
    def test_allowed(self, source: str, name: str) -> None:
        assert event(source) == name

    @pytest.mark.parametrize(
        "source",
        ["", "pusher:x", "pusher_internal:{data.a}", "fanfare:x", "client-x", "a" * 201],
    )
    def test_never_allowed(self, source: str) -> None:
        with pytest.raises(BadEventName):
            EventTemplate(source, longest=200)

    @pytest.mark.parametrize(
        "source,value",
        [
            ("{data.a}", "pusher:subscription_succeeded"),
            ("{data.a}", "pusher_internal:member_added"),
            ("{data.a}", "fanfare:resync"),
            ("{data.a}", "client-typing"),
            ("pusher{data.a}", ":error"),
            ("client{data.a}", "-typing"),
            ("{data.a}", ""),
            ("a{data.a}", "x" * 200),
        ],
    )
    def test_a_value_cannot_make_a_reserved_name(self, source: str, value: str) -> None:
        with pytest.raises(BadEventName):
            event(source, value)

    def test_longest(self) -> None:
        with pytest.raises(BadEventName, match="longer than 5"):
            event("abc{data.a}", "def", longest=5)
