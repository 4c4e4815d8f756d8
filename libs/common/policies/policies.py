"""
Who may join which channel.

Pure.  Policies stand in an order; the first one whose pattern fits a channel decides, and a channel
that none fits is refused.  An expression that cannot be evaluated, because a claim is absent or of
another type, is a no.  A policy may want the user to be a member of a group; whether that is so is
asked elsewhere, and only of users whom the rest of the policy lets in.  A decision carries its
reason for the operator's log; the client is told only yes or no.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from libs.common.errors import Invalid, Misconfigured
from libs.common.expressions import BadArgument, BadRule, Expression, Unevaluable
from libs.common.findings.words import mismatches
from libs.common.policies.groups import BadTemplate, GroupTemplate
from libs.common.policies.patterns import BadPattern, Pattern
from libs.common.policies.settings import ChannelPolicy

NAMES = frozenset({"claims", "user"})
_FIELDS = ("id", "info")  # Of `user`.


class BadPolicy(Misconfigured):
    """A channel policy of the settings cannot work."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(f"the channel policy {pattern!r}: {reason}")
        self.pattern = pattern
        self.reason = reason


class Person(Protocol):
    """Whom a policy looks at."""

    @property
    def id(self) -> str:
        """The user's id as text."""

    @property
    def info(self) -> Mapping[str, Any]:
        """What others may see: ``user_info``."""

    @property
    def claims(self) -> Mapping[str, Any]:
        """All else that is said of the user."""


@dataclass(frozen=True, slots=True)
class Decision:
    """
    An answer, and why.

    Attributes:
        allowed: Whether the user may join.
        pattern: The pattern of the policy that decided; empty: none fits.
        reason: Why, for operators.
    """

    allowed: bool
    pattern: str
    reason: str


@dataclass(frozen=True, slots=True)
class Needs:
    """
    A decision that hangs on one thing: whether the user is a member of a group.

    Attributes:
        group: Such as ``campaign:5``.
        pattern: The pattern of the policy that wants it.
    """

    group: str
    pattern: str

    @property
    def allowed(self) -> bool:
        """Not yet: who forgets to ask lets nobody in."""
        return False

    @property
    def reason(self) -> str:
        """What it hangs on."""
        return f"whether the user is a member of {self.group} must be asked"

    def decided(self, *, is_member: bool) -> Decision:
        """Decide, now that it is known."""
        verb = "is" if is_member else "is not"
        reason = f"the user {verb} a member of {self.group}"
        return Decision(allowed=is_member, pattern=self.pattern, reason=reason)


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What a policy refused somebody on.

    Attributes:
        allow: The text of the condition that does not hold.
        variables: What it was evaluated on.
        captures: Those of them that are parts of the channel's name.
    """

    allow: str
    variables: Mapping[str, Any]
    captures: frozenset[str]

    @property
    def hint(self) -> str:
        """Where a number met a text, without a value; empty: nowhere."""
        return "; ".join(mismatches(self.allow, self.variables, self.captures, shows=False))


class Policies:
    """
    The policies of all apps, compiled.

    Args:
        policies: In the order of the settings; each names its app.

    Raises:
        BadPolicy: A pattern or an expression cannot be compiled, or a policy asks for what is not
            there.
    """

    def __init__(self, policies: Iterable[ChannelPolicy]) -> None:
        self._by_app: dict[str, list[_Rule]] = {}
        for policy in policies:
            self._by_app.setdefault(policy.app, []).append(_Rule(policy))

    def decide(self, app: str, channel: str, user: Person) -> Decision | Needs:
        """
        Decide whether a user may join a channel, or tell what must be known for that.

        Args:
            app: The app's id.
            channel: A name that has been checked.
            user: Who wants to.
        """
        for rule in self._by_app.get(app, ()):
            captures = rule.match(channel)
            if captures is not None:
                return rule.decide(captures, user)
        return Decision(allowed=False, pattern="", reason="no policy fits the channel")

    def evidence(self, app: str, channel: str, user: Person) -> Evidence | None:
        """
        Tell on what the deciding policy's condition refuses a user; None: it does not.

        It is for after a refusal: looking for what it shows takes longer than a decision.
        """
        for rule in self._by_app.get(app, ()):
            captures = rule.match(channel)
            if captures is not None:
                return rule.evidence(captures, user)
        return None

    def fits(self, app: str, channel: str) -> bool:
        """Tell whether some policy decides about a channel."""
        return any(rule.match(channel) is not None for rule in self._by_app.get(app, ()))

    def fields(self, app: str, name: str) -> frozenset[str] | None:
        """Name the fields of ``claims`` or ``user`` that an app's policies look at; None: any."""
        touched = [rule.fields(name) for rule in self._by_app.get(app, ())]
        known = [fields for fields in touched if fields is not None]
        return frozenset().union(*known) if len(known) == len(touched) else None

    def tried(self, app: str, channel: str) -> Iterator[tuple[str, Mapping[str, str] | None]]:
        """Yield the pattern of each policy that is tried, and what it captures; None: no fit."""
        for rule in self._by_app.get(app, ()):
            captures = rule.match(channel)
            yield rule.pattern.text, captures
            if captures is not None:
                return

    @property
    def ask_memberships(self) -> bool:
        """Whether one of them asks for a membership."""
        return any(rule.template for rules in self._by_app.values() for rule in rules)

    def memberships(self, app: str) -> Iterator[tuple[Pattern, GroupTemplate]]:
        """Yield what each policy of an app that asks for a membership is made of."""
        for rule in self._by_app.get(app, ()):
            if rule.template is not None:
                yield rule.pattern, rule.template


