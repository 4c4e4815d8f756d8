"""Keys of channel tokens, and tokens that say of themselves whatever a test wants."""

import base64
from functools import cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from libs.common.config.secret import Secret
from libs.common.tokens.key_ring import TYPE
from libs.common.tokens.keys import Algorithm, private_key, sign
from libs.common.tokens.settings import AppTokenKey, TokenKey, TokenSettings

ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")
NOW = 1_700_000_000.0
_MAKERS: dict[str, Any] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - is refused
}


def pair(sort: str, number: int = 0) -> tuple[str, str]:
    """Return a public and a private key as PEM; another number is another pair."""
    return _pair(sort, number)


@cache
def _pair(sort: str, number: int) -> tuple[str, str]:
    del number
    key = _MAKERS[sort]()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode(), private.decode()


def token_key(
    kid: str = "a", algorithm: Algorithm = "EdDSA", *, number: int = 0, signs: bool = True
) -> TokenKey:
    """Make a key of the deployment."""
    public, private = pair(algorithm, number)
    hidden = Secret(private if signs else "")
    return TokenKey(kid=kid, algorithm=algorithm, public_key=public, private_key=hidden)


def app_key(kid: str = "own", algorithm: Algorithm = "EdDSA", issuer: str = "") -> AppTokenKey:
    """Make a key of an app's own issuer; `pair` of the number 9 signs with it."""
    return AppTokenKey(
        kid=kid, algorithm=algorithm, public_key=pair(algorithm, 9)[0], issuer=issuer
    )


def settings(*keys: TokenKey, **others: Any) -> TokenSettings:
    """Make settings with these keys, or with one."""
    return TokenSettings(keys=keys or (token_key(),), **others)


def payload(**others: Any) -> dict[str, Any]:
    """Make the claims of a good token; None leaves one out."""
    known = {
        "iss": "fanfare",
        "aud": "1",
        "sub": "7",
        "jti": "j",
        "iat": NOW,
        "exp": NOW + 60,
        "channels": ["private-a"],
    }
    return {name: value for name, value in (known | others).items() if value is not None}


def forged(
    claims: Any = None,
    *,
    algorithm: Algorithm = "EdDSA",
    number: int = 0,
    **header: Any,
) -> str:
    """Sign what a test wants with a key that is known; None leaves a member of the header out."""
    said = {"alg": algorithm, "kid": "a", "typ": TYPE} | header
    said = {name: value for name, value in said.items() if value is not None}
    text = claims if isinstance(claims, bytes) else msgspec.json.encode(claims or payload())
    signed = segment(msgspec.json.encode(said)) + b"." + segment(text)
    key = private_key(pair(algorithm, number)[1], algorithm)
    return (signed + b"." + segment(sign(signed, key, algorithm))).decode()


def segment(octets: bytes) -> bytes:
    """Spell octets as a token does."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")
