"""
The keys of a deployment, and the signed texts that they make and open: JWS of one type, in its compact form.

Pure.  What a text says of itself chooses among keys that are known, and nothing else: its ``jku``, ``jwk`` and
``x5u`` are not read, and its algorithm must be the one that belongs to the key.  Source: RFC 7515, and RFC 8725
(JSON Web Token Best Current Practices).
"""

import base64
import binascii
from typing import Any, NamedTuple

import msgspec

from libs.common.apps import App
from libs.common.errors import Denied, Invalid
from libs.common.signing_keys import (
    Algorithm,
    Jwk,
    Key,
    is_signed,
    jwk_of,
    private_key,
    public_key,
    sign,
)
from libs.common.token_settings import AppTokenKey, TokenKey, TokenSettings

TYPE = "fanfare+jwt"
MAX_TOKEN = 32_000  # Characters: a hundred patterns, and room for what else a token says.


class BadChannelToken(Denied):
    """A channel token is not believed; the reason quotes nothing of it."""


class NoSigningKey(Invalid):
    """Tokens are asked for, and this deployment signs none."""

    status = 501

    def __init__(self) -> None:
        super().__init__("tokens.keys: none has a private key here, so no token can be issued")


class _Header(msgspec.Struct, frozen=True):
    """What we read of a header (RFC 7515, 4.1)."""

    alg: str
    kid: str
    typ: str
    crit: Any = None


class _Parts(NamedTuple):
    """A token, taken apart."""

    header: _Header
    payload: bytes
    signed: bytes
    signature: bytes


class _Verifier(NamedTuple):
    """What checks the tokens that name a ``kid``."""

    key: Key
    algorithm: Algorithm
    issuer: str


_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(_Header).decode


class KeyRing:
    """
    The keys of a deployment, and the terms of its tokens.

    The first key with a private half signs, all verify; so a key is rotated without downtime.

    Args:
        settings: They.

    Attributes:
        issuer: The tokens' ``iss``.
        ttl: Seconds for which a token is good, unless who asks for it wants another time.
        max_ttl: Seconds for which a token may be good.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self.issuer = settings.issuer
        self.ttl = settings.ttl
        self.max_ttl = settings.max_ttl
        self._verifiers = {key.kid: _verifier(key, settings.issuer) for key in settings.keys}
        self._signing = next((key for key in settings.keys if key.signs), None)
        self._private: Key = None
        if self._signing is not None:
            text = self._signing.private_key.reveal()
            self._private = private_key(text, self._signing.algorithm)

    def jwks(self) -> list[Jwk]:
        """Return the public keys, as a JWK Set has them (RFC 7517, 5)."""
        return [
            {**jwk_of(key, algorithm), "kid": kid, "alg": algorithm, "use": "sig"}
            for kid, (key, algorithm, _) in self._verifiers.items()
        ]

    def sign(self, payload: bytes) -> str:
        """
        Make a token.

        Raises:
            NoSigningKey: No key has a private half.
        """
        key = self._signing
        if key is None:
            raise NoSigningKey
        header = _encode({"alg": key.algorithm, "kid": key.kid, "typ": TYPE})
        signed = _segment(header) + b"." + _segment(payload)
        signature = sign(signed, self._private, key.algorithm)
        return (signed + b"." + _segment(signature)).decode()

    def opened(self, text: str, app: App) -> tuple[bytes, str]:
        """
        Check a token's type and signature.

        Args:
            text: A JWT.
            app: Whose keys count beside those of the deployment.

        Returns:
            Its payload, and what its ``iss`` must be.

        Raises:
            BadChannelToken: It is malformed, something else, or signed with no key that is known.
        """
        parts = _parts(text)
        if parts.header.typ != TYPE or parts.header.crit is not None:
            raise BadChannelToken("the token is no channel token")
        key, algorithm, issuer = self._verifier(parts.header.kid, app)
        if parts.header.alg != algorithm:
            raise BadChannelToken("the token names another algorithm than that of its key")
        if not is_signed(parts.signed, parts.signature, key=key, algorithm=algorithm):
            raise BadChannelToken("the token's signature does not match")
        return parts.payload, issuer

    def _verifier(self, kid: str, app: App) -> _Verifier:
        known = self._verifiers.get(kid)
        if known is not None:
            return known
        for key in app.token_keys:
            if key.kid == kid:
                return _verifier(key, key.issuer or self.issuer)
        raise BadChannelToken("the token's key is not known here")


def payload_of(text: str) -> bytes:
    """
    Take the payload out of a token, and verify nothing.

    Raises:
        BadChannelToken: It is malformed.
    """
    return _parts(text).payload


def _verifier(key: TokenKey | AppTokenKey, issuer: str) -> _Verifier:
    return _Verifier(public_key(key.public_key, key.algorithm), key.algorithm, issuer)


def _parts(text: str) -> _Parts:
    if len(text) > MAX_TOKEN:
        raise BadChannelToken(f"the token is longer than {MAX_TOKEN} characters")
    try:
        header, payload, signature = text.encode("ascii").split(b".")
        known = _decode_header(_bytes(header))
        signed = header + b"." + payload
        return _Parts(known, _bytes(payload), signed, _bytes(signature))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadChannelToken("the token is malformed") from error


def _segment(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _bytes(segment: bytes) -> bytes:
    """
    Decode a segment.

    Raises:
        ValueError: It is not spelled as its octets are: base64 has bits to spare, and Python skips odd characters.
    """
    octets = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if _segment(octets) != segment:
        raise binascii.Error("not canonical")
    return octets
