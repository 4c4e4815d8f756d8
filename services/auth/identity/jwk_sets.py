"""
The public keys that an issuer publishes, and what each of them may verify.

Pure.  Keys that are not for signatures, of a kind or an algorithm that the issuer's settings do not
name, symmetric, private or weak are left out, as RFC 7517, 5 asks for those that are not
understood.  Source: RFC 7517 (JSON Web Key), RFC 7518, 6, and RFC 8037.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.common.json_text import JsonReader
from services.auth.identity.bearer_tokens import BadToken, Header
from services.auth.identity.provider import ProviderReply, ProviderUnavailable
from services.auth.identity.verifying_keys import ALGORITHMS, UNFIT, Key, VerifyingKey, fits

MAX_KEYS = 100  # Of a set; those beyond are not read.
MAX_RSA = 8192  # Bits; a signature of more keeps the loop busy for milliseconds.

_any = JsonReader(object)
_KINDS = ("RSA", "EC", "OKP")  # Never oct: what is published is no secret (RFC 8725, 3.1).


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer that can be used, in the order of its set."""

    keys: tuple[VerifyingKey, ...]

    def find(self, header: Header) -> VerifyingKey | None:
        """
        Find the key that a token names; None: there is none of that name.

        Raises:
            BadToken: The token names no key and there are several, or its key is not for its
                algorithm.
        """
        named = self.keys
        if header.kid is not None:
            named = tuple(key for key in self.keys if key.kid == header.kid)
        elif len(named) > 1:
            raise BadToken("the token does not say which key it is signed with")
        if not named:
            return None
        for key in named:
            if header.alg in key.algorithms:
                return key
        raise BadToken("the token's key is not for its algorithm")


def parse(reply: ProviderReply, algorithms: Collection[str]) -> KeySet:
    """
    Read a JWK set.

    Args:
        reply: As received.
        algorithms: Those that the issuer's settings name.

    Raises:
        ProviderUnavailable: It is none, or has no key that can be used.
    """
    if reply.status != 200:
        raise ProviderUnavailable(f"an answer of status {reply.status}")
    try:
        document = _any.read(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderUnavailable("an answer that is no JSON") from error
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise ProviderUnavailable("an answer that is no JWK set")
    keys = tuple(_usable(members[:MAX_KEYS], algorithms))
    if not keys:
        raise ProviderUnavailable("a JWK set without a key for the issuer's algorithms")
    return KeySet(keys)


def _usable(members: list[Any], algorithms: Collection[str]) -> Iterator[VerifyingKey]:
    for member in members:
        if not isinstance(member, dict) or not _is_to_verify(member):
            continue
        kid = member.get("kid")
        key = _public_key(member)
        fitting = _fitting(member.get("alg"), key, algorithms)
        if fitting and (kid is None or isinstance(kid, str)):
            yield VerifyingKey(kid, fitting, key)


def _is_to_verify(member: dict[str, Any]) -> bool:
    """Tell whether a key is public, and for signatures (RFC 7517, 4.2 and 4.3)."""
    operations = member.get("key_ops")
    return (
        member.get("kty") in _KINDS
        and "d" not in member
        and member.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _public_key(member: dict[str, Any]) -> Key | None:
    name = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[member["kty"]]
    try:
        key = ALGORITHMS[name].from_jwk(member)
    except UNFIT:
        return None
    return None if member["kty"] == "RSA" and key.key_size > MAX_RSA else key


def _fitting(declared: Any, key: Key | None, algorithms: Collection[str]) -> frozenset[str]:
    """Return what a key may verify: what it declares, else all that its kind can."""
    if key is None:
        return frozenset()
    return frozenset(name for name in algorithms if declared in (None, name) and fits(name, key))
