"""
From a bearer token to a user.

Pure.  A token is a JWT of an issuer that the settings name: signed with one of that issuer's algorithms and
its key, made for its audience, and not expired by the ``now`` that the caller passes.  What a token says of
itself chooses among the issuers of the settings and the keys that this issuer publishes, and nothing else; its
``jku``, ``jwk`` and ``x5u`` are not read.  Source: RFC 7519 and RFC 8725 (JSON Web Token Best Current Practices).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
from jwt.algorithms import get_default_algorithms
from jwt.types import SigOptions

from libs.common.channels import MAX_USER_ID
from libs.common.errors import Denied, Misconfigured
from libs.common.tokens.key_ring import TYPE
from services.auth.settings import Introspection, Issuer

LEEWAY = 30.0  # Seconds that two clocks may differ.
MAX_SHOWN = 100  # Characters of what a token says that the log has.
MAX_TOKEN = 8000  # Characters; a header line above 8,190 bytes never reaches us.

Key = Any  # Bytes, or one of cryptography's public keys: what PyJWT prepares.

_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNVERIFIED: SigOptions = {"verify_signature": False}
_VERIFIED: SigOptions = {"verify_signature": True, "enforce_minimum_key_length": True}
_signatures = jwt.PyJWS()
_decode_claims = msgspec.json.Decoder(dict[str, Any]).decode


class _Registered(msgspec.Struct, frozen=True):
    """The claims that we judge ourselves (RFC 7519, 4.1), as far as they are there."""

    iss: str = ""
    aud: str | list[str] = ""
    exp: float | None = None
    nbf: float | None = None


_decode_registered = msgspec.json.Decoder(_Registered).decode


class MissingToken(Denied):
    """A request carries no bearer token."""

    def __init__(self) -> None:
        super().__init__("a bearer token is required")


class BadToken(Denied):
    """
    A bearer token is not believed; the reason quotes nothing of it.

    Attributes:
        facts: What it said and what was expected, for the operators' log alone; never of its signature.
    """

    def __init__(self, reason: str, **facts: str) -> None:
        super().__init__(reason)
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who is calling.

    Attributes:
        id: The user's id as text.
        info: What others may see: ``user_info``.
        claims: All that the token says, or that is said of it.
        issuer: Who vouches for it.
        expires_at: UTC epoch seconds at which the token ends; infinite: nobody said.
    """

    id: str
    info: Mapping[str, Any]
    claims: Mapping[str, Any]
    issuer: Issuer | Introspection
    expires_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Header:
    """
    What a token says of its signature; nothing of it is verified.

    Attributes:
        alg: The algorithm.
        kid: The name of the key; None: it names none.
    """

    alg: str
    kid: str | None


class Issuers:
    """The issuers whose tokens are believed."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._by_name = {issuer.issuer: issuer for issuer in issuers}

    def of(self, token: str) -> Issuer:
        """
        Tell whose a token claims to be.  Nothing of it is verified yet.

        Raises:
            BadToken: It is no JWT, or of an issuer that is not known.
        """
        payload = _opened(token, _UNVERIFIED)
        name = _registered(payload).iss
        issuer = self._by_name.get(name)
        if issuer is None:
            raise BadToken(
                "the token's issuer is missing or not known here",
                token_issuer=_shown(name),
                known_issuers=", ".join(self._by_name),
            )
        return issuer


def bearer(header: str | None) -> str:
    """
    Take the token out of an ``Authorization`` header.

    Raises:
        MissingToken: There is no header, or one of another scheme.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingToken
    return token.strip()


def header_of(token: str, issuer: Issuer) -> Header:
    """
    Tell which key a token wants to be verified with.

    Raises:
        BadToken: It is malformed, or its algorithm is none of the issuer's.
    """
    header = _parts(token, _UNVERIFIED)["header"]
    algorithm = header.get("alg")
    if algorithm not in issuer.algorithms:
        raise BadToken("the token is signed with an algorithm that is not allowed")
    return Header(algorithm, header.get("kid"))


