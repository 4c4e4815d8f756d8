"""Whose a connection is."""

from math import inf
from typing import Any

import pytest

from libs.common.apps.app import App
from services.gateway.access.verifier import Verified, Verifier
from services.gateway.access.whose import Whose
from services.gateway.protocol.effects import NOBODYS, BelongsTo
from services.gateway.protocol.frames import User
from tests.support.tokens.channel_tokens import channel_token
from tests.unit.gateway.conftest import GRACE

TTL = 20.0
EVE = User("eve", '{"device":"desk"}', ())


@pytest.fixture
def whose() -> Whose:
    return Whose(None)


class Shown:
    """Makes tokens that were accepted."""

    def __init__(self, known: Verifier, app: App) -> None:
        self._known = known
        self._app = app

    def __call__(self, user: str, **more: Any) -> Verified:
        text, _ = channel_token(user, "*", now=0.0, ttl=TTL, **more)
        return self._known.accept(text, self._app, now=0.0)


@pytest.fixture
def shown(known: Verifier, app: App) -> Shown:
    return Shown(known, app)


class TestOrder:
    """Sign-in, token, grant: the first of these that there is."""

    def test_nobody(self, whose: Whose) -> None:
        assert whose.told(None) == []
        assert whose.ends_at == inf

    def test_grant(self, whose: Whose) -> None:
        """
        The last grant counts; what is the same is not said again.
        """
        whose.grant("ann", "")
        assert whose.told(None) == [BelongsTo("ann", "")]
        whose.grant("ann", '{"name":"Ann"}')
        assert whose.told(None) == []
        whose.grant("bob", '{"device":"phone"}')
        assert whose.told(None) == [BelongsTo("bob", "phone")]

    def test_token(self, whose: Whose, shown: Shown) -> None:
        """
        A token counts before grants, whichever comes last; of tokens the last one shown.
        """
        whose.show(shown("ann", user_info={"device": "phone"}))
        whose.grant("bob", "")
        assert whose.told(None) == [BelongsTo("ann", "phone")]
        whose.show(shown("cat"))
        assert whose.told(None) == [BelongsTo("cat", "")]

    def test_sign_in(self, whose: Whose, shown: Shown) -> None:
        """
        A sign-in counts before all; once it is undone what was shown counts again.
        """
        whose.show(shown("ann"))
        assert whose.told(EVE) == [BelongsTo("eve", "desk")]
        whose.show(shown("bob"))
        assert whose.told(EVE) == []
        assert whose.told(None) == [BelongsTo("bob", "")]


class TestDevice:
    """What the client names it."""

    def test_kept(self, whose: Whose) -> None:
        """
        What says less of the same user takes nothing back, and another name counts.
        """
        whose.grant("eve", '{"device":"phone"}')
        assert whose.told(None) == [BelongsTo("eve", "phone")]
        whose.grant("eve", "")
        assert whose.told(None) == []
        assert whose.told(EVE) == [BelongsTo("eve", "desk")]


class TestEnd:
    """Tokens end."""

    def test_nobody_else(self, shown: Shown) -> None:
        """
        The token that the client connected with says whose it is until its grace is over.
        """
        whose = Whose(shown("ann"))
        assert whose.told(None) == [BelongsTo("ann", "")]
        assert whose.ends_at == TTL + GRACE

        whose.end(lambda verified: verified.ends_at <= TTL + GRACE)

        assert whose.told(None) == [NOBODYS]
        assert whose.ends_at == inf

    def test_falls_back(self, shown: Shown) -> None:
        """
        When the last one is revoked the one that it connected with counts again, then the grant.
        """
        first, last = shown("ann"), shown("bob")
        whose = Whose(first)
        whose.grant("cat", "")
        whose.show(shown("dan"))
        whose.show(last)
        assert whose.told(None) == [BelongsTo("bob", "")]

        whose.end(lambda verified: verified is last)
        assert whose.told(None) == [BelongsTo("ann", "")]
        whose.end(lambda verified: verified is first)
        assert whose.told(None) == [BelongsTo("cat", "")]

    def test_shown_again(self, shown: Shown) -> None:
        """
        The last one shown counts, whether or not it is the one that the client connected with.
        """
        first, other = shown("ann"), shown("bob")
        whose = Whose(first)
        for each in (other, first, first):
            whose.show(each)

        assert whose.told(None) == [BelongsTo("ann", "")]
        whose.end(lambda verified: verified is first)
        assert whose.told(None) == [NOBODYS]
