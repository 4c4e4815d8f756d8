"""Sessions of clients with channel tokens: what these open, and what ends it."""

import json

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from services.gateway.access.verifier import Verifier
from services.gateway.protocol.effects import (
    NOBODYS,
    Ask,
    BelongsTo,
    KnownAs,
    Leave,
    Shows,
    SignedIn,
    Watch,
)
from services.gateway.protocol.frames import Member, User
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe, unsubscribe
from tests.support.tokens.channel_tokens import channel_token
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import errors, refusal, sent
from tests.unit.gateway.tokens import (
    LOBBY,
    OVER,
    OWN,
    ROOM,
    TTL,
    command,
    granted,
    join,
    lost,
    sign_in,
    text,
)


class TestOpened:
    """What a token opens."""

    @pytest.mark.parametrize("channel", [ROOM, "private-encrypted-room"])
    def test_private(self, session: Session, channel: str) -> None:
        """The channel is asked for, and whoever runs the session learns whose client it is."""
        shown, token = channel_token("ann", channel, now=0.0)

        effects = session.received(subscribe(channel, auth=shown), now=0)

        known = [KnownAs("ann"), Shows(frozenset({token.jti})), Watch(), BelongsTo("ann", "")]
        assert effects == [Ask(channel, None), *known]
        assert set(session.tokens) == {token.jti}

    def test_presence(self, session: Session) -> None:
        frame = subscribe(LOBBY, auth=text(LOBBY, user_info={"n": "A"}))

        asked = session.received(frame, now=0)[0]

        assert asked == Ask(LOBBY, Member("ann", '{"n":"A"}'))

    def test_known_once(self, session: Session) -> None:
        """Whose client it is is said once for each user."""
        join(session, ROOM, text())

        assert KnownAs("ann") not in session.received(subscribe(LOBBY, auth=text()), now=0)
        frame = subscribe("private-2", auth=text(user="bob"))
        assert KnownAs("bob") in session.received(frame, now=0)
        assert list(session.known_as) == ["ann", "bob"]

    def test_not_named(self, session: Session) -> None:
        answer = refusal(session.received(subscribe(ROOM, auth=text("private-2")), now=0))

        assert (answer["type"], answer["status"]) == ("AuthError", 403)

    @pytest.mark.parametrize(
        "auth", ["a.b.c", text(app="2"), text()[:-3], text(at=-TTL)], ids=range(4)
    )
    def test_bad(self, session: Session, auth: str) -> None:
        """A token that is not good is quoted nowhere, and opens nothing."""
        effects = session.received(subscribe(ROOM, auth=auth), now=0)

        answer = refusal(effects)
        assert (answer["type"], answer["status"]) == ("AuthError", 401)
        assert auth not in str(effects)
        assert not session.known_as

    def test_carried(self, carrying: Session) -> None:
        """One that came with the connection counts wherever no other is shown."""
        assert KnownAs("ann") in carrying.opened()

        asked = carrying.received(subscribe(ROOM), now=0)

        assert asked == [Ask(ROOM, None), Watch()]

    def test_carried_expired(self, carrying: Session) -> None:
        assert refusal(carrying.received(subscribe(ROOM), now=TTL))["status"] == 401

    def test_large_member(self, session: Session) -> None:
        """What is limited stays so, whoever vouches for it."""
        auth = text(LOBBY, user_info={"n": "x" * 20_000})

        assert refusal(session.received(subscribe(LOBBY, auth=auth), now=0))["status"] == 4301


class TestSignIn:
    """A token in ``pusher:signin``."""

    def test_user(self, session: Session) -> None:
        """The client is told who it is, as the token says."""
        effects = session.received(sign_in(text(user_info={"n": "A"})), now=0)

        user = User("ann", '{"n":"A"}', ())
        assert session.user == user
        assert effects[0] == SignedIn(user)
        (told,) = sent(effects)
        assert told["event"] == "pusher:signin_success"
        assert json.loads(told["data"]["user_data"]) == {"id": "ann", "user_info": {"n": "A"}}
        assert KnownAs("ann") in effects

    def test_bad(self, session: Session) -> None:
        assert errors(session.received(sign_in(text(app="2")), now=0)) == [4009]
        assert session.user is None

    def test_ends(self, session: Session) -> None:
        """With the token ends the sign-in: the user's own channel is lost, and the client hears why."""
        session.received(sign_in(text()), now=0)
        session.received(subscribe(OWN), now=0)
        session.admitted(OWN, None)

        assert session.next_tick == OVER
        effects = session.ticked(OVER)

        assert effects[0] == Leave(OWN)
        assert [frame["event"] for frame in sent(effects)] == [
            "pusher:subscription_error",
            "pusher:error",
        ]
        assert errors(effects) == [4009]
        assert session.user is None
        assert refusal(session.received(subscribe(OWN), now=OVER))["status"] == 401

    def test_ends_without_channel(self, session: Session) -> None:
        """Who never subscribed to its own channel is not told that it has left it."""
        session.received(sign_in(text()), now=0)

        left, told, belongs = session.ticked(OVER)

        assert (left, belongs) == (Leave(OWN), NOBODYS)
        assert errors([told]) == [4009]
        assert session.next_tick > OVER

    def test_another_after(self, session: Session) -> None:
        """Who is nobody any more may become anybody."""
        session.received(sign_in(text()), now=0)
        session.ticked(OVER)

        session.received(sign_in(text(user="bob", at=OVER)), now=OVER)

        assert session.user == User("bob", "null", ())

    @pytest.mark.parametrize("is_token", [True, False])
    def test_renewed(self, session: Session, app: App, *, is_token: bool) -> None:
        """Signing in anew in time goes on without a gap; Pusher's kind has no end."""
        session.received(sign_in(text()), now=0)
        who = '{"id":"ann"}'
        signed = sign_in(token(app, user_text(SOCKET_ID, who)), who)

        session.received(sign_in(text(at=TTL)) if is_token else signed, now=TTL)

        assert session.ticked(OVER) == []
        ended = errors(session.ticked(TTL + OVER))
        assert ended == ([4009] if is_token else [])

    def test_revoked(self, session: Session, known: Verifier) -> None:
        session.received(sign_in(text()), now=0)
        known.revoke(command("revoke", "ann"), now=1)

        assert errors(session.judged(1)) == [4009]
        assert session.judged(1) == []


