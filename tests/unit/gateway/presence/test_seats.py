"""Where connections sit in their users' own channels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import online_channel
from libs.common.roster.device import OTHERS, Device, read
from services.gateway.presence.seats import OnlineSeat, Seats

ANN, BOB = ("1", "ann"), ("1", "bob")


def place(user: tuple[str, str], name: str) -> OnlineSeat:
    return OnlineSeat(online_channel(*user), name)


@pytest.fixture
def seats() -> Seats[str]:
    return Seats()


def sit(
    seats: Seats[str],
    connection: str,
    user: tuple[str, str] = ANN,
    device: str = "",
    *,
    is_away: bool = False,
) -> list[OnlineSeat]:
    """Let a connection sit that has its socket id for its name."""
    return seats.sit(connection, user, socket_id=connection, device=device, is_away=is_away)


def info(seats: Seats[str], where: OnlineSeat) -> Device:
    sitting = seats.at(where)
    assert sitting is not None
    return read(seats.info(sitting))


class TestSit:
    """A connection sits with one user, on one device."""

    def test_nameless(self, seats: Seats[str]) -> None:
        """
        A device without a name is the connection itself.
        """
        assert sit(seats, "1.1") == [place(ANN, "1.1")]

        sitting = seats.at(place(ANN, "1.1"))
        assert sitting is not None
        assert (sitting.member, sitting.seated_by) == ("1.1", "")
        assert info(seats, place(ANN, "1.1")) == Device()
        assert sit(seats, "1.1") == []
        assert len(seats) == 1

    def test_named(self, seats: Seats[str]) -> None:
        """
        Connections of one device are one member, on seats of their own.
        """
        first, second = place(ANN, "1.1=my=20phone"), place(ANN, "2.2=my=20phone")
        assert sit(seats, "1.1", device="my phone") == [first]
        assert sit(seats, "2.2", device="my phone") == [second]

        assert seats.places() == (first, second)
        assert {at.member for at in map(seats.at, seats.places()) if at} == {"my phone"}

    def test_gets_a_name(self, seats: Seats[str]) -> None:
        """
        It sits down anew before it gives up its first seat, which has no grace.
        """
        sit(seats, "1.1")

        assert sit(seats, "1.1", device="x") == [place(ANN, "1.1=x"), place(ANN, "1.1")]

        assert seats.at(place(ANN, "1.1")) is None
        assert seats.departures == {place(ANN, "1.1"): 0.0}

    def test_another_user(self, seats: Seats[str]) -> None:
        sit(seats, "1.1")

        assert sit(seats, "1.1", BOB) == [place(BOB, "1.1"), place(ANN, "1.1")]
        assert seats.places() == (place(BOB, "1.1"),)

    def test_comes_back(self, seats: Seats[str]) -> None:
        """
        Who sits down again before the roster heard that it left has not left.
        """
        sit(seats, "1.1")
        seats.rise("1.1", grace=1.5)
        sit(seats, "1.1")

        assert seats.departures == {}


class TestRise:
    """A connection goes, or is nobody's any more."""

    def test_grace(self, seats: Seats[str]) -> None:
        sit(seats, "1.1")

        assert seats.rise("1.1", grace=1.5) == [place(ANN, "1.1")]

        assert seats.departures == {place(ANN, "1.1"): 1.5}
        assert seats.rise("1.1", grace=0.0) == []
        assert len(seats) == 0

    def test_told(self, seats: Seats[str]) -> None:
        """
        What the roster was told is forgotten, unless it is another departure by now.
        """
        sit(seats, "1.1")
        seats.rise("1.1", grace=1.5)
        seats.left(place(ANN, "1.1"), grace=0.0)
        assert seats.departures

        seats.left(place(ANN, "1.1"), grace=1.5)
        assert not seats.departures


class TestTurned:
    """Users are away, and are back."""

    def test_nameless(self, seats: Seats[str]) -> None:
        sit(seats, "1.1")

        assert seats.turned("1.1", is_away=True) == [place(ANN, "1.1")]
        assert info(seats, place(ANN, "1.1")) == Device(is_away=True)
        assert seats.turned("1.1", is_away=True) == []

    def test_nobody(self, seats: Seats[str]) -> None:
        assert seats.turned("1.1", is_away=True) == []

    def test_named(self, seats: Seats[str]) -> None:
        """
        A device is away when all its connections here are.
        """
        sit(seats, "1.1", device="x", is_away=True)
        assert info(seats, place(ANN, "1.1=x")) == Device("x", is_away=True)
        sit(seats, "2.2", device="x")
        assert info(seats, place(ANN, "1.1=x")) == Device("x")

        assert seats.turned("2.2", is_away=True) == [place(ANN, "2.2=x")]
        assert seats.turned("1.1", is_away=False) == [place(ANN, "1.1=x")]
        assert seats.turned("2.2", is_away=False) == []


def test_crowd(seats: Seats[str]) -> None:
    """One of too many devices is a member that stands for all of these."""
    sit(seats, "1.1", device="x")
    sit(seats, "2.2")
    for where in seats.places():
        sitting = seats.at(where)
        assert sitting is not None
        seats.crowd(sitting)
        assert sitting.member == OTHERS

    assert info(seats, place(ANN, "2.2")) == Device()
    seats.turned("1.1", is_away=True)
    assert seats.turned("2.2", is_away=True) == [place(ANN, "2.2")]
    assert info(seats, place(ANN, "1.1=x")) == Device(is_away=True)


STEPS = st.tuples(
    st.sampled_from(["sit", "rise", "turn"]),
    st.sampled_from(["1.1", "2.2", "3.3"]),
    st.sampled_from([ANN, BOB]),
    st.sampled_from(["", "x", "y"]),
    st.booleans(),
)


@given(st.lists(STEPS))
def test_model(steps: list[tuple[str, str, tuple[str, str], str, bool]]) -> None:
    """Whatever happens, what is told of each place is what a plain look at all connections shows."""
    seats: Seats[str] = Seats()
    truth: dict[str, tuple[tuple[str, str], str, bool]] = {}
    roster: dict[OnlineSeat, Device] = {}
    for step, connection, user, device, is_away in steps:
        match step:
            case "sit":
                known = truth.get(connection, (user, device, is_away))[2]
                changed = sit(seats, connection, user, device, is_away=known)
                truth[connection] = user, device, known
            case "rise":
                changed = seats.rise(connection, grace=0.0)
                truth.pop(connection, None)
            case _:
                changed = seats.turned(connection, is_away=is_away)
                if connection in truth:
                    truth[connection] = *truth[connection][:2], is_away
        for where in changed:
            if seats.at(where):
                roster[where] = info(seats, where)
            else:
                roster.pop(where, None)
                seats.left(where, grace=0.0)

    assert not seats.departures
    assert len(roster) == len(truth) == len(seats)
    for where in roster:
        shown = info(seats, where)
        alike = [
            away
            for owner, name, away in truth.values()
            if (online_channel(*owner), name) == (where.channel, shown.name)
        ]
        assert not shown.name or shown.is_away == all(alike)
