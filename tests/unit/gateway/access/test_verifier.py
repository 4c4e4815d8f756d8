"""Channel tokens as a gateway takes them."""

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.control.commands import Command
from libs.common.policies.guards import Guards
from libs.common.tokens.channel_tokens import StaleToken, TokenRequest, issue
from libs.common.tokens.key_ring import BadChannelToken, KeyRing
from libs.common.tokens.revocations import RevokedToken
from services.gateway.access.verifier import Verifier
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.support.tokens.keys import settings, token_key

NOW, TTL, GRACE = 1000.0, 60.0, 30.0
UTC = 1_700_000_000.0


def revoke(subject: str, *, kind: str, at: float = NOW) -> Command:
    return Command("revoke", "1", subject, at, at + 600, kind=kind)


def spoiled(text: str) -> str:
    """Change one character in the middle of the signature."""
    at = len(text) - 40
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


class TestDroppedKey:
    """docs/auth.md, "Rotating keys": to drop a key at once ends all that it has signed."""

    def test_as_if_revoked(self, app: App) -> None:
        """A token that was accepted is used no more, nor is it accepted again; those of other keys are."""
        ring = KeyRing(settings(token_key("old"), token_key("new", number=1)))
        here = Verifier(ring, grace=GRACE, guards=Guards(()))
        here.is_informed = True
        old, _ = issue(TokenRequest(user="7"), ring, app_id="1", now=NOW, jti="one")
        ring.replace(settings(token_key("new", number=1), token_key("old", signs=False)))
        new, _ = issue(TokenRequest(user="7"), ring, app_id="1", now=NOW, jti="two")
        lost, kept = here.accept(old, app, now=NOW), here.accept(new, app, now=NOW)

        ring.replace(settings(token_key("new", number=1)))

        assert [here.is_revoked(each, app, now=NOW) for each in (lost, kept)] == [True, False]
        here.check(kept, app, now=NOW)
        with pytest.raises(RevokedToken):
            here.check(lost, app, now=NOW)
        with pytest.raises(BadChannelToken):
            here.accept(old, app, now=NOW)


class TestShorterTerms:
    """`tokens.max_ttl` that was lowered since a token was accepted."""

    def test_carried(self, app: App) -> None:
        """It opens nothing more: revocations are remembered for as long as the terms of now make it."""
        ring = KeyRing(settings(token_key(), ttl=600.0, max_ttl=600.0))
        here = Verifier(ring, grace=GRACE, guards=Guards())
        here.is_informed = True
        text, _ = issue(TokenRequest(user="7"), ring, app_id="1", now=NOW, jti="one")
        verified = here.accept(text, app, now=NOW)

        ring.replace(settings(token_key(), ttl=60.0, max_ttl=60.0))

        with pytest.raises(StaleToken):
            here.check(verified, app, now=NOW)


class TestAccept:
    """Tokens that are presented."""

    def test_good(self, app: App) -> None:
        """What it says is known, and until when what it opens stays open."""
        text, token = channel_token("ann", "private-1", now=NOW, ttl=TTL)

        verified = verifier(grace=GRACE).accept(text, app, now=NOW)

        assert (verified.token, verified.ends_at) == (token, NOW + TTL + GRACE)

    def test_clocks(self, app: App) -> None:
        """Tokens speak of UTC, and a gateway's own time is another: both are kept in step."""
        here = verifier(grace=GRACE)
        here.tune(now=5.0, utc=UTC)
        text, _ = channel_token(now=UTC, ttl=TTL)

        assert here.utc(7.0) == UTC + 2
        assert here.accept(text, app, now=5.0).ends_at == 5.0 + TTL + GRACE
        with pytest.raises(StaleToken):
            here.accept(text, app, now=5.0 + TTL)

    @pytest.mark.parametrize("late", [0.0, GRACE - 1])
    def test_expired(self, app: App, late: float) -> None:
        """The grace is for what is open: nothing is opened by what has expired."""
        text, _ = channel_token(now=NOW, ttl=TTL)

        with pytest.raises(StaleToken):
            verifier(grace=GRACE).accept(text, app, now=NOW + TTL + late)

    def test_other_app(self, app: App) -> None:
        text, _ = channel_token(now=NOW, app="2")

        with pytest.raises(BadChannelToken):
            verifier().accept(text, app, now=NOW)

    def test_spoiled(self, app: App) -> None:
        text, _ = channel_token(now=NOW)

        with pytest.raises(BadChannelToken):
            verifier().accept(spoiled(text), app, now=NOW)

    @pytest.mark.parametrize("kind", ["jti", "token", "user"])
    def test_revoked(self, app: App, kind: str) -> None:
        """However it was revoked."""
        here = verifier()
        text, token = channel_token("ann", now=NOW)
        here.revoke(revoke("ann" if kind == "user" else token.jti, kind=kind), now=NOW)

        with pytest.raises(RevokedToken):
            here.accept(text, app, now=NOW)

    def test_newer_than_revocation(self, app: App) -> None:
        """A user who comes back with a newer token is let in."""
        here = verifier()
        here.revoke(revoke("ann", kind="user"), now=NOW)
        text, token = channel_token("ann", now=NOW + 1)

        assert here.accept(text, app, now=NOW + 1).token == token

    def test_revocation_in_other_app(self, app: App) -> None:
        here = verifier()
        text, _ = channel_token("ann", now=NOW)
        command = msgspec.structs.replace(revoke("ann", kind="user"), app="2")
        here.revoke(command, now=NOW)

        assert here.accept(text, app, now=NOW)


class TestCheck:
    """Tokens that are used again."""

    def test_good(self, app: App) -> None:
        """Until it expires, and not in its grace."""
        here = verifier(grace=GRACE)
        text, _ = channel_token(now=NOW, ttl=TTL)
        verified = here.accept(text, app, now=NOW)

        here.check(verified, app, now=NOW + TTL - 0.01)
        with pytest.raises(StaleToken):
            here.check(verified, app, now=NOW + TTL)

    def test_revoked(self, app: App) -> None:
        """Not once it was revoked."""
        here = verifier()
        text, token = channel_token(now=NOW)
        verified = here.accept(text, app, now=NOW)
        assert not here.is_revoked(verified, app, now=NOW)

        here.revoke(revoke(token.jti, kind="jti"), now=NOW)

        assert here.is_revoked(verified, app, now=NOW)
        with pytest.raises(RevokedToken):
            here.check(verified, app, now=NOW)
