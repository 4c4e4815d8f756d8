"""
Who may join which channel.

Pure.  Policies stand in an order; the first one whose pattern fits a channel decides, and a channel that none
fits is refused.  An expression that cannot be evaluated, because a claim is absent or of another type, is a
no.  A decision carries its reason for the operator's log; the client is told only yes or no.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.common.errors import Invalid, Misconfigured
from libs.common.expressions import BadRule, Expression, Unevaluable
from services.auth.identity import User
from services.auth.settings import ChannelPolicy

NAMES = frozenset({"claims", "user"})

_CAPTURE = re.compile(r"\{([^{}]*)\}")
_CAPTURE_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\*?)")
_LITERAL = re.compile(r"[-a-zA-Z0-9_=@,.;]*")


class BadPolicy(Misconfigured):
    """A channel policy of the settings cannot work."""

    def __init__(self, pattern: str, reason: str) -> None:
        super().__init__(f"the channel policy {pattern!r}: {reason}")
        self.pattern = pattern
        self.reason = reason


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


class Policies:
    """
    The policies of all apps, compiled.

    Args:
        policies: In the order of the settings; each names its app.

    Raises:
        BadPolicy: A pattern or an expression cannot be compiled, or a policy asks for what is not there.
    """

    def __init__(self, policies: Iterable[ChannelPolicy]) -> None:
        self._by_app: dict[str, list[_Rule]] = {}
        for policy in policies:
            self._by_app.setdefault(policy.app, []).append(_Rule(policy))

    def decide(self, app: str, channel: str, user: User) -> Decision:
        """
        Decide whether a user may join a channel.

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


class _Rule:
    """A compiled policy."""

    __slots__ = ("_allow", "_match", "_pattern")

    def __init__(self, policy: ChannelPolicy) -> None:
        self._pattern = policy.pattern
        pattern = _compiled(policy.pattern)
        self._match = pattern.fullmatch
        if policy.member_of:
            raise BadPolicy(policy.pattern, "member_of needs memberships, which no backend holds")
        try:
            self._allow = Expression(policy.allow, NAMES.union(pattern.groupindex))
        except BadRule as error:
            raise BadPolicy(policy.pattern, f"allow: {error}") from error

    def match(self, channel: str) -> Mapping[str, str] | None:
        """Return the captures if the pattern fits."""
        found = self._match(channel)
        return found.groupdict() if found else None

    def decide(self, captures: Mapping[str, str], user: User) -> Decision:
        """Answer for a channel that the pattern fits."""
        known: dict[str, Any] = {
            **captures,
            "claims": user.claims,
            "user": {"id": user.id, "info": user.info},
        }
        try:
            answer = self._allow.evaluate(known)
        except Unevaluable:
            # The engine's words may quote claims, which do not belong into a log.
            return self._decision(allowed=False, reason="a value has another type than allow needs")
        except Invalid as error:
            return self._decision(allowed=False, reason=str(error))
        if not isinstance(answer, bool):
            return self._decision(allowed=False, reason="allow is neither true nor false")
        return self._decision(allowed=answer, reason=f"allow is {str(answer).lower()}")

    def _decision(self, *, allowed: bool, reason: str) -> Decision:
        return Decision(allowed=allowed, pattern=self._pattern, reason=reason)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Turn a channel pattern into a regular expression with named groups."""
    expression = ""
    at = 0
    seen: set[str] = set()
    for found in _CAPTURE.finditer(pattern):
        expression += _literal(pattern, pattern[at : found.start()])
        expression += _group(pattern, found[1], seen)
        at = found.end()
    return re.compile(expression + _literal(pattern, pattern[at:]))


def _literal(pattern: str, text: str) -> str:
    if not _LITERAL.fullmatch(text):
        raise BadPolicy(pattern, f"{text!r} cannot stand in a channel's name")
    return re.escape(text)


def _group(pattern: str, capture: str, seen: set[str]) -> str:
    found = _CAPTURE_NAME.fullmatch(capture)
    if not found:
        raise BadPolicy(pattern, f"{{{capture}}} is no capture such as {{id}} or {{id*}}")
    name = found[1]
    if name in seen or name in NAMES:
        raise BadPolicy(pattern, f"the name {name!r} is taken")
    seen.add(name)
    return f"(?P<{name}>.+)" if found[2] else f"(?P<{name}>[^.]+)"
