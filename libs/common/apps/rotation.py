"""
The rotation of an app's secrets: how a new one takes the place of an old one without downtime.

Pure.  The first secret signs, all verify (`App.secrets`).  A new one is added last, so that every
process knows it before anybody signs with it; then it is put first; then the others are dropped.
What was added last stays last when it is put first: a step that is taken again changes nothing, and
one that is taken too early is refused.
"""

from collections.abc import Sequence

from libs.common.config.secret import Secret
from libs.common.errors import Invalid

Secrets = tuple[Secret, ...]


class NothingToRotate(Invalid):
    """The app has a single secret: there is no new one yet."""

    def __init__(self) -> None:
        super().__init__("there is only one secret: add a new one first")


class NotInUse(Invalid):
    """The secret that was added last does not sign yet, and would be dropped."""

    def __init__(self) -> None:
        super().__init__("the newest secret does not sign yet: put it to use first")


def added(secrets: Secrets, new: Secret) -> Secrets:
    """Add a secret, which verifies from now on."""
    return (*secrets, new)


def used(secrets: Secrets) -> Secrets:
    """
    Let the newest secret sign; the others still verify.

    Raises:
        NothingToRotate: There is no other.
    """
    if count(secrets) == 1:
        raise NothingToRotate
    newest = secrets[-1]
    if secrets[0] == newest:
        return secrets
    others = dict.fromkeys(secret for secret in secrets if secret != newest)
    return (newest, *others, newest)


def finished(secrets: Secrets) -> Secrets:
    """
    Drop all secrets but the one that signs.

    Raises:
        NotInUse: The newest would be dropped.
    """
    if secrets[0] != secrets[-1]:
        raise NotInUse
    return secrets[:1]


def count(secrets: Sequence[Secret]) -> int:
    """Tell how many secrets there are; one that stands twice is one."""
    return len(set(secrets))
