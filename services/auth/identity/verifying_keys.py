"""
Keys that verify users' tokens, each with the algorithms that it is for.

Pure.  Source: RFC 8725 (JSON Web Token Best Current Practices), 3.1: whoever verifies says which
algorithms count, and a key serves those that it is for, whatever a token says.
"""

from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import get_default_algorithms

from libs.common.errors import Misconfigured
from services.auth.settings import Issuer

Key = Any  # Bytes, or one of cryptography's public keys: what PyJWT prepares.

# What stands in the fields of a JWK is anybody's, and PyJWT passes on what cryptography makes of
# it.
UNFIT = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    AttributeError,
    OverflowError,
    TypeError,
    ValueError,
)
ALGORITHMS = get_default_algorithms()


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """
    A key, and what it may verify.

    Attributes:
        kid: The name of the key; None: it has none.
        algorithms: Those of its issuer that it fits.
        key: What PyJWT has prepared.
    """

    kid: str | None
    algorithms: frozenset[str]
    key: Key = field(repr=False)

    def has_signed(self, text: bytes, signature: bytes, *, algorithm: str) -> bool:
        """Tell whether a signature of a text is this key's, by an algorithm that the key is for."""
        if algorithm not in self.algorithms:
            return False
        return ALGORITHMS[algorithm].verify(text, self.key, signature)


def prepared_key(issuer: Issuer) -> VerifyingKey:
    """
    Read the key that an issuer's settings hold.

    Raises:
        Misconfigured: One of the issuer's algorithms cannot use it.
    """
    try:
        keys = [ALGORITHMS[name].prepare_key(issuer.verifying_key) for name in issuer.algorithms]
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        algorithms = ", ".join(issuer.algorithms)
        reason = f'issuer "{issuer.issuer}": its key cannot be used with {algorithms}'
        raise Misconfigured(reason) from error
    key = keys[0]
    return VerifyingKey(None, frozenset(name for name in issuer.algorithms if fits(name, key)), key)


def fits(algorithm: str, key: Key) -> bool:
    """Tell whether a key is of an algorithm's kind, and strong enough for it."""
    known = ALGORITHMS[algorithm]
    try:
        return known.check_key_length(known.prepare_key(key)) is None
    except UNFIT:
        return False
