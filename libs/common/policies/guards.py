"""
Guards: policies of public channels, which a gateway asks itself.

Pure.  A public channel that no policy fits is open to everybody.  One that a policy fits is for
those whom it allows among the clients that said who they are, with a sign-in or with a channel
token.
"""

from collections.abc import Iterable

from libs.common.channels import USER_PREFIX
from libs.common.policies.policies import BadPolicy, Decision, Needs, Person, Policies
from libs.common.policies.settings import ChannelPolicy

_OTHERS = ("private-", "presence-", USER_PREFIX)  # How names of channels begin that are not public.


class Guards:
    """
    The policies that may fit public channels, compiled.

    Args:
        policies: Those of all channels, in the order of the settings; each names its app.

    Raises:
        BadPolicy: One cannot be compiled; or is for public channels and asks for a membership,
            which a gateway cannot look up.
    """

    def __init__(self, policies: Iterable[ChannelPolicy] = ()) -> None:
        kept = [policy for policy in policies if _may_be_public(policy.pattern)]
        for policy in kept:
            if policy.member_of and _is_public(policy.pattern):
                raise BadPolicy(
                    policy.pattern,
                    "member_of cannot guard a public channel: name the channel private-…",
                )
        self._policies = Policies(kept)

    def has(self, app: str, channel: str) -> bool:
        """Tell whether a public channel is guarded."""
        return self._policies.fits(app, channel)

    def decide(self, app: str, channel: str, person: Person) -> Decision:
        """Decide whether somebody may join a guarded channel."""
        decision = self._policies.decide(app, channel, person)
        if isinstance(decision, Needs):
            reason = "member_of cannot guard a public channel"
            return Decision(allowed=False, pattern=decision.pattern, reason=reason)
        return decision

    def hint(self, app: str, channel: str, person: Person) -> str:
        """See `Evidence.hint`, of somebody who was refused."""
        evidence = self._policies.evidence(app, channel, person)
        return evidence.hint if evidence else ""

    def claims(self, app: str) -> frozenset[str] | None:
        """Name the claims that an app's guards look at; None: it may be any."""
        return self._policies.fields(app, "claims")


def _may_be_public(pattern: str) -> bool:
    """Tell whether a pattern fits the name of some public channel."""
    return not _head(pattern).startswith(_OTHERS)


def _is_public(pattern: str) -> bool:
    """Tell whether all channels that a pattern fits are public."""
    head = _head(pattern)
    if head == pattern:
        return _may_be_public(pattern)
    return not any(prefix.startswith(head) or head.startswith(prefix) for prefix in _OTHERS)


def _head(pattern: str) -> str:
    return pattern.partition("{")[0]
