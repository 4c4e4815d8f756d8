"""
Channel tokens: what a back end gives a client, so that it may join channels without asking again.

Pure: callers pass ``now``, UTC epoch seconds.  A token is a JWT of a type of its own, made for one
app and signed with a key that the settings name.  What a token says of itself chooses among those
keys and nothing else.  Source: RFC 7519, and RFC 8725 (JSON Web Token Best Current Practices).
"""

import math
import re
import secrets
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from libs.common.channels import MAX_USER_ID, Kind, is_user_id, kind_of
from libs.common.errors import Invalid
from libs.common.globs import Globs
from libs.common.json_text import JsonReader, write
from libs.common.tokens.key_ring import MAX_TOKEN, BadChannelToken, KeyRing, Owner, payload_of

GRAIN = 0.001  # Seconds: an instant is not told more exactly.
LEEWAY = 30.0  # Seconds that an issuer's clock may be ahead of ours.
MAX_PATTERNS = 100
MAX_PATTERN = 200  # Characters; the longest name that any app allows.
MAX_JTI = 128

_PATTERN = re.compile(r"[-a-zA-Z0-9_=@,.;*]+")
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Object = dict[str, Any]
_UserId = Annotated[str, Meta(min_length=1, max_length=MAX_USER_ID)]
_Patterns = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)], ...],
    Meta(max_length=MAX_PATTERNS),
]


class StaleToken(BadChannelToken):
    """A channel token was good, and its time is over."""

    def __init__(self) -> None:
        super().__init__("the token has expired")


class LongLife(Invalid):
    """A token is asked for that would be good for too long."""

    def __init__(self, longest: float) -> None:
        super().__init__(f"ttl is more than {longest:g} seconds (tokens.max_ttl)")


class LongToken(Invalid):
    """A token is asked for that would be too long."""

    status = 413

    def __init__(self) -> None:
        super().__init__(f"the token would have more than {MAX_TOKEN} characters")


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What a back end wants a token to say.

    Attributes:
        user: The user's id.
        user_info: What the other members of presence channels are told.
        claims: Further facts about the user, at which policies may look.
        channels: Names, and patterns: ``*`` stands for any characters, or none.
        ttl: Seconds for which it shall be good; None: the usual.
    """

    user: _UserId
    user_info: _Object = {}
    claims: _Object = {}
    channels: _Patterns = ()
    ttl: Annotated[float, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        _check_texts(self.user, self.channels)


class ChannelToken(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a verified token says.

    Attributes:
        app: The id of the app that it is good for.
        user: The user's id.
        user_info: What the other members of presence channels are told.
        claims: Further facts that the issuer states about the user.
        channels: Names, and patterns; see `permits`.
        issued_at: UTC epoch seconds.
        expires_at: UTC epoch seconds.
        jti: The name of the token, by which it is revoked.
        issuer: The name of who issued it.
        key: The public key that fits its signature, as the settings have it.
    """

    app: str
    user: str
    user_info: _Object
    claims: _Object
    channels: tuple[str, ...]
    issued_at: float
    expires_at: float
    jti: str
    issuer: str
    key: str = ""


class Hint(NamedTuple):
    """
    What an unverified token says of itself.

    Attributes:
        app_ids: The apps that it is made for.
        jti: The name of the token.
        expires_at: UTC epoch seconds.
    """

    app_ids: tuple[str, ...]
    jti: str
    expires_at: float


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims; an app's own issuer may add others."""

    iss: str
    aud: str | tuple[str, ...]
    sub: _UserId
    jti: Annotated[str, Meta(min_length=1, max_length=MAX_JTI)]
    iat: float
    exp: float
    nbf: float | None = None
    channels: _Patterns = ()
    user_info: _Object = {}
    claims: _Object = {}

    def __post_init__(self) -> None:
        _check_texts(self.sub, self.channels)

    @property
    def audience(self) -> tuple[str, ...]:
        """The apps."""
        return (self.aud,) if isinstance(self.aud, str) else self.aud


_decode_payload = JsonReader(_Payload).read


def new_jti() -> str:
    """Make a name for a token: 128 random bits."""
    return secrets.token_urlsafe(16)


