"""Subscribes to guarded channels, and tokens, that wait until it is known who their client is."""

import msgspec
import pytest

from libs.common.apps.limits import Limits
from libs.common.policies.guards import Guards
from services.gateway.access.verifier import Verifier
from services.gateway.protocol.effects import Leave, Watch
from services.gateway.session.session import NOT_KNOWN, Session
from tests.support.clients.pusher import subscribe, subscribe_private, unsubscribe
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import GRACE, SOCKET_ID
from tests.unit.gateway.conversation import errors, refusal, sent
from tests.unit.gateway.guarded import GUARD, OURS, THEIRS, WAIT, asked, join, of_tenant, signed
from tests.unit.gateway.tokens import OVER, command, sign_in, text


@pytest.fixture
def known() -> Verifier:
    return verifier(GUARD, grace=GRACE)


class TestWaiting:
    """A subscribe that comes before the sign-in: pusher-js does it so, and never repeats one that was refused."""

    def test_signs_in(self, session: Session) -> None:
        assert session.received(subscribe(OURS), now=1) == [Watch()]
        assert session.received(subscribe(THEIRS), now=2) == [Watch()]
        assert session.next_tick == 1 + WAIT

        effects = session.received(signed(session.app, claims={"tenant": "a"}), now=3)

        assert asked(effects) == [OURS]
        told = [(frame["event"], frame.get("channel")) for frame in sent(effects)]
        assert told == [("pusher:signin_success", None), ("pusher:subscription_error", THEIRS)]
        assert session.ticked(1 + WAIT) == []

    def test_does_not(self, session: Session) -> None:
        """It is refused when its time is over, and not before."""
        session.received(subscribe(OURS), now=1)

        assert session.ticked(1 + WAIT - 0.1) == []
        answer = refusal(session.ticked(1 + WAIT))

        assert (answer["type"], answer["status"]) == ("AuthError", 401)
        assert session.next_tick > 1 + WAIT

    def test_unsubscribes(self, session: Session) -> None:
        session.received(subscribe(OURS), now=1)
        assert session.received(unsubscribe(OURS), now=1) == []

        assert asked(session.received(signed(session.app, claims={"tenant": "a"}), now=2)) == []
        assert session.ticked(1 + WAIT) == []

    def test_again(self, session: Session) -> None:
        """Asking twice is asking once, for as long as since the last time."""
        session.received(subscribe(OURS), now=1)
        session.received(subscribe(OURS), now=2)

        assert session.next_tick == 2 + WAIT
        effects = session.received(signed(session.app, claims={"tenant": "a"}), now=3)
        assert asked(effects) == [OURS]

    def test_takes_room(self, session: Session) -> None:
        """It counts as a channel of the connection."""
        for number in range(3):
            session.received(subscribe(f"products.{number}"), now=1)

        assert refusal(session.received(subscribe("products.9"), now=1))["type"] == "LimitReached"

    def test_closed(self, session: Session) -> None:
        session.received(subscribe(OURS), now=1)

        assert session.closed() == []
        assert session.informed(2) == []

    def test_signs_in_late(self, session: Session) -> None:
        """One that was told of goes on waiting: pusher-js could not ask again, and is told once."""
        session.received(subscribe(OURS), now=1)
        session.received(subscribe(THEIRS), now=1)
        assert len(sent(session.ticked(1 + WAIT))) == 2
        assert session.ticked(2 + WAIT) == []

        effects = session.received(signed(session.app, claims={"tenant": "a"}), now=3 + WAIT)

        assert asked(effects) == [OURS]
        assert sent(effects)[-1]["data"]["status"] == 403

    def test_is_not_known(self, session: Session) -> None:
        """Who waits has proved nothing."""
        session.app = msgspec.structs.replace(session.app, auth_timeout=5.0)
        session.received(subscribe(OURS), now=1)

        assert session.ticked(5.0) == [NOT_KNOWN]

    def test_is_let_in(self, session: Session) -> None:
        """Who joins with a token is known, in a guarded channel as in a private one."""
        session.app = msgspec.structs.replace(session.app, auth_timeout=5.0)
        join(session, OURS, of_tenant("a"))

        assert session.ticked(5.0) == []

    def test_hides_nothing(self, session: Session) -> None:
        """However many wait, and for however long, what else is due is done."""
        session.app = msgspec.structs.replace(session.app, limits=Limits(channels=100))
        join(session, "private-x", text("private-x"))

        left = [now for now in range(1, 50) if self._looked_at(session, float(now))]

        assert left == [OVER]

    def _looked_at(self, session: Session, now: float) -> bool:
        session.received(subscribe(f"products.{now:g}"), now=now)
        return Leave("private-x") in session.ticked(now)

    def test_left_before(self, session: Session, known: Verifier) -> None:
        """One that follows on a subscribe and an unsubscribe waits, whatever becomes of the first."""
        guards, known.guards = known.guards, Guards()
        session.received(subscribe(OURS), now=0)
        session.received(unsubscribe(OURS), now=1)
        known.guards = guards

        assert session.received(subscribe(OURS), now=2) == [Watch()]
        assert session.admitted(OURS, None) == [Leave(OURS)]
        assert asked(session.received(signed(session.app, claims={"tenant": "a"}), now=3)) == [OURS]

    @pytest.mark.parametrize("is_answered", [False, True])
    def test_guarded_since(self, session: Session, known: Verifier, *, is_answered: bool) -> None:
        """Who was there, or on its way, before there was a guard is told at once that it cannot join anew."""
        guards, known.guards = known.guards, Guards()
        session.received(subscribe(OURS), now=0)
        if is_answered:
            session.admitted(OURS, None)
        known.guards = guards

        assert refusal(session.received(subscribe(OURS), now=1))["status"] == 401

    def test_guard_lifted(self, session: Session, known: Verifier) -> None:
        """Without the guard, who waits is let in."""
        session.received(subscribe(OURS), now=1)
        known.guards = Guards()

        assert asked(session.informed(2)) == [OURS]

    @pytest.mark.parametrize("told_before", [False, True])
    def test_replaced(self, session: Session, *, told_before: bool) -> None:
        """Whoever waits is told once, and in time, however often policies are put in others' place."""
        session.received(subscribe(OURS), now=0)
        told = len(sent(session.ticked(WAIT))) if told_before else 0

        for now in (WAIT + 1 if told_before else 1, WAIT + 2 if told_before else 9):
            session.informed(now)
        later = sent(session.ticked(2 * WAIT + 3 if told_before else WAIT))

        assert told + len(later) == 1

    def test_of_before(self, session: Session, known: Verifier) -> None:
        """An answer to an earlier question is not for it."""
        session.received(subscribe(OURS, auth=of_tenant("a")), now=0)
        known.revoke(command("revoke", "ann"), now=1)
        assert refusal(session.judged(1))["status"] == 401
        session.received(subscribe(OURS), now=2)

        assert session.admitted(OURS, None) == [Leave(OURS)]

        assert asked(session.received(signed(session.app, claims={"tenant": "a"}), now=3)) == [OURS]


