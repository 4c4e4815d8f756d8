"""Whatever a client does, and in whichever order: it is in a guarded channel only as long as it has a right to."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.common.apps import App
from libs.common.limits import Limits
from libs.common.policy_settings import ChannelPolicy
from libs.common.secret import Secret
from libs.common.signing import token, user_text
from services.gateway.effects import Ask, Effect, Leave, Refuse, Send
from services.gateway.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.passes import channel_token, passes
from tests.support.pusher import read, subscribe, unsubscribe
from tests.unit.gateway.conftest import GRACE, SOCKET_ID
from tests.unit.gateway.tokens import order, sign_in

APP = App(id="1", key="k", secrets=(Secret("s"),), limits=Limits(channels=10))
GUARD = ChannelPolicy(app="1", pattern="of.{tenant}", allow="claims.tenant == tenant")
TENANTS = st.sampled_from(["a", "b"])
TTL = 20.0
LOOKS = 50  # At what is due in half a minute.
WAIT = GatewaySettings().sign_in_wait


class Client(RuleBasedStateMachine):
    """One client of a gateway with a guard, and what it may be in."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.passes = passes(GUARD, grace=GRACE)
        self.session = Session(APP, SOCKET_ID, GatewaySettings(), now=0.0, passes=self.passes)
        self.here: set[str] = set()
        self.questions: list[str] = []
        self.waiting: dict[str, float] = {}  # What was asked for, and by when it must be answered.
        self.signed_in = ""  # The tenant of which the client is since it signed in.
        self.signed_in_until = 0.0
        self.shown: dict[
            str, float
        ] = {}  # Channels that a token of their tenant opened, and until when.

    def see(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self.questions.append(effect.channel)
            elif isinstance(effect, Leave):
                self.here.discard(effect.channel)
            elif isinstance(effect, Send | Refuse):
                self.hear(read(effect.frame))

    def hear(self, frame: dict[str, str]) -> None:
        channel = frame.get("channel", "")
        if frame["event"] in {
            "pusher_internal:subscription_succeeded",
            "pusher:subscription_error",
        }:
            self.waiting.pop(channel, None)
        if frame["event"] == "pusher_internal:subscription_succeeded":
            self.here.add(channel)

    @rule(tenant=TENANTS)
    def subscribes(self, tenant: str) -> None:
        name = f"of.{tenant}"
        self.waiting[name] = self.now + WAIT
        self.see(self.session.received(subscribe(name), now=self.now))

    @rule(tenant=TENANTS, of=TENANTS)
    def shows_a_token(self, tenant: str, of: str) -> None:
        name = f"of.{tenant}"
        text, _ = channel_token("ann", now=self.now, ttl=TTL, claims={"tenant": of})
        self.waiting[name] = self.now + WAIT
        if of == tenant:
            self.shown[name] = self.now + TTL + GRACE
        self.see(self.session.received(subscribe(name, auth=text), now=self.now))

    @rule(tenant=TENANTS)
    def unsubscribes(self, tenant: str) -> None:
        self.waiting.pop(f"of.{tenant}", None)
        self.see(self.session.received(unsubscribe(f"of.{tenant}"), now=self.now))

    @rule(tenant=TENANTS)
    def signs_in(self, tenant: str) -> None:
        data = json.dumps({"id": "ann", "claims": {"tenant": tenant}})
        self.signed_in, self.signed_in_until = tenant, float("inf")
        frame = sign_in(token(APP, user_text(SOCKET_ID, data)), data)
        self.see(self.session.received(frame, now=self.now))

    @rule(tenant=TENANTS)
    def signs_in_with_a_token(self, tenant: str) -> None:
        text, _ = channel_token("ann", now=self.now, ttl=TTL, claims={"tenant": tenant})
        self.signed_in, self.signed_in_until = tenant, self.now + TTL + GRACE
        self.see(self.session.received(sign_in(text), now=self.now))

    @rule()
    def is_let_in(self) -> None:
        if self.questions:
            self.see(self.session.admitted(self.questions.pop(0), None))

    @rule()
    def is_revoked(self) -> None:
        self.now += 0.01
        self.passes.revoke(order("revoke", "ann", at=self.now), now=self.now)
        self.see(self.session.judged(self.now))
        self.now += 0.01
        self.shown.clear()
        if self.signed_in_until < float("inf"):
            self.signed_in = ""

    @rule(seconds=st.sampled_from([1.0, 9.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(LOOKS):
            if self.session.next_tick > until:
                break
            self.now = max(self.now, self.session.next_tick)
            self.session.heard(self.now)  # It answers pings.
            self.see(self.session.ticked(self.now))
        assert self.session.next_tick > until, "what was due was not done"
        self.now = until

    @invariant()
    def is_where_it_may_be(self) -> None:
        for name in self.here:
            tenant = name.removeprefix("of.")
            by_sign_in = self.signed_in == tenant and self.now < self.signed_in_until
            assert by_sign_in or self.now < self.shown.get(name, 0.0), name

    @invariant()
    def is_answered(self) -> None:
        for name, by in self.waiting.items():
            assert self.now < by or name in self.questions, name


TestClient = Client.TestCase
TestClient.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
