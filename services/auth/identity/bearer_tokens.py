"""
From a bearer token to a user.

Pure.  A token is a JWT of an issuer that the settings name: signed with one of that issuer's
algorithms and its key, made for its audience, and not expired by the ``now`` that the caller
passes.  It is taken apart once.  What it says of itself then chooses among the issuers of the
settings and the keys that this issuer publishes, and nothing else; its ``jku``, ``jwk`` and ``x5u``
are not read.  `verify` alone makes a user of it.  Source: RFC 7519 and RFC 8725 (JSON Web Token
Best Current Practices).
"""

import base64
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import msgspec
from jwt.types import SigOptions

from libs.common.channels import BadUserId, check_user_id
from libs.common.errors import Denied
from libs.common.json_text import JsonReader
from libs.common.tokens.key_ring import TYPE
from services.auth.identity.verifying_keys import VerifyingKey
from services.auth.settings import Introspection, Issuer

LEEWAY = 30.0  # Seconds that two clocks may differ.
MAX_SHOWN = 100  # Characters of what a token says that the log has.
MAX_TOKEN = 8000  # Characters; a header line above 8,190 bytes never reaches us.

_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_URL_SAFE = str.maketrans("+/", "-_")
_UNVERIFIED: SigOptions = {"verify_signature": False}
_signatures = jwt.PyJWS()
_decode_claims = JsonReader(dict[str, Any]).read


class _Registered(msgspec.Struct, frozen=True):
    """The claims that we judge ourselves (RFC 7519, 4.1), as far as they are there."""

    iss: str = ""
    aud: str | list[str] = ""
    exp: float | None = None
    nbf: float | None = None


_decode_registered = JsonReader(_Registered).read


class MissingToken(Denied):
    """A request carries no bearer token."""

    def __init__(self) -> None:
        super().__init__("a bearer token is required")


class BadToken(Denied):
    """
    A bearer token is not believed; the reason quotes nothing of it.

    Attributes:
        facts: What it said and what was expected, for the operators' log alone; never of its
            signature.
    """

    may_quote = False

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
        alg: The algorithm; empty: it names none.
        kid: The name of the key; None: it names none.
    """

    alg: str
    kid: str | None


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """
    A token, taken apart and not verified.

    It tells whose token it may be, and which key may have signed it; `verify` finds out.

    Attributes:
        header: What it says of its signature.
        registered: What it says of its issuer, its audience and its time.
        payload: All its claims, as JSON.
        text: What the signature is of.
        signature: As it came.
    """

    header: Header
    registered: _Registered = field(repr=False)
    payload: bytes = field(repr=False)
    text: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def header_for(self, issuer: Issuer) -> Header:
        """
        Tell which key it wants to be verified with.

        Raises:
            BadToken: Its algorithm is none of the issuer's.
        """
        if self.header.alg not in issuer.algorithms:
            raise BadToken("the token is signed with an algorithm that is not allowed")
        return self.header


class Issuers:
    """The issuers whose tokens are believed."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._by_name = {issuer.issuer: issuer for issuer in issuers}

    def of(self, token: UnverifiedToken) -> Issuer:
        """
        Tell whose a token claims to be.

        Raises:
            BadToken: It is of an issuer that is not known.
        """
        name = token.registered.iss
        issuer = self._by_name.get(name)
        if issuer is None:
            raise BadToken(
                "the token's issuer is missing or not known here",
                token_issuer=_shown(name),
                known_issuers=", ".join(self._by_name),
            )
        return issuer

    def claimed_by(self, text: str) -> bool:
        """
        Tell whether a text that is no good token says that it is ours, and is nobody else's affair.

        It is if it reads as a channel token, or as a JWT of one of these issuers, however badly it
        is made; and if it is signed like a JWT and its claims cannot be read.
        """
        parts = text.split(".")
        header = _readable(parts[0]) or {}
        kind = str(header.get("typ", "")).lower().removeprefix("application/")
        claims = _readable(parts[1]) if len(parts) > 1 else None
        if kind == TYPE or (claims is None and "alg" in header and "enc" not in header):
            return True
        name = claims.get("iss") if claims else None
        return isinstance(name, str) and name in self._by_name


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


def taken_apart(text: str) -> UnverifiedToken:
    """
    Take a token apart.  Nothing of it is verified.

    Raises:
        BadToken: It is no JWT, or one of another kind.
    """
    if len(text) > MAX_TOKEN:
        raise BadToken(f"the token is longer than {MAX_TOKEN} characters")
    try:
        # PyJWT refuses what is not spelled in base64 as it must be, and extensions that it does not
        # understand.
        parts = _signatures.decode_complete(text, options=_UNVERIFIED)
    except (jwt.PyJWTError, RecursionError, ValueError) as error:
        raise BadToken("the token is malformed") from error
    header, payload = parts["header"], parts["payload"]
    if header.get("typ") == TYPE:  # RFC 8725, 3.11: never take one kind for another.
        raise BadToken("the token is a channel token")
    algorithm = header.get("alg")
    return UnverifiedToken(
        Header(algorithm if isinstance(algorithm, str) else "", header.get("kid")),
        _registered(payload),
        payload,
        text.rpartition(".")[0].encode(),
        parts["signature"],
    )


def verify(token: UnverifiedToken, issuer: Issuer, *, key: VerifyingKey, now: float) -> Identity:
    """
    Verify a token: here alone it becomes a user.

    Args:
        token: See `taken_apart`.
        issuer: Whose it claims to be, see `Issuers.of`.
        key: The issuer's key, see `prepared_key`; or the one that it publishes for the token's
            header.
        now: UTC epoch seconds.

    Raises:
        BadToken: Its signature, algorithm, audience, time or user is not as it must be.
    """
    algorithm = token.header_for(issuer).alg
    if not key.has_signed(token.text, token.signature, algorithm=algorithm):
        raise BadToken("the token's signature does not match")
    expires_at = _check(token.registered, issuer, now)
    claims = _claims(token.payload)
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
    try:
        check_user_id(value)
    except BadUserId as error:
        raise BadToken(f"the token's user: {error}") from error
    return value


def _readable(part: str) -> dict[str, Any] | None:
    """Read a part of a token as leniently as anybody might; None: it is no object in JSON."""
    text = part.translate(_URL_SAFE).rstrip("=")
    try:
        return _decode_claims(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, *_MALFORMED):
        return None


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