def issue(
    grant: TokenRequest, ring: KeyRing, *, app_id: str, now: float, jti: str
) -> tuple[str, ChannelToken]:
    """
    Issue a token.

    Args:
        grant: What the token shall say.
        ring: The keys, of which one signs.
        app_id: The app that it is good for.
        now: UTC epoch seconds.
        jti: See `new_jti`.

    Raises:
        NoSigningKey: No key has a private half.
        LongLife: It would be good for longer than the settings allow.
        LongToken: It would be too long to be read.
    """
    ttl = ring.ttl if grant.ttl is None else grant.ttl
    if ttl > ring.max_ttl:
        raise LongLife(ring.max_ttl)
    # Parts of a second count: who is revoked and comes back at once must have a token that is
    # newer.
    issued_at = math.floor(now * 1000) / 1000
    payload = _Payload(
        iss=ring.issuer,
        aud=app_id,
        sub=grant.user,
        jti=jti,
        iat=issued_at,
        exp=math.floor(issued_at + ttl),
        channels=grant.channels,
        user_info=grant.user_info,
        claims=grant.claims,
    )
    text = ring.sign(write(payload))
    if len(text) > MAX_TOKEN:
        raise LongToken
    return text, _token(payload, app_id, key=ring.signing_key)


def verify(text: str, ring: KeyRing, *, app: Owner, now: float) -> ChannelToken:
    """
    Verify a token.

    Args:
        text: A JWT.
        ring: The deployment's keys and terms.
        app: Where the token is presented; its own keys count too.
        now: UTC epoch seconds.

    Raises:
        StaleToken: The token has expired.
        BadChannelToken: The text is not one that a known issuer made for this app, to be used now.
    """
    opened = ring.opened(text, app)
    payload = _payload(opened.payload)
    if payload.iss != opened.issuer:
        raise BadChannelToken("the token is of another issuer")
    if app.id not in payload.audience:
        raise BadChannelToken("the token is made for another app")
    _check_times(payload, ring.max_ttl, now)
    return _token(payload, app.id, key=opened.key)


def hint(text: str) -> Hint | None:
    """Read what a token says of itself, and verify nothing; None: it is no token."""
    try:
        payload = _payload(payload_of(text))
    except BadChannelToken:
        return None
    return Hint(payload.audience, payload.jti, payload.exp)


def looks_like_token(text: str) -> bool:
    """Tell a token from Pusher's ``key:signature``, cheaply: it has three parts and no colon."""
    return text.count(".") == 2 and ":" not in text


def permits(token: ChannelToken, channel: str) -> bool:
    """
    Tell whether a token names a channel.

    A ``*`` stands for any characters, full stops too, or for none.  A user's own channel takes a
    sign-in, and no pattern fits it.
    """
    return kind_of(channel) is not Kind.USER and _globs(token.channels).fits(channel)


@lru_cache(maxsize=1024)
def _globs(patterns: tuple[str, ...]) -> Globs:
    return Globs(patterns)


def _payload(text: bytes) -> _Payload:
    try:
        return _decode_payload(text)
    except msgspec.ValidationError as error:
        raise BadChannelToken(f"the token's claims are not as they must be: {error}") from error
    except _MALFORMED as error:
        raise BadChannelToken("the token's claims are malformed") from error


def _check_times(payload: _Payload, max_ttl: float, now: float) -> None:
    # Each is asked for what must hold, so that what is no number fails.
    if not payload.exp - payload.iat <= max_ttl + GRAIN:
        raise BadChannelToken(f"the token is good for more than {max_ttl:g} seconds")
    if not payload.iat <= now + LEEWAY:
        raise BadChannelToken("the token was issued in the future")
    if payload.nbf is not None and not payload.nbf <= now + LEEWAY:
        raise BadChannelToken("the token is not valid yet")
    if not now < payload.exp:  # Without leeway: gateways give one, `TokenSettings.grace`.
        raise StaleToken


def _token(payload: _Payload, app_id: str, *, key: str) -> ChannelToken:
    return ChannelToken(
        app=app_id,
        user=payload.sub,
        user_info=payload.user_info,
        claims=payload.claims,
        channels=payload.channels,
        issued_at=payload.iat,
        expires_at=float(payload.exp),
        jti=payload.jti,
        issuer=payload.iss,
        key=key,
    )


def _check_texts(user: str, channels: tuple[str, ...]) -> None:
    if not is_user_id(user):
        raise ValueError("the user's id has characters that cannot be printed")
    if not all(map(_PATTERN.fullmatch, channels)):
        raise ValueError("in a channel's pattern are letters, digits and _ - = @ , . ; *")
