"""What is told of users and of channels."""

import json

import pytest

from libs.common.json_text import write
from libs.common.roster.port import Seated
from services.presence.answers import told_members, told_user

T = 1_764_000_000.5


class TestUser:
    """A user, and the devices."""

    def test_unknown(self) -> None:
        """Of nobody nothing is told, and no more than of somebody who was never seen."""
        assert told_user("7", Seated(), last_seen=None) == {
            "id": "7",
            "online": False,
            "activity": None,
            "connections": 0,
            "devices": [],
            "online_since": None,
            "last_seen": None,
        }

    def test_offline(self) -> None:
        told = told_user("7", Seated(), last_seen=T)

        assert (told["online"], told["last_seen"]) == (False, "2025-11-24T16:00:00.500Z")

    def test_online(self) -> None:
        seated = Seated(
            T, 3, {"phone": '{"activity":"away"}', "laptop": '{"device":"l","activity":"active"}'}
        )

        assert told_user("7", seated, last_seen=T + 60) == {
            "id": "7",
            "online": True,
            "activity": "active",
            "connections": 3,
            "devices": [
                {"id": "laptop", "activity": "active"},
                {"id": "phone", "activity": "away"},
            ],
            "online_since": "2025-11-24T16:00:00.500Z",
            "last_seen": "2025-11-24T16:01:00.500Z",
        }

    def test_others(self) -> None:
        """Devices that are not told apart any more have no name."""
        seated = Seated(T, 5, {"\x00others": '{"activity":"away"}', "a": '{"activity":"active"}'})

        assert told_user("7", seated, last_seen=T)["devices"] == [
            {"id": None, "activity": "away"},
            {"id": "a", "activity": "active"},
        ]

    def test_away(self) -> None:
        """Who is active on no device is away."""
        seated = Seated(T, 1, {"phone": '{"activity":"away"}'})

        assert told_user("7", seated, last_seen=T)["activity"] == "away"

    @pytest.mark.parametrize(
        "info", ["", "null", "{}", "[]", '{"activity":"asleep"}', '{"activity":1}', "[" * 99_999]
    )
    def test_unsaid(self, info: str) -> None:
        """A device that says nothing of it is active."""
        assert told_user("7", Seated(T, 1, {"x": info}), last_seen=T)["activity"] == "active"


class TestMembers:
    """The members of a channel."""

    def test_empty(self) -> None:
        assert told_members(Seated()) == {
            "members": [],
            "count": 0,
            "connections": 0,
            "occupied_since": None,
        }

    def test_some(self) -> None:
        told = told_members(Seated(T, 3, {"b": "null", "a": '{"name": "Ann"}'}))

        assert json.loads(write(told)) == {
            "members": [
                {"id": "a", "user_info": {"name": "Ann"}},
                {"id": "b", "user_info": None},
            ],
            "count": 2,
            "connections": 3,
            "occupied_since": "2025-11-24T16:00:00.500Z",
        }
