"""
Keys that sign tokens, and those that verify them: PEM or JWK, each for one algorithm.

Pure.  Only public-key algorithms are here, so that no public key can be taken for a shared secret
(RFC 8725, 3.1), and an algorithm belongs to a key, never to what a token says of itself.  No
message quotes a key.
"""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import Algorithm as _Calculator
from jwt.algorithms import get_default_algorithms

Algorithm = Literal["EdDSA", "ES256", "RS256"]
Key = Any  # One of cryptography's keys: what PyJWT prepares.
Jwk = Mapping[str, str]

# What makes a public key of each algorithm (RFC 7518, 6; RFC 8037, 2): fixed members, and those
# with its number.
_SHAPES: Mapping[str, tuple[Jwk, tuple[str, ...]]] = MappingProxyType(
    {
        "EdDSA": ({"kty": "OKP", "crv": "Ed25519"}, ("x",)),
        "ES256": ({"kty": "EC", "crv": "P-256"}, ("x", "y")),
        "RS256": ({"kty": "RSA"}, ("n", "e")),
    }
)
_NAMES: Mapping[str, str] = MappingProxyType(
    {"EdDSA": "Ed25519", "ES256": "EC on the curve P-256", "RS256": "RSA of 2048 bits or more"}
)
_UNREADABLE = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,  # A curve that cryptography, which PyJWT calculates with, does not know.
    TypeError,
    ValueError,
    LookupError,
    RecursionError,
)
_CALCULATORS = get_default_algorithms()


class BadKey(ValueError):
    """A text is not the key that it must be."""

    def __init__(self, algorithm: Algorithm, sort: str) -> None:
        super().__init__(
            f"expected a {sort} key for {algorithm}, as PEM or JWK: {_NAMES[algorithm]}"
        )


@lru_cache(maxsize=256)
def public_key(text: str, algorithm: Algorithm) -> Key:
    """
    Read a public key.

    Raises:
        BadKey: It is none, a private one, or one of another algorithm.
    """
    key, jwk = _read(text, algorithm, "public")
    if "d" in jwk:
        raise BadKey(algorithm, "public")
    return key


def private_key(text: str, algorithm: Algorithm) -> Key:
    """
    Read a private key, which no pass phrase guards.

    Raises:
        BadKey: It is none, or one of another algorithm.
    """
    key, jwk = _read(text, algorithm, "private")
    if "d" not in jwk:
        raise BadKey(algorithm, "private")
    return key


def jwk_of(key: Key, algorithm: Algorithm) -> Jwk:
    """Tell the public part of a key as the required members of a JWK (RFC 7638, 3.2)."""
    return _public(_calculator(algorithm).to_jwk(key, as_dict=True), algorithm)


def thumbprint(jwk: Jwk) -> str:
    """Compute what names a public key in whichever form it is written (RFC 7638, 3)."""
    digest = hashlib.sha256(msgspec.json.encode(dict(jwk), order="deterministic")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def sign(message: bytes, key: Key, algorithm: Algorithm) -> bytes:
    """Sign with a private key."""
    return _calculator(algorithm).sign(message, key)


def is_signed(message: bytes, signature: bytes, *, key: Key, algorithm: Algorithm) -> bool:
    """Tell whether a signature is that of a message."""
    return _calculator(algorithm).verify(message, key, signature)


def _calculator(algorithm: Algorithm) -> _Calculator:
    calculator: _Calculator = _CALCULATORS[algorithm]
    return calculator


def _read(text: str, algorithm: Algorithm, sort: str) -> tuple[Key, Mapping[str, Any]]:
    """Read a key of either sort, and describe it."""
    calculator = _calculator(algorithm)
    try:
        if text.lstrip().startswith("{"):
            key = calculator.from_jwk(text)
        else:
            key = calculator.prepare_key(text.strip())
        jwk = calculator.to_jwk(key, as_dict=True)
    except _UNREADABLE as error:
        raise BadKey(algorithm, sort) from error
    fixed, _ = _SHAPES[algorithm]
    if calculator.check_key_length(key) or {name: jwk.get(name) for name in fixed} != fixed:
        raise BadKey(algorithm, sort)
    return key, jwk


def _public(jwk: Mapping[str, Any], algorithm: Algorithm) -> Jwk:
    fixed, numbers = _SHAPES[algorithm]
    return {**fixed, **{name: jwk[name] for name in numbers}}
