"""Names of channels, events and sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import (
    MAX_EVENT,
    MAX_NAME,
    MAX_USER_ID,
    USER_PREFIX,
    BadChannelName,
    BadEventName,
    BadSocketId,
    BadUserId,
    Channel,
    Kind,
    check_channel,
    check_event,
    check_socket_id,
    check_user_id,
    is_settled,
    kind_of,
    online_channel,
    online_user,
)

USERS = ["7", "auth0|5f", "did:web:x", "a+b@x.org", "Zoë", "x/y z", "{7}#", "用户", "x" * 128]

NAMES = [
    *("cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"),
    *("orders.x", "private-x", "private-encrypted-x", "presence-x", f"{USER_PREFIX}x"),
]


class TestKind:
    """Prefixes are anchored and exact."""

    @pytest.mark.parametrize(
        "name, kind",
        [
            ("orders", Kind.PUBLIC),
            ("my-private-x", Kind.PUBLIC),
            ("privatex", Kind.PUBLIC),
            ("Private-x", Kind.PUBLIC),
            ("presence", Kind.PUBLIC),
            ("cache-x", Kind.PUBLIC),
            ("private-x", Kind.PRIVATE),
            ("private-", Kind.PRIVATE),
            ("private-cache-x", Kind.PRIVATE),
            ("private-encryptedx", Kind.PRIVATE),
            ("private-encrypted-x", Kind.ENCRYPTED),
            ("private-encrypted-cache-x", Kind.ENCRYPTED),
            ("presence-x", Kind.PRESENCE),
            ("presence-cache-x", Kind.PRESENCE),
            ("#server-to-user-7", Kind.USER),
        ],
    )
    def test_prefixes(self, name: str, kind: Kind) -> None:
        """A prefix makes a channel what it is."""
        assert kind_of(name) is kind
        assert Channel("1", name).kind is kind
        assert Channel("1", name).is_presence == (kind is Kind.PRESENCE)

    @pytest.mark.parametrize(
        "name, is_cache",
        [
            ("cache-x", True),
            ("private-cache-x", True),
            ("private-encrypted-cache-x", True),
            ("presence-cache-x", True),
            ("cachex", False),
            ("private-x-cache-", False),
            ("my-cache-x", False),
        ],
    )
    def test_cache(self, name: str, *, is_cache: bool) -> None:
        """A channel that keeps its last event says so after its other prefix."""
        assert Channel("1", name).is_cache == is_cache

    @given(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES), cut=st.integers(0, 25))
    def test_settled(self, name: str, other: str, cut: int) -> None:
        """Whatever follows a beginning that is settled, the name means the same."""
        beginning = name[:cut]
        one, two = Channel("1", beginning), Channel("1", beginning + other[cut:])

        is_same = (one.kind, one.is_cache) == (two.kind, two.is_cache)

        assert is_same or not is_settled(beginning)

    @pytest.mark.parametrize(
        "beginning, settled",
        [
            ("", False),
            ("c", False),
            ("private-", False),
            ("private-e", False),
            ("private-encrypted-cache", False),
            ("#server-to-user", False),
            ("cache-", True),
            ("private-cache-", True),
            ("private-company.", True),
            ("presence-room", True),
            ("#server-to-user-", True),
            ("orders.", True),
        ],
    )
    def test_is_settled(self, beginning: str, *, settled: bool) -> None:
        assert is_settled(beginning) is settled

    @pytest.mark.parametrize(
        "name, tells",
        [
            ("orders", True),
            ("private-x", True),
            ("presence-cache-x", True),
            ("private-encrypted-x", False),
            ("private-encrypted-cache-x", False),
            ("#server-to-user-7", False),
            ("#online-7", False),
        ],
    )
    def test_tells_of_users(self, name: str, *, tells: bool) -> None:
        """Who types and who has read is told in channels that several read in the clear."""
        assert Channel("1", name).tells_of_users == tells


class TestCheckChannel:
    """Pusher, "Channel naming conventions"."""

    @pytest.mark.parametrize(
        "name",
        ["a", "private-a", "A_b-c=@,.;9", "x" * MAX_NAME, *map(USER_PREFIX.__add__, USERS)],
    )
    def test_allowed(self, name: str) -> None:
        """Letters, digits and a few signs, up to the longest."""
        check_channel(name)

    @pytest.mark.parametrize(
        "name, rule",
        [
            ("", "empty"),
            ("#server-to-user-", "no user's id"),
            ("#server-to-user-a\n", "no user's id"),
            ("#server-to-user-\ud83d", "no user's id"),
            ("x" * (MAX_NAME + 1), "longer than 164"),
            ("#server-to-user-" + "x" * 129, "no user's id"),
            ("a b", "allowed are"),
            ("a\n", "allowed are"),
            ("#a", "allowed are"),
            ("a#server-to-user-b", "allowed are"),
            ("größe", "allowed are"),
            ("a:b", "allowed are"),
            ("a{b}", "allowed are"),
            ("a/b", "allowed are"),
            ("\u0661", "allowed are"),
        ],
    )
    def test_forbidden(self, name: str, rule: str) -> None:
        """The error names the rule."""
        with pytest.raises(BadChannelName, match=rule) as caught:
            check_channel(name)

        assert caught.value.name == name
        assert rule in caught.value.rule

    def test_other_bound(self) -> None:
        """An app may have another longest name; a user is not shut out by it."""
        check_channel("x" * 200, longest=200)
        check_channel("#server-to-user-" + "x" * 128, longest=10)
        with pytest.raises(BadChannelName, match="longer than 10"):
            check_channel("x" * 11, longest=10)

    @given(st.text(max_size=40))
    def test_what_passes_fits_into_a_key(self, name: str) -> None:
        """
        No name that passes has a sign with a meaning in keys, URLs or strings to sign.

        A user's own channel takes no signature, and may be called as the user is.
        """
        try:
            check_channel(name)
        except BadChannelName:
            return

        assert not set(name) & set(":{}/\n\r\0 #")
        assert name.isascii()

    @given(st.text(max_size=140))
    def test_user_ids(self, user_id: str) -> None:
        """Whoever may be a user has a channel, and nobody else."""
        try:
            check_channel(USER_PREFIX + user_id)
        except BadChannelName:
            with pytest.raises(BadUserId):
                check_user_id(user_id)
        else:
            check_user_id(user_id)
            assert 0 < len(user_id) <= MAX_USER_ID
            assert not set(user_id) & set("\n\r\0")


class TestCheckEvent:
    """Names of events that come from outside."""

    @pytest.mark.parametrize("name", ["a", "low stock!", "client-x", "pusherx", "x" * MAX_EVENT])
    def test_allowed(self, name: str) -> None:
        """Any text up to the longest."""
        check_event(name)

    @pytest.mark.parametrize(
        "name, rule",
        [
            ("", "empty"),
            ("x" * (MAX_EVENT + 1), "longer than 200"),
            ("pusher:error", "pusher: are reserved"),
            ("pusher_internal:x", "pusher_internal: are reserved"),
            ("fanfare:resync", "fanfare: are reserved"),
        ],
    )
    def test_forbidden(self, name: str, rule: str) -> None:
        """The error names the rule."""
        with pytest.raises(BadEventName, match=rule) as caught:
            check_event(name)

        assert caught.value.name == name


class TestCheckSocketId:
    """Pusher, "Generating the authentication string"."""

    @pytest.mark.parametrize("socket_id", ["1.2", "123456.7890", f"{'9' * 20}.{'9' * 20}"])
    def test_allowed(self, socket_id: str) -> None:
        """Two numbers joined by a full stop."""
        check_socket_id(socket_id)

    @pytest.mark.parametrize(
        "socket_id",
        ["", "1", "1.", ".2", "1.2.3", "1.2\n", "1.2:private-x", "a.b", " 1.2", "9" * 21 + ".1"],
    )
    def test_forbidden(self, socket_id: str) -> None:
        """Anything else could smuggle a separator into a string to sign."""
        with pytest.raises(BadSocketId):
            check_socket_id(socket_id)


class TestOnlineChannel:
    """Where a user's connections are seated."""

    @pytest.mark.parametrize("user", USERS)
    def test_there_and_back(self, user: str) -> None:
        """
        Each user has one, and no client can name it.
        """
        channel = online_channel("1", user)

        assert online_user(channel) == user
        assert channel.is_online
        assert not channel.is_presence
        assert "/" not in channel.name
        with pytest.raises(BadChannelName):
            check_channel(channel.name)

    @pytest.mark.parametrize("name", ["online-7", "presence-#online-7", "#server-to-user-7"])
    def test_others(self, name: str) -> None:
        channel = Channel("1", name)

        assert online_user(channel) == ""
        assert not channel.is_online
