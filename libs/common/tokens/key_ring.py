"""
The keys of a deployment, and the signed texts that they make and open: JWS in its compact form.

Pure.  What a text says of itself chooses among keys that are known, and nothing else: its ``jku``,
``jwk`` and ``x5u`` are not read, and its algorithm must be the one that belongs to the key.
Source: RFC 7515, and RFC 8725 (JSON Web Token Best Current Practices).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from libs.common.errors import Denied, Invalid
from libs.common.tokens.keys import (
    Algorithm,
    Jwk,
    Key,
    is_signed,
    jwk_of,
    private_key,
    public_key,
    sign,
)
from libs.common.tokens.settings import AppTokenKey, TokenKey, TokenSettings

TYPE = "fanfare+jwt"
MAX_TOKEN = 32_000  # Characters: a hundred patterns, and room for what else a token says.


class BadChannelToken(Denied):
    """A channel token is not believed; the reason quotes nothing of it."""

    may_quote = False


class NoSigningKey(Invalid):
    """Tokens are asked for, and this deployment signs none."""

    status = 501

    def __init__(self) -> None:
        super().__init__("tokens.keys: none has a private key here, so no token can be issued")


class Owner(Protocol):
    """
    An app, as far as its tokens go.

    Attributes:
        id: The name that a token's ``aud`` must have.
        token_keys: Public keys of an issuer of its own, which count beside those of the deployment.
    """

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def token_keys(self) -> tuple[AppTokenKey, ...]: ...  # noqa: D102


class _JoseHeader(msgspec.Struct, frozen=True):
    """What we read of a header (RFC 7515, 4.1)."""

    alg: str
    kid: str
    typ: str
    crit: Any = None


class _Parts(NamedTuple):
    """A token, taken apart."""

    header: _JoseHeader
    payload: bytes
    signed: bytes
    signature: bytes


class Opened(NamedTuple):
    """
    What a token holds whose signature is good.

    Attributes:
        payload: The token's claims, as JSON.
        issuer: The name that the token's ``iss`` must be.
        key: The public key that fits its signature, as the settings have it.
    """

    payload: bytes
    issuer: str
    key: str


class _Verifier(NamedTuple):
    """What checks the tokens that name a ``kid``."""

    key: Key
    algorithm: Algorithm
    issuer: str
    text: str


_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(_JoseHeader).decode


class _Keys(NamedTuple):
    """
    The keys of a ring.

    Attributes:
        verifiers: What checks tokens, by ``kid``.
        signing: The key that signs; None: none does.
        private: The private half of that key.
        published: The public halves, as a JWK Set has them.
    """

    verifiers: Mapping[str, _Verifier]
    signing: TokenKey | None
    private: Key
    published: tuple[Jwk, ...]


class KeyRing:
    """
    The keys of a deployment, and the terms of its tokens.

    The first key with a private half signs, all verify; so a key is rotated without downtime.
    Whoever shares a ring has new keys with the next token after `replace`.

    Args:
        settings: The keys, and the terms of tokens.
    """

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = _prepared(settings)

    def replace(self, settings: TokenSettings) -> None:
        """
        Put other keys and terms in the place of all.

        Raises:
            ValueError: A key cannot be used; nothing was replaced.
        """
        keys = _prepared(settings)
        self._settings, self._keys = settings, keys

    @property
    def issuer(self) -> str:
        """The tokens' ``iss``."""
        return self._settings.issuer

    @property
    def ttl(self) -> float:
        """Seconds for which a token is good, unless who asks for it wants another time."""
        return self._settings.ttl

    @property
    def max_ttl(self) -> float:
        """Seconds for which a token may be good."""
        return self._settings.max_ttl

    @property
    def signing_key(self) -> str:
        """The public half of the key that signs, as the settings have it; empty: none does."""
        return self._keys.signing.public_key if self._keys.signing else ""

    def jwks(self) -> tuple[Jwk, ...]:
        """Return the public keys, as a JWK Set has them (RFC 7517, 5)."""
        return self._keys.published

    def sign(self, payload: bytes) -> str:
        """
        Make a token.

        Raises:
            NoSigningKey: No key has a private half.
        """
        key = self._keys.signing
        if key is None:
            raise NoSigningKey
        header = _encode({"alg": key.algorithm, "kid": key.kid, "typ": TYPE})
        signed = _segment(header) + b"." + _segment(payload)
        signature = sign(signed, self._keys.private, key.algorithm)
        return (signed + b"." + _segment(signature)).decode()

    def knows(self, key: str, app: Owner) -> bool:
        """
        Tell whether tokens of an app that fit a public key are still good.

        The key may have been dropped since, or replaced.
        """
        ours = any(known.text == key for known in self._keys.verifiers.values())
        return ours or any(known.public_key == key for known in app.token_keys)

    def opened(self, text: str, app: Owner) -> Opened:
        """
        Check a token's type and signature.

        Args:
            text: A JWT.
            app: The app that it must be for; its keys count beside those of the deployment.

        Raises:
            BadChannelToken: It is malformed, something else, or signed with no key that is known.
        """
        parts = _parts(text)
        if parts.header.typ != TYPE or parts.header.crit is not None:
            raise BadChannelToken("the token is no channel token")
        key, algorithm, issuer, text_of_key = self._verifier(parts.header.kid, app)
        if parts.header.alg != algorithm:
            raise BadChannelToken("the token names another algorithm than that of its key")
        if not is_signed(parts.signed, parts.signature, key=key, algorithm=algorithm):
            raise BadChannelToken("the token's signature does not match")
        return Opened(parts.payload, issuer, text_of_key)

    def _verifier(self, kid: str, app: Owner) -> _Verifier:
        known = self._keys.verifiers.get(kid)
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
        BadChannelToken: The text is malformed.
    """
    return _parts(text).payload


def _prepared(settings: TokenSettings) -> _Keys:
    verifiers = {key.kid: _verifier(key, settings.issuer) for key in settings.keys}
    signing = next((key for key in settings.keys if key.signs), None)
    private: Key = None
    if signing is not None:
        private = private_key(signing.private_key.reveal(), signing.algorithm)
    published = tuple(_published(kid, verifier) for kid, verifier in verifiers.items())
    return _Keys(verifiers, signing, private, published)


def _published(kid: str, verifier: _Verifier) -> Jwk:
    public = jwk_of(verifier.key, verifier.algorithm)
    return {**public, "kid": kid, "alg": verifier.algorithm, "use": "sig"}


def _verifier(key: TokenKey | AppTokenKey, issuer: str) -> _Verifier:
    known = public_key(key.public_key, key.algorithm)
    return _Verifier(known, key.algorithm, issuer, key.public_key)


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
        ValueError: It is not spelled as its octets are: base64 has bits to spare, and Python skips
            odd characters.
    """
    octets = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if _segment(octets) != segment:
        raise binascii.Error("not canonical")
    return octets