def prepared_key(issuer: Issuer) -> Key:
    """
    Read the key that an issuer's settings hold.

    Raises:
        Misconfigured: One of the issuer's algorithms cannot use it.
    """
    known = get_default_algorithms()
    try:
        keys = [known[name].prepare_key(issuer.verifying_key) for name in issuer.algorithms]
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        algorithms = ", ".join(issuer.algorithms)
        reason = f'issuer "{issuer.issuer}": its key cannot be used with {algorithms}'
        raise Misconfigured(reason) from error
    return keys[0]


def verify(token: str, issuer: Issuer, *, key: Key, now: float) -> Identity:
    """
    Verify a token.

    Args:
        token: A JWT.
        issuer: Whose it claims to be, see `Issuers.of`.
        key: That issuer's key, see `prepared_key`; or the one it publishes for `header_of` this token.
        now: UTC epoch seconds.

    Raises:
        BadToken: Its signature, algorithm, audience, time or user is not as it must be.
    """
    payload = _opened(token, _VERIFIED, key=key, algorithms=issuer.algorithms)
    expires_at = _check(_registered(payload), issuer, now)
    claims = _claims(payload)
    info = {field: claims[claim] for field, claim in issuer.user_info.items() if claim in claims}
    return Identity(user_id(claims.get(issuer.user_id)), info, claims, issuer, expires_at)


def user_id(value: Any) -> str:
    """
    Spell a user's id: identity providers know texts and numbers, Pusher only texts.

    Raises:
        BadToken: It is neither, or not as an id must be.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        value = str(value)
    if not isinstance(value, str) or not value:
        raise BadToken("the token does not name its user")
    if len(value) > MAX_USER_ID or not value.isprintable():
        raise BadToken(f"the token's user id is longer than {MAX_USER_ID} characters, or no text")
    return value


def _opened(
    token: str, options: SigOptions, *, key: Key = "", algorithms: Sequence[str] = ()
) -> bytes:
    """Return a token's payload, verified if the options say so."""
    payload: bytes = _parts(token, options, key=key, algorithms=algorithms)["payload"]
    return payload


def _parts(
    token: str, options: SigOptions, *, key: Key = "", algorithms: Sequence[str] = ()
) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise BadToken(f"the token is longer than {MAX_TOKEN} characters")
    try:
        parts = _signatures.decode_complete(token, key, algorithms=algorithms, options=options)
    except jwt.InvalidAlgorithmError as error:
        raise BadToken("the token is signed with an algorithm that is not allowed") from error
    except jwt.InvalidSignatureError as error:
        raise BadToken("the token's signature does not match") from error
    except (jwt.PyJWTError, RecursionError, ValueError) as error:
        raise BadToken("the token is malformed") from error
    if parts["header"].get("typ") == TYPE:  # RFC 8725, 3.11: never take one kind for another.
        raise BadToken("the token is a channel token")
    return parts


def _registered(payload: bytes) -> _Registered:
    try:
        return _decode_registered(payload)
    except _MALFORMED as error:
        raise BadToken("the token's claims are malformed") from error


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return _decode_claims(payload)
    except _MALFORMED as error:
        raise BadToken("the token's claims are malformed") from error


def _check(claims: _Registered, issuer: Issuer, now: float) -> float:
    """Check what a token says of itself, and return when it ends."""
    if claims.iss != issuer.issuer:
        raise BadToken("the token is of another issuer")
    audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if issuer.audience not in audience:
        raise BadToken(
            "the token is not made for this audience",
            token_audience=_shown(", ".join(audience)),
            expected_audience=issuer.audience,
        )
    if claims.exp is None:
        raise BadToken("the token does not say when it expires")
    if now >= claims.exp + LEEWAY:
        raise BadToken("the token has expired")
    if claims.nbf is not None and now < claims.nbf - LEEWAY:
        raise BadToken("the token is not valid yet")
    return claims.exp


def _shown(text: str) -> str:
    """Cut what a stranger may have written, so that it fits a line of the log."""
    cut = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return "".join(character if character.isprintable() else "?" for character in cut)
