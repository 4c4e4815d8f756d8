"""
How users prove who they are, and which channels they may join.

Pure.  The sections ``[auth]``, ``[[auth.issuers]]`` and ``[[channels]]``.  Conditions and patterns are compiled
elsewhere; what can be told without them is checked here.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.common.secret import Secret

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"
]
SHORTEST_SECRET = 32  # Bytes.  RFC 7518, 3.2: a key as long as the hash, and HS256 is the least.

_PREFIX = re.compile(r"(?:/[-A-Za-z0-9._~]+)*")


class ChannelPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who may join the channels that a pattern names; the first that matches decides, none: 403.

    Attributes:
        pattern: A channel name, prefix included, with captures: ``private-company.{company_id}``.  ``{name}``
            takes a part without full stops, ``{name*}`` one with them.
        allow: A condition in CEL over ``claims``, ``user`` and the captures; empty: none.
        member_of: What the user must be a member of, with captures: ``campaign:{campaign_id}``; empty: nothing.
        app: The app's id; may be left out where only one app exists.
    """

    pattern: Annotated[str, Meta(min_length=1)]
    allow: str = ""
    member_of: str = ""
    app: str = ""

    def __post_init__(self) -> None:
        if not self.allow and not self.member_of:
            raise ValueError(
                f'the policy for "{self.pattern}" needs allow or member_of (allow = "true": all who are known)'
            )


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who issues the tokens (JWT) that users come with, and how they are checked.

    Attributes:
        issuer: What their ``iss`` must be.
        audience: What their ``aud`` must be.
        algorithms: Those allowed; either with a shared secret (HS…) or with a public key, never both.
        secret: The shared secret of HS… algorithms, 32 bytes or more.
        key: The public key of the others, as PEM.
        app: The id of the only app whose users they are; empty: of any.
        user_id: The claim that has the user's id.
        user_info: What other members of a presence channel are told: a name, and the claim it is from.
    """

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("HS256",)
    secret: Secret = Secret("")
    key: str = ""
    app: str = ""
    user_id: Annotated[str, Meta(min_length=1)] = "sub"
    user_info: dict[str, str] = {}

    @property
    def verifying_key(self) -> str:
        """What the signatures are checked with: the secret, or the public key."""
        return self.secret.reveal() or self.key

    def __post_init__(self) -> None:
        shared = {name.startswith("HS") for name in self.algorithms}
        if len(shared) > 1:  # RFC 8725, 3.1: a public key must never be taken for a shared secret.
            raise ValueError(f'issuer "{self.issuer}" mixes HS… with other algorithms')
        if shared == {True}:
            self._check_secret()
        elif not self.key or self.secret.reveal():
            raise ValueError(
                f'issuer "{self.issuer}" needs key (a public key as PEM), and no secret'
            )

    def _check_secret(self) -> None:
        if self.key or len(self.secret.reveal().encode()) < SHORTEST_SECRET:
            raise ValueError(
                f'issuer "{self.issuer}" needs a secret of {SHORTEST_SECRET} bytes or more, and no key'
            )


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What auth answers, and whom it believes.

    Attributes:
        prefixes: What may stand before ``/broadcasting/auth`` and the like; each empty or ``/…``.
        max_body: Bytes of a request's body.
        read_timeout: Seconds in which a body must have arrived.
        issuers: Whose tokens count.
    """

    prefixes: Annotated[tuple[str, ...], Meta(min_length=1)] = ("", "/api")
    max_body: Annotated[int, Meta(ge=1)] = 64 * 1024
    read_timeout: Annotated[float, Meta(gt=0)] = 10.0
    issuers: tuple[Issuer, ...] = ()

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            if not _PREFIX.fullmatch(prefix):
                raise ValueError(f'the prefix "{prefix}" must be empty, or a path such as /api')
        if len(set(self.prefixes)) < len(self.prefixes):
            raise ValueError("a prefix stands there twice")
        if len({issuer.issuer for issuer in self.issuers}) < len(self.issuers):
            raise ValueError("two issuers have the same name")
