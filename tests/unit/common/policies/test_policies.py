"""Who may join which channel."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.policies.policies import BadPolicy, Decision, Needs, Policies
from libs.common.policies.settings import ChannelPolicy


@dataclass(frozen=True, slots=True)
class User:
    """A `Person`."""

    id: str
    info: dict[str, Any]
    claims: dict[str, Any]


def user(user_id: str = "7", **claims: Any) -> User:
    return User(user_id, {"name": "Ann"}, claims)


def policies(*rules: tuple[str, str]) -> Policies:
    """Compile policies, each a pattern and a condition."""
    return Policies(
        ChannelPolicy(app="1", pattern=pattern, allow=allow) for pattern, allow in rules
    )


def allowed(pattern: str, allow: str, channel: str, who: User | None = None) -> bool:
    return policies((pattern, allow)).decide("1", channel, who or user()).allowed


class TestPattern:
    """What a pattern fits, and what it captures."""

    @pytest.mark.parametrize(
        "pattern,channel,condition",
        [
            ("presence-chat", "presence-chat", "true"),
            ("private-company.{id}", "private-company.42", "id == '42'"),
            ("private-company.{id}", "private-company.a-b_c=@,;", "id == 'a-b_c=@,;'"),
            ("private-{kind}.{id}", "private-company.42", "kind == 'company' && id == '42'"),
            ("private-chat.{a}.{b}", "private-chat.1.2", "a == '1' && b == '2'"),
            ("private-user.{id*}", "private-user.ann@example.org", "id == 'ann@example.org'"),
            ("private-{x*}.log", "private-a.b.log", "x == 'a.b'"),
            ("{all*}", "presence-chat", "all == 'presence-chat'"),
            ("private-{a}-{b}", "private-1-2", "a == '1' && b == '2'"),
        ],
    )
    def test_fits(self, pattern: str, channel: str, condition: str) -> None:
        assert allowed(pattern, condition, channel)

    @pytest.mark.parametrize(
        "pattern,channel",
        [
            ("private-company.{id}", "private-company."),
            ("private-company.{id}", "private-company.1.2"),
            ("private-company.{id}", "private-companyx1"),
            ("private-company.{id}", "xprivate-company.1"),
            ("private-company.{id}", "presence-company.1"),
            ("private-company.{id}", "Private-company.1"),
            ("private-company", "private-company.1"),
            ("private-a.b", "private-axb"),
            ("private-{x*}.log", "private-.log"),
        ],
    )
    def test_does_not_fit(self, pattern: str, channel: str) -> None:
        """A pattern speaks of whole names; a capture takes a character at least."""
        decision = policies((pattern, "true")).decide("1", channel, user())

        assert decision == Decision(allowed=False, pattern="", reason="no policy fits the channel")

    @pytest.mark.parametrize(
        "pattern,reason",
        [
            ("private-#{id}", "'private-#'"),
            ("private chat", "'private chat'"),
            ("private-{id", "'private-{id'"),
            ("private-id}", "'private-id}'"),
            ("private-{}", "{} is no capture"),
            ("private-{a.b}", "{a.b} is no capture"),
            ("private-{1}", "{1} is no capture"),
            ("private-{id**}", "{id**} is no capture"),
            ("private-{ä}", "{ä} is no capture"),
            ("private-{id}.{id}", "'id' is taken"),
            ("private-{user}", "'user' is taken"),
            ("private-{claims*}", "'claims' is taken"),
        ],
    )
    def test_bad_pattern(self, pattern: str, reason: str) -> None:
        """What an operator gets wrong is found at the start, and named."""
        with pytest.raises(BadPolicy) as caught:
            policies((pattern, "true"))

        assert reason in caught.value.reason
        assert repr(pattern) in str(caught.value)

    @given(st.text("abc-_=@,.;", min_size=1, max_size=20))
    def test_captures_everything(self, name: str) -> None:
        """Any name that is allowed can be captured whole."""
        assert allowed("private-{name*}", "name == claims.n", f"private-{name}", user(n=name))


class TestAllow:
    """CEL over claims, user and captures."""

    @pytest.mark.parametrize(
        "condition",
        [
            "true",
            "id in claims.companies",
            "user.id == '7'",
            "user.info.name == 'Ann'",
            "claims.roles.exists(role, role == 'admin')",
            "claims.numbers.exists(number, string(number) == id)",
            "claims.tenant == 'acme' && id == '42'",
            "claims.absent == 'x' || id == '42'",
            "!has(claims.absent)",
            "user['id'] == '7'",
            "claims.user.name == 'Ann' && user.id == '7'",
            "claims.users.exists(user, user.name == 'Ann')",
            "'user.name' != user.id",
        ],
    )
    def test_yes(self, condition: str) -> None:
        who = user(companies=["42"], roles=["admin"], numbers=[42], tenant="acme")
        who.claims.update(user={"name": "Ann"}, users=[{"name": "Ann"}])

        assert allowed("private-x.{id}", condition, "private-x.42", who)

    @pytest.mark.parametrize(
        "condition,reason",
        [
            ("false", "allow is false"),
            ("id in claims.companies", "allow is false"),
            ("id in claims.numbers", "allow is false"),
            ("id in claims.absent", "'absent' is absent"),
            ("claims.absent.deep == id", "'absent' is absent"),
            ("id in claims.secret", "another type"),
            ("claims.nothing.x == id", "another type"),
            ("int(claims.secret) == 1", "another type"),
            ("user.id", "neither true nor false"),
            ("claims.companies", "neither true nor false"),
            ("'true'", "neither true nor false"),
            ("1", "neither true nor false"),
            ("claims.nothing", "neither true nor false"),
            ("unescape(claims.secret) == id", "unescape() takes a text that is spelled as"),
            ("escape(claims.nothing) == id", "escape() takes a text"),
        ],
    )
    def test_no(self, condition: str, reason: str) -> None:
        """Only `true` lets in; what cannot be evaluated is a no, and the reason quotes no claim."""
        who = user(companies=["1"], numbers=[42], secret="hidden words", nothing=None)

        decision = policies(("private-x.{id}", condition)).decide("1", "private-x.42", who)

        assert not decision.allowed
        assert decision.pattern == "private-x.{id}"
        assert reason in decision.reason
        assert "hidden" not in decision.reason

    @pytest.mark.parametrize(
        "condition", ["user.id == unescape(user_id)", "escape(user.id) == user_id"]
    )
    @pytest.mark.parametrize(
        "user_id,part", [("7", "7"), ("auth0|5f", "auth0=7C5f"), ("ann@x.org", "ann=40x=2Eorg")]
    )
    def test_escaped(self, condition: str, user_id: str, part: str) -> None:
        """A channel is its user's whatever the id is made of, and nobody else's."""
        pattern, channel = "private-user.{user_id}", f"private-user.{part}"

        assert allowed(pattern, condition, channel, user(user_id))
        assert not allowed(pattern, condition, channel, user("8"))
        assert not allowed(pattern, condition, "private-user.auth0=7c5f", user(user_id))

    @pytest.mark.parametrize(
        "condition,reason",
        [
            ("claim.companies", "'claim'"),
            ("company == '1'", "'company'"),
            ("id in", "not a CEL expression"),
            ("lookup(id)", "'lookup'"),
            ("id == user.name", "unknown name 'user.name' (at character 7): user has id and info"),
            ("has(user.info) && user . email == id", "unknown name 'user.email' (at character 19)"),
        ],
    )
    def test_bad_condition(self, condition: str, reason: str) -> None:
        """What an operator gets wrong is found at the start, and named."""
        with pytest.raises(BadPolicy) as caught:
            policies(("private-x.{id}", condition))

        assert reason in caught.value.reason
        assert "'private-x.{id}'" in str(caught.value)


class TestOrder:
    """The first pattern that fits decides."""

    RULES = policies(
        ("private-admin.security", "'security' in claims.roles"),
        ("private-admin.{topic}", "'admin' in claims.roles"),
    )

    def test_first(self) -> None:
        """A no of the first that fits is not overruled by a yes further down."""
        admin, guard = user(roles=["admin"]), user(roles=["security"])

        assert not self.RULES.decide("1", "private-admin.security", admin).allowed
        assert self.RULES.decide("1", "private-admin.security", guard).allowed
        assert self.RULES.decide("1", "private-admin.health", admin).allowed
        assert not self.RULES.decide("1", "private-admin.health", guard).allowed

    def test_names_the_policy(self) -> None:
        decision = self.RULES.decide("1", "private-admin.health", user(roles=["admin"]))

        assert decision == Decision(
            allowed=True, pattern="private-admin.{topic}", reason="allow is true"
        )


class TestApps:
    """Everything belongs to an app."""

    def test_own_policies_only(self) -> None:
        rules = Policies(
            [
                ChannelPolicy(app="1", pattern="presence-chat", allow="true"),
                ChannelPolicy(app="2", pattern="presence-room", allow="true"),
            ]
        )

        assert rules.decide("1", "presence-chat", user()).allowed
        assert rules.decide("2", "presence-room", user()).allowed
        assert not rules.decide("1", "presence-room", user()).allowed
        assert not rules.decide("2", "presence-chat", user()).allowed
        assert not rules.decide("3", "presence-chat", user()).allowed


def needing(member_of: str, *, allow: str = "", pattern: str = "private-x.{id}") -> Policies:
    """Compile a policy that asks for a membership."""
    return Policies([ChannelPolicy(app="1", pattern=pattern, allow=allow, member_of=member_of)])


class TestMemberships:
    """A policy may want the user to be a member of a group."""

    @pytest.mark.parametrize("allow", ["", "true", "id == '5'"])
    def test_asked(self, allow: str) -> None:
        """Whoever the condition lets in must be a member too."""
        outcome = needing("x:{id}", allow=allow).decide("1", "private-x.5", user())

        assert outcome == Needs("x:5", "private-x.{id}")
        assert not outcome.allowed

    @pytest.mark.parametrize("allow", ["false", "claims.absent", "1", "id == '6'"])
    def test_not_asked(self, allow: str) -> None:
        """Of whom the condition refuses nothing is asked."""
        outcome = needing("x:{id}", allow=allow).decide("1", "private-x.5", user())

        assert isinstance(outcome, Decision)
        assert not outcome.allowed

    @pytest.mark.parametrize(
        "member_of,pattern,channel,group",
        [
            ("staff", "private-x.{id}", "private-x.5", "staff"),
            ("{id}", "private-x.{id}", "private-x.5", "5"),
            ("{id*}", "private-x.{id*}", "private-x.a@b.org", "a@b.org"),
            ("{b}:{a}", "private-{a}.{b}", "private-1.2", "2:1"),
            ("{a}.{b}", "private-{a}.{b}", "private-1.2", "1.2"),
            ("{a}/{a}", "private-{a}.{b}", "private-1.2", "1/1"),
            ("Ü {id}", "private-x.{id}", "private-x.5", "Ü 5"),
        ],
    )
    def test_group(self, member_of: str, pattern: str, channel: str, group: str) -> None:
        """A group's name is made of what the pattern captured."""
        outcome = needing(member_of, pattern=pattern).decide("1", channel, user())

        assert outcome == Needs(group, pattern)

    @pytest.mark.parametrize(
        "is_member,reason",
        [
            (True, "the user is a member of x:5"),
            (False, "the user is not a member of x:5"),
        ],
    )
    def test_decided(self, *, is_member: bool, reason: str) -> None:
        decision = Needs("x:5", "private-x.{id}").decided(is_member=is_member)

        assert decision == Decision(is_member, "private-x.{id}", reason)

    @pytest.mark.parametrize(
        "member_of,reason",
        [
            ("x:{campaign}", "{campaign} is not captured by the pattern"),
            ("x:{}", "{} is not captured by the pattern"),
            ("x:{id", "'x:{id' cannot stand in a group's name"),
            ("x:{id}}", "'}' cannot stand in a group's name"),
            ("x\n:{id}", "cannot stand in a group's name"),
            ("x" * 201, "longer than 200 characters"),
            ("{id}{topic}", "two channels could ask for the same group"),
            ("{id}-{topic}", "between {id} and {topic} must stand a character"),
            ("{wide}.{id}", "between {wide} and {id} must stand a character"),
        ],
    )
    def test_refused(self, member_of: str, reason: str) -> None:
        """What cannot work stops the start, and says where."""
        with pytest.raises(BadPolicy) as raised:
            needing(member_of, pattern="private-{id}.{topic}.{wide*}")

        assert "member_of: " in str(raised.value)
        assert reason in str(raised.value)

    def test_first_decides(self) -> None:
        """A later policy is no second chance for whoever is no member."""
        rules = Policies(
            [
                ChannelPolicy(app="1", pattern="private-x.{id}", member_of="x:{id}"),
                ChannelPolicy(app="1", pattern="{any*}", allow="true"),
            ]
        )

        assert rules.decide("1", "private-x.5", user()) == Needs("x:5", "private-x.{id}")
        assert rules.decide("1", "private-y.5", user()).allowed

    def test_tried(self) -> None:
        """Which policies were looked at, up to the one that decided, and what it captured."""
        rules = policies(
            ("private-x.{id}", "true"), ("private-{a}.{b}", "true"), ("{any*}", "true")
        )

        assert list(rules.tried("1", "private-y.5")) == [
            ("private-x.{id}", None),
            ("private-{a}.{b}", {"a": "y", "b": "5"}),
        ]
        assert list(rules.tried("2", "private-y.5")) == []