class TestUninformed:
    """A gateway that has just begun, and does not know yet what is revoked."""

    @pytest.fixture
    def known(self, known: Verifier) -> Verifier:
        known.is_informed = False
        return known

    def test_subscribe(self, session: Session, known: Verifier) -> None:
        """It takes no token, and refuses none: the client waits."""
        assert session.received(subscribe("private-1", auth=text("*")), now=1) == [Watch()]
        assert session.ticked(1 + WAIT) == []

        known.is_informed = True

        assert asked(session.informed(2)) == ["private-1"]

    def test_revoked_sign_in(self, session: Session, known: Verifier) -> None:
        """A client whose token turns out to be revoked is unknown, and must be looked at when that counts."""
        session.app = msgspec.structs.replace(session.app, auth_timeout=5)
        session.received(sign_in(of_tenant("a")), now=1)

        known.revoke(command("revoke", "ann"), now=1)
        known.is_informed = True

        assert Watch() in session.informed(8)
        assert session.ticked(8) == [NOT_KNOWN]

    def test_sign_in(self, session: Session, known: Verifier) -> None:
        """With what waits for it."""
        session.received(subscribe(OURS), now=1)
        assert session.received(sign_in(of_tenant("a")), now=1) == []

        known.is_informed = True
        effects = session.informed(2)

        assert [frame["event"] for frame in sent(effects)] == ["pusher:signin_success"]
        assert asked(effects) == [OURS]

    def test_revoked(self, session: Session, known: Verifier) -> None:
        session.received(subscribe("private-1", auth=text("*")), now=1)
        session.received(sign_in(text("*")), now=1)

        known.revoke(command("revoke", "ann"), now=1)
        known.is_informed = True
        effects = session.informed(2)

        assert [frame["event"] for frame in sent(effects)] == [
            "pusher:error",
            "pusher:subscription_error",
        ]

    def test_waits_as_long(self, session: Session, known: Verifier) -> None:
        """What needs the sign-in waits as long as that."""
        session.received(sign_in(of_tenant("a")), now=0)
        session.received(subscribe(OURS), now=0)
        assert session.ticked(WAIT) == []

        known.is_informed = True

        assert asked(session.informed(WAIT + 1)) == [OURS]

    def test_older(self, session: Session, known: Verifier) -> None:
        """A sign-in that waits does not undo one that came after it."""
        session.received(sign_in(text("private-x")), now=0)
        session.received(signed(session.app, claims={"tenant": "a"}), now=1)
        join(session, OURS)

        known.is_informed = True

        assert session.informed(2) == []

    def test_left(self, session: Session, known: Verifier) -> None:
        """Who unsubscribes waits for nothing, also where a first subscribe was on its way."""
        session.received(subscribe_private(session.app, SOCKET_ID, "private-1"), now=0)
        session.received(subscribe("private-1", auth=text("*")), now=1)
        session.received(unsubscribe("private-1"), now=2)

        known.is_informed = True

        assert session.informed(3) == []
        assert session.admitted("private-1", None) == [Leave("private-1")]

    def test_known(self, session: Session, known: Verifier) -> None:
        """Who shows a token is known as long as that may be good, and not when it is found revoked."""
        session.app = msgspec.structs.replace(session.app, auth_timeout=5.0)
        session.received(subscribe("private-1", auth=text("*")), now=1)
        assert session.ticked(6) == []

        known.revoke(command("revoke", "ann"), now=1)
        known.is_informed = True
        session.informed(7)

        assert session.ticked(7) == [NOT_KNOWN]

    def test_bad(self, session: Session) -> None:
        """What is no good token is refused at once."""
        auth = text("*", app="2")

        assert refusal(session.received(subscribe("private-1", auth=auth), now=1))["status"] == 401
        assert errors(session.received(sign_in(auth), now=1)) == [4009]