class TestExpiry:
    """What a token opened ends with its grace."""

    @pytest.mark.parametrize("channel", [ROOM, LOBBY])
    def test_over(self, session: Session, channel: str) -> None:
        """Not before; then the channel is left, and the client told why."""
        join(session, channel, text())

        assert session.next_tick == OVER
        assert session.ticked(OVER - 0.01) == []
        why = lost(session.ticked(OVER), channel)
        assert (why["type"], why["status"]) == ("AuthError", 401)
        assert session.members() == []
        assert session.next_tick == 30.0

    def test_only_those(self, session: Session, app: App) -> None:
        """What other permissions opened stays."""
        join(session, ROOM, text())
        session.received(granted("private-2", app, user_id="ann", iat=0.0), now=0)
        session.admitted("private-2", None)

        lost(session.ticked(OVER), ROOM)
        assert session.ticked(OVER) == []

    @pytest.mark.parametrize("at", [10.0, TTL + 1])
    def test_renewed(self, session: Session, at: float) -> None:
        """A new token, also in the grace, keeps the channel open without a gap, until it ends itself."""
        join(session, ROOM, text())

        effects = session.received(subscribe(ROOM, auth=text(at=at)), now=at)

        (answer,) = sent(effects)
        assert answer["event"] == "pusher_internal:subscription_succeeded"
        assert Watch() in effects
        assert session.next_tick == at + OVER
        assert session.ticked(OVER) == []
        lost(session.ticked(at + OVER), ROOM)

    def test_renewed_with_a_grant(self, session: Session, app: App) -> None:
        """A permission of Pusher's kind in its place has no end, whether it says whose it is or not."""
        join(session, ROOM, text())
        join(session, "private-2", text())

        session.received(granted(ROOM, app), now=TTL)
        session.received(granted("private-2", app, user_id="ann", iat=TTL), now=TTL)

        assert session.ticked(OVER) == []
        assert session.next_tick == TTL + 30

    def test_refused_anew(self, session: Session) -> None:
        """A new token that is not good changes nothing."""
        join(session, ROOM, text())

        session.received(subscribe(ROOM, auth="a.b.c"), now=TTL)

        lost(session.ticked(OVER), ROOM)

    def test_as_another_member(self, session: Session) -> None:
        """Another user's token does not keep a member there: it stays whom it is, and ends with its own."""
        join(session, LOBBY, text())

        session.received(subscribe(LOBBY, auth=text(user="bob", at=TTL)), now=TTL)

        lost(session.ticked(OVER), LOBBY)

    def test_unsubscribed(self, session: Session) -> None:
        """Of a channel that was left nothing is said any more; whose the connection is ends."""
        join(session, ROOM, text())
        session.received(unsubscribe(ROOM), now=1)

        assert session.next_tick == OVER
        assert session.ticked(OVER) == [NOBODYS]
        assert session.next_tick == 31.0

    def test_while_joining(self, session: Session) -> None:
        """Who waits still is refused, and let in by no answer that comes later."""
        session.received(subscribe(ROOM, auth=text()), now=0)

        assert refusal(session.ticked(OVER))["status"] == 401
        assert session.admitted(ROOM, None) == [Leave(ROOM)]

    def test_left_while_joining(self, session: Session) -> None:
        session.received(subscribe(ROOM, auth=text()), now=0)
        session.received(unsubscribe(ROOM), now=1)

        assert session.ticked(OVER) == [NOBODYS]
        assert session.admitted(ROOM, None) == [Leave(ROOM)]

    def test_carried(self, carrying: Session) -> None:
        join(carrying, ROOM, "")

        lost(carrying.ticked(OVER), ROOM)

    def test_silent(self, session: Session) -> None:
        """A ping that waits for its answer does not put the end off."""
        join(session, ROOM, text(at=10.0), now=10.0)
        session.ticked(40.0 - 10.0)

        assert session.next_tick == 10 + OVER
        lost(session.ticked(10 + OVER), ROOM)
