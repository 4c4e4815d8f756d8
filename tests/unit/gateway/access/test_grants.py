"""By what right a client is in its channels."""

from math import inf

import pytest

from libs.common.apps.app import App
from services.gateway.access.grants import Grant, Grants
from services.gateway.access.verifier import Verified
from tests.support.tokens.channel_tokens import channel_token, verifier


def shown(app: App, *, ttl: float = 60.0) -> Verified:
    text, _ = channel_token("ann", "*", now=0.0, ttl=ttl)
    return verifier(grace=10.0).accept(text, app, now=0.0)


@pytest.fixture
def grants() -> Grants:
    return Grants()


class TestEndsAt:
    """When the first of them ends."""

    def test_pusher(self, grants: Grants) -> None:
        """Pusher's permissions have no end."""
        grants.put("private-1", Grant("ann", 0.0))

        assert grants.ends_at == inf

    def test_first(self, grants: Grants, app: App) -> None:
        """Of several tokens the one that ends first counts, until it is gone."""
        assert grants.ends_at == inf
        grants.put("private-1", Grant("ann", 0.0, shown(app, ttl=60)))
        grants.put("private-2", Grant("ann", 0.0, shown(app, ttl=20)))

        assert grants.ends_at == 30.0
        grants.drop("private-2")
        assert grants.ends_at == 70.0
        grants.clear()
        assert grants.ends_at == inf

    def test_newer(self, grants: Grants, app: App) -> None:
        """A newer one takes the older one's place."""
        grants.put("private-1", Grant("ann", 0.0, shown(app, ttl=20)))
        grants.put("private-1", Grant("ann", 0.0, shown(app, ttl=60)))

        assert grants.ends_at == 70.0


class TestNamed:
    """Those that a judgement is true of."""

    def test_judged(self, grants: Grants) -> None:
        """Names and grants are judged; what is unknown may be dropped."""
        grants.put("private-1", Grant("ann", 1.0))
        grants.put("private-2", Grant("bob", 2.0))
        grants.drop("private-3")

        assert grants.named(lambda name, _: name == "private-1") == ["private-1"]
        assert grants.named(lambda _, grant: grant.user == "bob") == ["private-2"]


class TestShared:
    """A token that is shown for many channels."""

    def test_once(self, grants: Grants, app: App) -> None:
        """It may be large, and is kept once; another token of the same user is another."""
        here, (text, token) = verifier(), channel_token("ann", "*", now=0.0)
        for name in ("private-1", "private-2"):
            grants.put(name, Grant("ann", 0.0, here.accept(text, app, now=0.0)))
        grants.put("private-3", Grant("ann", 0.0, shown(app)))

        kept: list[Grant] = []

        def judge(_: str, grant: Grant) -> bool:
            kept.append(grant)
            return False

        assert grants.named(judge) == []
        assert kept[0] is kept[1]
        assert kept[0].verified is not None
        assert kept[0].verified.token == token
        assert kept[2].verified != kept[0].verified
