"""Whatever a client does, and in whichever order: it is in a guarded channel only as long as it has a right to."""

import json
from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.signatures import token, user_text
from libs.common.config.secret import Secret
from libs.common.policies.settings import ChannelPolicy
from services.gateway.connections.timer_wheel import TimerWheel
from services.gateway.protocol.effects import Ask, Effect, Leave, Refuse, Send, Watch
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import read, subscribe, unsubscribe
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.conftest import GRACE, SOCKET_ID
from tests.unit.gateway.prompt import PromptSession
from tests.unit.gateway.tokens import command, sign_in

APP = App(id="1", key="k", secrets=(Secret("s"),), limits=Limits(channels=10))
GUARD = ChannelPolicy(app="1", pattern="of.{tenant}", allow="claims.tenant == tenant")
TENANTS = st.sampled_from(["a", "b"])
TTL = 20.0
WAIT = GatewaySettings().sign_in_wait
LATE = 2.0  # Seconds by which a look may be late, as there is one a second.


class Client(RuleBasedStateMachine):
    """One client of a gateway with a guard, which has just begun; and what it may be in."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.verifier = verifier(GUARD, grace=GRACE, informed=False)
        self.session = PromptSession(
            APP, SOCKET_ID, GatewaySettings(), now=0.0, verifier=self.verifier
        )
        self.wheel: TimerWheel[str] = TimerWheel()
        self.wheel.put("client", self.session.next_tick)
        self.wanted: set[str] = set()
        self.here: set[str] = set()
        self.questions: list[str] = []
        self.waiting: dict[str, float] = {}  # What was asked for, and by when it must be answered.
        self.signed_in = (
            "",
            0.0,
        )  # The tenant whose client it is since it signed in, and until when.
        self.signing_in = self.signed_in  # The same, of the sign-in that is not confirmed yet.
        self.shown: dict[str, float] = {}  # What a token opened, and until when.

    def see(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self.questions.append(effect.channel)
            elif isinstance(effect, Leave):
                self.here.discard(effect.channel)
            elif isinstance(effect, Watch):
                self.wheel.put("client", self.session.next_tick)
            elif isinstance(effect, Send | Refuse):
                self.hear(read(effect.frame))

    def hear(self, frame: dict[str, str]) -> None:
        channel = frame.get("channel", "")
        match frame["event"]:
            case "pusher:signin_success":
                self.signed_in = self.signing_in
            case "pusher:subscription_error":
                self.waiting.pop(channel, None)
            case "pusher_internal:subscription_succeeded":
                assert channel in self.wanted, "it has left"
                self.waiting.pop(channel, None)
                self.here.add(channel)

    def asks_for(self, tenant: str, auth: str = "") -> None:
        name = f"of.{tenant}"
        self.wanted.add(name)
        self.waiting[name] = self.now + WAIT + LATE
        self.see(self.session.received(subscribe(name, auth=auth), now=self.now))

    @rule(tenant=TENANTS)
    def subscribes(self, tenant: str) -> None:
        self.asks_for(tenant)

    @rule(tenant=TENANTS, of=TENANTS)
    def shows_a_token(self, tenant: str, of: str) -> None:
        text, _ = channel_token("ann", now=self.now, ttl=TTL, claims={"tenant": of})
        if of == tenant:
            self.shown[f"of.{tenant}"] = self.now + TTL + GRACE
        self.asks_for(tenant, text)

    @rule(tenant=TENANTS)
    def unsubscribes(self, tenant: str) -> None:
        name = f"of.{tenant}"
        self.wanted.discard(name)
        self.waiting.pop(name, None)
        self.see(self.session.received(unsubscribe(name), now=self.now))
        assert name not in self.here

    @rule(tenant=TENANTS)
    def signs_in(self, tenant: str) -> None:
        data = json.dumps({"id": "ann", "claims": {"tenant": tenant}})
        self.signing_in = (tenant, inf)
        frame = sign_in(token(APP, user_text(SOCKET_ID, data)), data)
        self.see(self.session.received(frame, now=self.now))

    @rule(tenant=TENANTS)
    def signs_in_with_a_token(self, tenant: str) -> None:
        text, _ = channel_token("ann", now=self.now, ttl=TTL, claims={"tenant": tenant})
        self.signing_in = (tenant, self.now + TTL + GRACE)
        self.see(self.session.received(sign_in(text), now=self.now))

    @rule()
    def is_let_in(self) -> None:
        if self.questions:
            self.see(self.session.admitted(self.questions.pop(0), None))

    @rule()
    def is_informed(self) -> None:
        self.verifier.is_informed = True
        for name in self.waiting:
            self.waiting[name] = self.now + WAIT + LATE
        self.see(self.session.informed(self.now))

    @rule()
    def is_revoked(self) -> None:
        self.now += 0.01
        self.verifier.revoke(command("revoke", "ann", at=self.now), now=self.now)
        self.see(self.session.judged(self.now))
        self.now += 0.01
        self.shown.clear()
        if self.signed_in[1] < inf:
            self.signed_in = ("", 0.0)

    @rule(seconds=st.sampled_from([0.6, 9.3, 30.0]))
    def time_passes(self, seconds: float) -> None:
        """There is a look at who is due, once a second, as `Ticker` has it."""
        until = self.now + seconds
        while int(self.now) < int(until):
            self.now = int(self.now) + 1.0
            self.session.heard(self.now)  # It answers pings.
            for client in self.wheel.take(self.now):
                self.see(self.session.ticked(self.now))
                self.wheel.put(client, max(self.now, self.session.next_tick))
        self.now = until

    @invariant()
    def is_where_it_may_be(self) -> None:
        tenant, until = self.signed_in
        for name in self.here:
            by_sign_in = name == f"of.{tenant}" and self.now < until + LATE
            assert by_sign_in or self.now < self.shown.get(name, 0.0) + LATE, name

    @invariant()
    def is_answered(self) -> None:
        for name, by in self.waiting.items():
            is_asked = name in self.questions or not self.verifier.is_informed
            assert self.now < by or is_asked, name


TestClient = Client.TestCase
TestClient.settings = settings(max_examples=100, stateful_step_count=30)
