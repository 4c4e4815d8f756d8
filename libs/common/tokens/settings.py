"""
Channel tokens as the settings have them: who issues them, for how long, and with which keys.

Pure.  The section ``[tokens]``, and the keys of an app's own issuer.  Keys are read here, so that
one that cannot work stops the start.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.config.fields import Seconds
from libs.common.config.secret import Secret
from libs.common.tokens.keys import Algorithm, jwk_of, private_key, public_key

DEFAULT_TTL = 3600.0
DEFAULT_MAX_TTL = 86_400.0
DEFAULT_GRACE = 30.0

_Kid = Annotated[str, Meta(min_length=1, max_length=128)]


class TokenKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A key of this deployment.

    Attributes:
        kid: The key's name, which tokens carry; never given to another key.
        public_key: The public half, as PEM or JWK; every process that reads tokens has it.
        algorithm: The only one that it is used with.
        private_key: The private half, as PEM or JWK; only auth needs it, and only that of the key
            that signs.
    """

    kid: _Kid
    public_key: str
    algorithm: Algorithm = "EdDSA"
    private_key: Secret = Secret("")

    def __post_init__(self) -> None:
        jwk = jwk_of(_public(self), self.algorithm)
        if self.signs and jwk_of(_private(self), self.algorithm) != jwk:
            raise ValueError(f'token key "{self.kid}": private_key does not fit public_key')

    @property
    def signs(self) -> bool:
        """Whether tokens can be signed with it here."""
        return bool(self.private_key.reveal())


class AppTokenKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A public key of an app's own issuer: what it signs is good for that app alone.

    Attributes:
        kid: The key's name; where a key of the deployment has the same, that one counts.
        public_key: The key, as PEM or JWK.
        algorithm: The only one that it is used with.
        issuer: The ``iss`` of the tokens; empty: that of the deployment.
    """

    kid: _Kid
    public_key: str
    algorithm: Algorithm = "EdDSA"
    issuer: str = ""

    def __post_init__(self) -> None:
        _public(self)


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who issues channel tokens, for how long, and with which keys: ``[tokens]``.

    Attributes:
        issuer: The tokens' ``iss``.
        ttl: Seconds for which a token is good, unless who asks for it wants another time.
        max_ttl: Seconds for which a token may be good; one that says more is refused, whoever
            signed it.
        grace: Seconds after a token's expiry in which a client may present a new one.
        keys: The first with a private key signs, all verify.
    """

    issuer: Annotated[str, Meta(min_length=1)] = "fanfare"
    ttl: Seconds = DEFAULT_TTL
    max_ttl: Seconds = DEFAULT_MAX_TTL
    grace: Annotated[float, Meta(ge=0)] = DEFAULT_GRACE
    keys: tuple[TokenKey, ...] = ()

    def __post_init__(self) -> None:
        if self.ttl > self.max_ttl:
            raise ValueError(f"ttl ({self.ttl:g}) is longer than max_ttl ({self.max_ttl:g})")
        check_kids(self.keys)


def check_kids(keys: Iterable[TokenKey | AppTokenKey]) -> None:
    """
    Check that every key has a name of its own.

    Raises:
        ValueError: Two have the same.
    """
    kids = [key.kid for key in keys]
    for kid in kids:
        if kids.count(kid) > 1:
            raise ValueError(f'two token keys have the kid "{kid}"')


def _public(key: TokenKey | AppTokenKey) -> object:
    try:
        return public_key(key.public_key, key.algorithm)
    except ValueError as error:
        raise ValueError(f'token key "{key.kid}": public_key: {error}') from error


def _private(key: TokenKey) -> object:
    try:
        return private_key(key.private_key.reveal(), key.algorithm)
    except ValueError:  # Its cause may quote the key.
        raise ValueError(
            f'token key "{key.kid}": private_key: not a private key for {key.algorithm},'
            " as PEM or JWK"
        ) from None
