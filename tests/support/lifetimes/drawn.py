"""What models draw: where somebody goes, who it is, and what a gateway finds when it goes on."""

from typing import NamedTuple

from hypothesis import strategies as st

from libs.common.channels import Channel, online_channel
from tests.support.lifetimes.gateways import Newcomer

GRACES = (0.0, 150.0, 450.0)  # Seconds.
APP = "1"
USERS = ("ann", "Zoë M/1")
CHANNELS = (  # Some in each of two partitions.
    *(Channel(APP, f"presence-{letter}") for letter in "ad"),
    *(online_channel(APP, user) for user in USERS),
)
COUNTED = (*(Channel(APP, name) for name in ("room", "room-a")), *CHANNELS[:2])  # So are these.
GATEWAYS = 3

which = st.integers(0, GATEWAYS - 1)
any_place = st.integers(0, 99)
newcomers = st.tuples(
    st.sampled_from(CHANNELS),
    st.sampled_from(["ann", "bob", "Zoë M/1"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from([0, 0, 0, 2]),
)
parties = st.lists(newcomers, min_size=1, max_size=3)


class Waking(NamedTuple):
    """
    What a gateway finds when it goes on.

    Attributes:
        guest: Who has asked to join meanwhile.
        leaver: Whose connection has ended meanwhile, and with what grace.
        is_cut_off: Whether what was announced meanwhile is lost.
    """

    guest: Newcomer | None
    leaver: tuple[int, float] | None
    is_cut_off: bool


wakings = st.builds(
    Waking,
    st.none() | newcomers,
    st.none() | st.tuples(any_place, st.sampled_from(GRACES)),
    st.booleans(),
)
