"""Grants against a plain model: whatever happens, what they tell is what a look at all of them tells."""

from math import inf

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs.common.tokens.channel_tokens import ChannelToken
from services.gateway.access.grants import SPARE, Grant, Grants
from services.gateway.access.verifier import Verified

NAMES = [f"private-{number}" for number in range(4)]


def verified(jti: str, ends_at: float, **claims: str) -> Verified:
    token = ChannelToken(
        app="1",
        user="ann",
        user_info={},
        claims=claims,
        channels=("*",),
        issued_at=0.0,
        expires_at=ends_at,
        jti=jti,
        issuer="fanfare",
    )
    return Verified(token, ends_at)


# Two of one name, which no issuer should make; and two that end together.
TOKENS = [
    verified("a", 10.0),
    verified("b", 20.0),
    verified("b", 5.0, role="other"),
    verified("c", 20.0),
    None,
]


class Model:
    """All grants in one dictionary, looked at one by one."""

    def __init__(self) -> None:
        self.grants: dict[str, Grant] = {}
        self.shown: set[str] = set()

    def put(self, channel: str, grant: Grant) -> None:
        self.grants[channel] = grant

    def drop(self, channel: str) -> None:
        self.grants.pop(channel, None)

    @property
    def names(self) -> set[str]:
        return {grant.verified.token.jti for grant in self.grants.values() if grant.verified}

    def over(self, now: float) -> set[str]:
        return {name for name, grant in self.grants.items() if grant.ends_at <= now}

    @property
    def ends_at(self) -> float:
        return min((grant.ends_at for grant in self.grants.values()), default=inf)


def copy(token: Verified | None) -> Verified | None:
    """Take a token once more, as every subscribe does."""
    return token and Verified(msgspec.structs.replace(token.token), token.ends_at)


acts = st.tuples(
    st.sampled_from(["put", "drop", "end", "ask"]),
    st.sampled_from(NAMES),
    st.sampled_from(TOKENS),
    st.sampled_from([0.0, 5.0, 10.0, 30.0]),
)


@given(st.lists(acts, max_size=60))
def test_alike(happened: list[tuple[str, str, Verified | None, float]]) -> None:
    """Names, ends and what is over are those of the grants that are held."""
    grants, model = Grants(), Model()
    for act, channel, token, now in happened:
        match act:
            case "put":
                grants.put(channel, Grant("ann", 0.0, copy(token)))
                model.put(channel, Grant("ann", 0.0, copy(token)))
            case "drop":
                grants.drop(channel)
                model.drop(channel)
            case "end":
                over = grants.over(now)
                assert set(over) == model.over(now)
                assert len(set(over)) == len(over)
                assert set(grants.over(now)) == set(over)  # What is not dropped stays over.
                for name in over:
                    grants.drop(name)
                    model.drop(name)
            case _:
                assert model.names ^ model.shown <= set(grants.changed())
                model.shown = model.names
        assert grants.ends_at == model.ends_at
        assert {jti for jti in "abc" if grants.shows(jti)} == model.names
        assert grants.named(lambda *_: True) == list(model.grants)


class TestBounds:
    """What is outdated does not pile up."""

    def test_one_token(self) -> None:
        """A client that joins and leaves under one token for ever."""
        grants = Grants()
        grants.put(NAMES[0], Grant("ann", 0.0, verified("a", 10.0)))
        for _ in range(200):
            for name in NAMES[1:]:
                grants.put(name, Grant("ann", 0.0, verified("a", 10.0)))
                grants.drop(name)

        assert len(msgspec.json.encode(grants)) < 200 + 20 * (SPARE + 2) + 400

    def test_ever_new_tokens(self) -> None:
        """A client that shows ever new tokens for the same channels."""
        grants = Grants()
        for number in range(1000):
            token = verified(f"t{number}", 10.0 + number)
            grants.put(NAMES[number % 4], Grant("ann", 0.0, token))
            grants.changed()

        assert grants.ends_at == 1006.0
        assert len(msgspec.json.encode(grants)) < 4000
