"""
What back ends post about channel tokens.

Pure.  Source: RFC 7662 (introspection) and RFC 7009 (revocation), whose bodies are forms; JSON is
taken too.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from libs.common.channels import check_user_id
from libs.common.errors import Invalid
from libs.common.json_text import is_whole
from libs.common.tokens.channel_tokens import MAX_JTI, TokenRequest
from services.auth.bodies import JSON, BadBody, read


class Unclear(Invalid):
    """A revocation does not say what is to be revoked, or says several things."""

    def __init__(self) -> None:
        super().__init__("name one of token, jti and user")


class Question(msgspec.Struct, frozen=True):
    """
    Whether a token is good.

    Attributes:
        token: The token that is asked about.
    """

    token: str


class Revocation(msgspec.Struct, frozen=True):
    """
    What is to be revoked: one of three.

    Attributes:
        token: The text of one token.
        jti: The token that has this ``jti``.
        user: All tokens that were issued for this user.
    """

    token: str = ""
    jti: Annotated[str, Meta(max_length=MAX_JTI)] = ""
    user: str = ""


_T = TypeVar("_T")


def grant_of(body: bytes) -> TokenRequest:
    """
    Read what a token shall say: JSON, whatever its media type.

    Raises:
        BadBody: It is malformed, or a field is missing, unknown or wrong.
    """
    return _read(body, JSON, TokenRequest)


def question_of(body: bytes, media_type: str) -> Question:
    """
    Read a question; raises as `revocation_of` does.

    Args:
        body: As received.
        media_type: Of the ``Content-Type``, without parameters; empty: a form.
    """
    return _read(body, media_type, Question)


def revocation_of(body: bytes, media_type: str) -> Revocation:
    """
    Read a revocation.

    Raises:
        Unclear: It names nothing, or several things.
        BadUserId: No user can have the id that it names.
        BadBody: It is malformed, or names a field twice (RFC 6749, 3.2: it must not).
        UnknownMediaType: It is neither a form nor JSON.
    """
    revocation = _read(body, media_type, Revocation)
    if sum(map(bool, msgspec.structs.astuple(revocation))) != 1:
        raise Unclear
    if not all(map(is_whole, msgspec.structs.astuple(revocation))):
        raise BadBody("invalid body: a name has half of a surrogate pair")
    if revocation.user:
        check_user_id(revocation.user)
    return revocation


def _read(body: bytes, media_type: str, kind: type[_T]) -> _T:
    return read(body, media_type, kind, fold=_folded)


def _folded(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field stands there twice")
    return fields
