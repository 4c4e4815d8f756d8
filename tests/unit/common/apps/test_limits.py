"""What an app may use: defaults, bounds, and what has no limit."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.apps.limits import LONGEST_NAME, Limits, exceeds


class TestExceeds:
    """0 and -1 mean that there is no limit."""

    @pytest.mark.parametrize(
        "number,limit,above",
        [(0, 1, False), (1, 1, False), (2, 1, True), (10.5, 10, True), (0.5, 0.5, False)],
    )
    def test_limit(self, number: float, limit: float, *, above: bool) -> None:
        """What is above the limit exceeds it; the limit itself does not."""
        assert exceeds(number, limit) is above

    @given(st.integers(0), st.sampled_from([0, -1, 0.0, -1.0, -0.5]))
    def test_no_limit(self, number: int, limit: float) -> None:
        """Where there is no limit nothing exceeds it."""
        assert not exceeds(number, limit)


class TestLimits:
    """Valid from birth where they are read."""

    def test_defaults(self) -> None:
        """What Pusher bounds has Pusher's bounds; what it sells by plan has none."""
        limits = Limits()

        assert (limits.channel_name, limits.event_name, limits.payload_bytes) == (164, 200, 10240)
        assert (limits.members, limits.member_bytes, limits.channels) == (100, 1024, 100)
        assert (limits.client_events, limits.client_event_bytes) == (10, 10240)
        assert (limits.event_channels, limits.batch) == (100, 10)
        assert {
            limits.connections,
            limits.connections_per_user,
            limits.connections_per_tenant,
            limits.connections_per_address,
            limits.publishes,
            limits.reads,
            limits.auth_requests,
        } == {0}

    def test_stores(self) -> None:
        """What stores something, or is worked on for long, is bounded where nothing is said."""
        limits = Limits()

        assert (limits.terminations, limits.revocations, limits.commands) == (100, 100, 10_000)
        assert (limits.memberships, limits.idempotency_keys) == (1000, 500)
        assert (limits.typing, limits.marks, limits.tokens) == (1000, 1000, 500)
        assert limits.events_batch == 10_000

    @pytest.mark.parametrize("name", Limits.__struct_fields__)
    def test_no_limit(self, name: str) -> None:
        """Each may be 0 or -1, and nothing below."""
        for value in (0, -1):
            assert getattr(msgspec.convert({name: value}, Limits), name) == value
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: -2}, Limits)

    @pytest.mark.parametrize("name", ["channel_name", "event_name"])
    def test_ceiling_of_names(self, name: str) -> None:
        """A name has at most what the SDKs accept, also where the app has no limit."""
        longest = {"channel_name": "longest_channel_name", "event_name": "longest_event_name"}[name]

        for value, characters in ((0, LONGEST_NAME), (-1, LONGEST_NAME), (1, 1), (200, 200)):
            assert getattr(msgspec.convert({name: value}, Limits), longest) == characters
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: LONGEST_NAME + 1}, Limits)

    @pytest.mark.parametrize("name", ["client_events", "publishes", "reads", "auth_requests"])
    def test_rates(self, name: str) -> None:
        """A rate may be less than one a second."""
        assert getattr(msgspec.convert({name: 0.2}, Limits), name) == 0.2

    @pytest.mark.parametrize(
        "text", ['{"conections": 1}', '{"connections": "1"}', '{"connections": 1.5}', "[]", "null"]
    )
    def test_refused(self, text: str) -> None:
        """A name that does not exist and a value of another type are refused."""
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=Limits)

    def test_as_json(self) -> None:
        """They can be written down as JSON and read back."""
        limits = Limits(connections=1000, client_events=0.5)

        assert msgspec.json.decode(json.dumps(msgspec.to_builtins(limits)), type=Limits) == limits