class _Rule:
    """A compiled policy."""

    __slots__ = ("_allow", "match", "pattern", "template")

    def __init__(self, policy: ChannelPolicy) -> None:
        try:
            self.pattern = Pattern(policy.pattern, NAMES)
            self.match = self.pattern.match
            member_of = policy.member_of
            self.template = GroupTemplate(member_of, self.pattern) if member_of else None
            self._allow = Expression(policy.allow or "true", NAMES.union(self.pattern.captures))
            _check_fields(self._allow)
        except BadPattern as error:
            raise BadPolicy(policy.pattern, str(error)) from error
        except BadTemplate as error:
            raise BadPolicy(policy.pattern, f"member_of: {error}") from error
        except BadRule as error:
            raise BadPolicy(policy.pattern, f"allow: {error}") from error

    def decide(self, captures: Mapping[str, str], user: Person) -> Decision | Needs:
        """Answer for a channel that the pattern fits."""
        decision = self._allowed(captures, user)
        if self.template is None or not decision.allowed:
            return decision
        return Needs(self.template.render(captures), self.pattern.text)

    def evidence(self, captures: Mapping[str, str], user: Person) -> Evidence | None:
        """See `Policies.evidence`."""
        if self._allowed(captures, user).allowed:
            return None
        return Evidence(self._allow.source, _known(captures, user), frozenset(captures))

    def fields(self, name: str) -> frozenset[str] | None:
        """See `Expression.fields`."""
        return self._allow.fields(name)

    def _allowed(self, captures: Mapping[str, str], user: Person) -> Decision:
        try:
            answer = self._allow.evaluate(_known(captures, user))
        except BadArgument as error:
            return self._decision(allowed=False, reason=error.reason)
        except Unevaluable:
            # The engine's words may quote claims, which do not belong into a log.
            return self._decision(allowed=False, reason="a value has another type than allow needs")
        except Invalid as error:
            return self._decision(allowed=False, reason=str(error))
        if not isinstance(answer, bool):
            return self._decision(allowed=False, reason="allow is neither true nor false")
        return self._decision(allowed=answer, reason=f"allow is {str(answer).lower()}")

    def _decision(self, *, allowed: bool, reason: str) -> Decision:
        return Decision(allowed=allowed, pattern=self.pattern.text, reason=reason)


def _known(captures: Mapping[str, str], user: Person) -> dict[str, Any]:
    """Give each of the names in a condition its value."""
    return {
        **captures,
        "claims": user.claims,
        "user": {"id": user.id, "info": user.info},
    }


def _check_fields(allow: Expression) -> None:
    """Refuse a field that a user never has, where the expression's text shows which it reads."""
    for name in sorted(allow.fields("user") or ()):
        if name not in _FIELDS:
            place = re.search(rf"(?<![\w.])user\s*\.\s*{name}\b", allow.source)
            at = f" (at character {place.start() + 1})" if place else ""
            raise BadRule(f"unknown name 'user.{name}'{at}: user has {' and '.join(_FIELDS)}")
