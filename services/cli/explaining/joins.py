"""Why a user may join a channel, or may not: which policy decides, and on what."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from libs.common.backends.adapters import opened_memberships
from libs.common.channels import BadChannelName, Kind, check_channel, kind_of
from libs.common.errors import Misconfigured, Unavailable
from libs.common.findings.findings import found
from libs.common.findings.words import mismatches, told
from libs.common.memberships.membership import Membership
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Decision, Evidence, Needs, Person, Policies
from libs.common.postgres.connection import reason
from services.program import plan
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Described:
    """
    Somebody as the arguments describe them, whom no token vouches for: a `policies.Person`.

    Attributes:
        id: The user's id.
        info: What others would see: ``user_info``.
        claims: What a token would say.
    """

    id: str
    info: Mapping[str, Any]
    claims: Mapping[str, Any]


def explained(
    settings: Settings, app: str, *, channel: str, user: Person
) -> tuple[bool, list[str]]:
    """
    Decide whether a user may join a channel, and say why in lines.

    Args:
        settings: With the policies, and where memberships are.
        app: The app's id.
        channel: The channel's name.
        user: Who wants to.

    Raises:
        Misconfigured: The name is none that a channel may have.
    """
    try:
        check_channel(channel)
    except BadChannelName as error:
        raise Misconfigured(f"--channel: {error}") from error
    return asyncio.run(_explained(settings, app, channel=channel, user=user))


async def _explained(
    settings: Settings, app: str, *, channel: str, user: Person
) -> tuple[bool, list[str]]:
    policies = Policies(settings.channels)
    lines = [f"app {app}, user {user.id}, channel {channel} ({kind_of(channel).value})"]
    if kind_of(channel) is Kind.USER:
        lines.append("denied: a user's own channel takes a sign-in, and no token opens it")
        return False, lines
    lines += _tried(policies, app, channel)
    if kind_of(channel) is Kind.PUBLIC:
        is_allowed, verdict = _public(Guards(settings.channels), app, channel, user=user)
        shown = () if is_allowed else _shown(policies.evidence(app, channel, user))
        return is_allowed, [*lines, *shown, verdict]
    decision, asked = await _decided(settings, policies.decide(app, channel, user), app, user=user)
    lines += asked
    if decision is None:
        return False, [*lines, "denied: nobody can be asked, which clients are told with 503"]
    shown = () if decision.allowed else _shown(policies.evidence(app, channel, user))
    return decision.allowed, [*lines, *shown, _verdict(decision)]


def _shown(evidence: Evidence | None) -> Iterator[str]:
    """Word what a condition refused the user on, with the values: it is the operator who asks."""
    if evidence is None:
        return
    for finding in found(evidence.allow, evidence.variables):
        yield f"    {told(finding)}"
    allow, known, captures = evidence.allow, evidence.variables, evidence.captures
    for words in mismatches(allow, known, captures, shows=True):
        yield f"    hint: {words}"


def _public(guards: Guards, app: str, channel: str, *, user: Person) -> tuple[bool, str]:
    """Decide as gateways do."""
    if not guards.has(app, channel):
        return True, "allowed: no policy guards this public channel"
    decision = guards.decide(app, channel, user)
    condition = ", once signed in or connected with a token" if decision.allowed else ""
    return decision.allowed, _verdict(decision) + condition


def _verdict(decision: Decision) -> str:
    verdict = "allowed" if decision.allowed else "denied"
    by = f" by {decision.pattern}" if decision.pattern else ""
    return f"{verdict}{by}: {decision.reason}"


def _tried(policies: Policies, app: str, channel: str) -> Iterator[str]:
    """Word which policies were looked at, one after the other."""
    for pattern, captures in policies.tried(app, channel):
        yield f"  {pattern}: {_worded(captures)}"


def _worded(captures: Mapping[str, str] | None) -> str:
    if captures is None:
        return "does not fit"
    pairs = ", ".join(f"{name} = {value!r}" for name, value in captures.items())
    return f"fits, with {pairs}" if pairs else "fits"


async def _decided(
    settings: Settings, outcome: Decision | Needs, app: str, *, user: Person
) -> tuple[Decision | None, list[str]]:
    """Ask for a membership where one is needed; no decision: nobody could be asked."""
    if isinstance(outcome, Decision):
        return outcome, []
    question = f"  is {user.id} a member of {outcome.group}?"
    if settings.backends.memberships.scheme == "memory":
        note = "not that this process could see: memberships are in the memory of another"
        return outcome.decided(is_member=False), [f"{question} {note}"]
    try:
        async with opened_memberships(plan(settings)) as memberships:
            is_member = await memberships.has(Membership(app, user.id, outcome.group))
    except Unavailable as error:
        return None, [f"{question} {error}: {reason(error)}"]
    return outcome.decided(is_member=is_member), [f"{question} {'yes' if is_member else 'no'}"]
