"""Sessions whose tokens are revoked, and whose users are taken out of channels."""

import pytest

from libs.common.apps.app import App
from services.gateway.access.verifier import Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Ask, Leave
from services.gateway.protocol.frames import Member
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe
from tests.support.tokens.channel_tokens import channel_token
from tests.unit.gateway.conversation import refusal, sent
from tests.unit.gateway.tokens import LOBBY, ROOM, TTL, command, granted, join, lost, text


class TestRevoked:
    """Orders to revoke."""

    @pytest.mark.parametrize("channel", [ROOM, LOBBY])
    def test_by_name(self, session: Session, known: Verifier, channel: str) -> None:
        """The one token's channels are lost at once, those of another stay."""
        auth, said = channel_token("ann", "*", now=0.0, ttl=TTL)
        join(session, channel, auth)
        join(session, "private-2", text())
        known.revoke(command("revoke", said.jti, kind="jti"), now=1)

        why = lost(session.judged(1), channel)

        assert (why["type"], why["status"]) == ("AuthError", 401)
        assert refusal(session.received(subscribe(channel, auth=auth), now=1))["status"] == 401

    def test_by_user(self, session: Session, known: Verifier) -> None:
        """Tokens that were issued until then; not a newer one, nor another user's."""
        join(session, ROOM, text(at=0.5), now=0.5)
        join(session, "private-2", text(at=1.5), now=1.5)
        join(session, "private-3", text(user="bob", at=0.5), now=1.5)
        known.revoke(command("revoke", "ann", at=1.0), now=2)

        lost(session.judged(2), ROOM)

    def test_carried(self, carrying: Session, known: Verifier) -> None:
        join(carrying, ROOM, "")
        known.revoke(command("revoke", "ann"), now=1)

        lost(carrying.judged(1), ROOM)
        assert refusal(carrying.received(subscribe("private-2"), now=1))["status"] == 401

    def test_grants(self, session: Session, app: App, known: Verifier) -> None:
        """Permissions of Pusher's kind are no tokens."""
        session.received(granted(ROOM, app, user_id="ann", iat=0.0), now=0)
        session.admitted(ROOM, None)
        known.revoke(command("revoke", "ann"), now=1)

        assert session.judged(1) == []

    def test_while_joining(self, session: Session, known: Verifier) -> None:
        session.received(subscribe(LOBBY, auth=text()), now=0)
        known.revoke(command("revoke", "ann"), now=1)

        assert refusal(session.judged(1))["status"] == 401
        assert session.admitted(LOBBY, frames.joined(LOBBY, {})) == [Leave(LOBBY)]

    def test_gone(self, session: Session, known: Verifier) -> None:
        join(session, ROOM, text())
        session.closed()
        known.revoke(command("revoke", "ann"), now=1)

        assert session.judged(1) == []


class TestExpelled:
    """Orders to expel."""

    def test_by_pattern(self, session: Session, known: Verifier) -> None:
        """The channels that fit, and no others."""
        join(session, "private-a.1", text())
        join(session, "private-b.1", text())
        made = known.expel(command("expel", "ann", "private-a.*"), now=1)

        why = lost(session.expelled("ann", made), "private-a.1")

        assert (why["type"], why["status"]) == ("AuthError", 403)

    def test_presence(self, session: Session, known: Verifier) -> None:
        join(session, LOBBY, text())

        lost(session.expelled("ann", known.expel(command("expel", "ann", "*"), now=1)), LOBBY)
        assert session.members() == []

    def test_of_user(self, session: Session, known: Verifier) -> None:
        """Only what that user's permission opened."""
        join(session, ROOM, text(user="bob"))
        join(session, "private-2", text())
        made = known.expel(command("expel", "ann", "*"), now=1)

        lost(session.expelled("ann", made), "private-2")

    @pytest.mark.parametrize("given_at", [0.5, 1.0, 1.5])
    def test_of_before(self, session: Session, app: App, known: Verifier, given_at: float) -> None:
        """What was granted after the command was given stays, also where the command comes late."""
        session.received(granted(ROOM, app, user_id="ann", iat=given_at), now=2)
        session.admitted(ROOM, None)
        made = known.expel(command("expel", "ann", ROOM, at=1.0), now=3)

        assert bool(session.expelled("ann", made)) == (given_at <= 1.0)

    def test_kept_permission(self, session: Session, app: App, known: Verifier) -> None:
        """The permission that was kept opens nothing any more; a fresh one does."""
        old = granted(ROOM, app, user_id="ann", iat=0.5)
        session.received(old, now=0.5)
        session.admitted(ROOM, None)
        session.expelled("ann", known.expel(command("expel", "ann", ROOM), now=1))

        assert refusal(session.received(old, now=2))["status"] == 403
        fresh = session.received(granted(ROOM, app, user_id="ann", iat=1.5), now=2)
        assert fresh == [Ask(ROOM, None)]

    def test_back_end(self, session: Session, app: App, known: Verifier) -> None:
        """Of a permission that says only whose it is counts when it was shown."""
        session.received(granted(LOBBY, app, user_id="ann"), now=0.5)
        session.admitted(LOBBY, frames.joined(LOBBY, {}))

        lost(session.expelled("ann", known.expel(command("expel", "ann", "*"), now=1)), LOBBY)
        again = session.received(granted(LOBBY, app, user_id="ann"), now=2)
        assert again == [Ask(LOBBY, Member("ann", "null"))]

    def test_while_joining(self, session: Session, known: Verifier) -> None:
        """Who waits still is refused; who then asks with a fresh token, before the first answer, is let in."""
        session.received(subscribe(ROOM, auth=text()), now=0)
        made = known.expel(command("expel", "ann", ROOM), now=1)

        assert refusal(session.expelled("ann", made))["status"] == 403
        session.received(subscribe(ROOM, auth=text(at=2.0)), now=2)
        (answer,) = sent(session.admitted(ROOM, None))
        assert answer["event"] == "pusher_internal:subscription_succeeded"

    def test_asked_anew(self, session: Session, known: Verifier) -> None:
        """A member who is looking at the members anew is lost as well."""
        join(session, LOBBY, text())
        session.received(subscribe(LOBBY, auth=text()), now=0.5)

        lost(session.expelled("ann", known.expel(command("expel", "ann", "*"), now=1)), LOBBY)
        assert session.admitted(LOBBY, frames.joined(LOBBY, {})) == [Leave(LOBBY)]
