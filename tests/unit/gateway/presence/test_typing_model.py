"""Whatever clients say, and back ends publish, the typists hold what a naive memory does."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel, ChannelUser
from tests.unit.gateway.presence.typing_gateway import OTHER, ROOM, TTL, Gateway


class Naive:
    """Remembers every word, and looks at all of them."""

    def __init__(self) -> None:
        self.words: dict[tuple[str, Channel], tuple[str, float]] = {}

    def has_sent(self, typist: ChannelUser) -> None:
        self.words = {
            (connection, channel): (user, until)
            for (connection, channel), (user, until) in self.words.items()
            if (channel, user) != typist
        }

    def typing(self, now: float) -> set[ChannelUser]:
        return {
            ChannelUser(channel, user)
            for (_, channel), (user, until) in self.words.items()
            if until > now
        }


connections, channels, names = (
    st.sampled_from("ab"),
    st.sampled_from((ROOM, OTHER)),
    st.sampled_from(("ann", "bob")),
)
steps = st.one_of(
    st.tuples(st.just("types"), connections, channels, names),
    st.tuples(st.just("stops"), connections, channels, names),
    st.tuples(st.just("sent"), connections, channels, names),
    st.tuples(st.just("published"), connections, channels, names),
    st.floats(0.01, 8.0).map(lambda seconds: ("wait", seconds)),
    st.just(("away",)),
    st.just(("back",)),
)


@given(st.lists(steps, max_size=40))
def test_model(history: list[tuple[object, ...]]) -> None:
    """
    Whenever the typists are there they hold exactly what a naive memory of all words says.

    Who types on after a publish that names it is missing until its next report.
    """
    here, naive = Gateway(), Naive()
    missing: dict[ChannelUser, float] = {}
    for step in history:
        here.wait(0.01)
        match step:
            case ("types", str(connection), Channel() as channel, str(user)):
                here.types(connection, ChannelUser(channel, user))
                naive.words[connection, channel] = user, here.now + TTL
            case ("stops", str(connection), Channel() as channel, _):
                here.stops(connection, channel)
                naive.words.pop((connection, channel), None)
            case ("sent", _, Channel() as channel, str(user)):
                here.has_sent(ChannelUser(channel, user))
                naive.has_sent(ChannelUser(channel, user))
            case ("published", _, Channel() as channel, str(user)):
                here.published(ChannelUser(channel, user))
                naive.has_sent(ChannelUser(channel, user))
                missing[ChannelUser(channel, user)] = here.now + TTL / 3
            case ("wait", float(seconds)):
                here.wait(seconds)
            case ("away",):
                here.is_away = True
            case _:
                here.back()
        if not here.is_away:
            may_be_missing = {typist for typist, until in missing.items() if here.now <= until}
            assert here.typing() <= naive.typing(here.now)
            assert naive.typing(here.now) - here.typing() <= may_be_missing
    here.back()
    here.wait(3 * TTL)
    assert len(here.users) == 0
    assert not here.users._as_whom
