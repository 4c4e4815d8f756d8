"""
How users prove who they are, and how memberships are read.

Pure.  The section ``[auth]`` with what is below it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from libs.common.config.address import Network
from libs.common.config.secret import Secret
from libs.common.egress.policy import Egress, names_loopback
from libs.common.egress.urls import check_url

Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"
]
SHORTEST_SECRET = 32  # Bytes.  RFC 7518, 3.2: a key as long as the hash, and HS256 is the least.

_COOKIE = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 6265, 4.1.1.
_PREFIX = re.compile(r"(?:/[-A-Za-z0-9._~]+)*")
_PARAMETER = re.compile(r"\$([0-9]+)")


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who issues the tokens (JWT) that users come with, and how they are checked.

    Attributes:
        issuer: What their ``iss`` must be.
        audience: What their ``aud`` must be.
        algorithms: Those allowed; either with a shared secret (HS…) or with a public key, never
            both.
        secret: The shared secret of HS… algorithms, 32 bytes or more.
        key: The public key of the others, as PEM.
        jwks: In its place, the URL where the issuer publishes its keys (RFC 7517).
        app: The id of the only app whose users they are; empty: of any.
        user_id: The claim that has the user's id.
        user_info: What other members of a presence channel are told: a name, and the claim it is
            from.
    """

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("HS256",)
    secret: Secret = Secret("")
    key: str = ""
    jwks: str = ""
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
        elif bool(self.key) == bool(self.jwks) or self.secret.reveal():
            raise ValueError(
                f'issuer "{self.issuer}" needs key (a public key as PEM) or jwks (a URL), '
                "and no secret"
            )
        if self.jwks:
            check_url(
                self.jwks,
                f'the jwks of issuer "{self.issuer}"',
                example="https://id.example.org/keys",
            )

    def _check_secret(self) -> None:
        if self.key or self.jwks or len(self.secret.reveal().encode()) < SHORTEST_SECRET:
            raise ValueError(
                f'issuer "{self.issuer}" needs a secret of {SHORTEST_SECRET} bytes or more, '
                "and no key"
            )


class Introspection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Who is asked about those tokens of an app that are no JWT of an issuer.

    Such are the tokens of Laravel Sanctum, and cookies of sessions.

    Attributes:
        app: The app's id; may be left out where only one app exists.
        url: The address that is asked.
        mode: ``introspect`` posts the token there (RFC 7662); ``whoami`` asks with the caller's own
            header or cookie.
        method: How ``whoami`` asks.
        client_id: Who we are to ``introspect``, as HTTP Basic; empty: it does not want to know.
        client_secret: The password that goes with `client_id`.
        plain_http: Whether ``http://`` may lead elsewhere than to this machine, where tokens can be
            read on the way.
        user_id: The path to the user's id in the answer, such as ``data.id``; empty: ``sub``, or
            ``id`` with ``whoami``.
        user_info: What other members of a presence channel are told: a name, and the path it is
            from.
        cache: Seconds for which an answer is believed, and a fifth of it where it is no.
        timeout: Seconds to wait for an answer.
        max_body: Bytes of an answer.
    """

    url: str
    app: str = ""
    mode: Literal["introspect", "whoami"] = "introspect"
    method: Literal["GET", "POST"] = "GET"
    client_id: str = ""
    client_secret: Secret = Secret("")
    plain_http: bool = False
    user_id: str = ""
    user_info: dict[str, str] = {}
    cache: Annotated[float, Meta(ge=0, le=300)] = 10.0
    timeout: Annotated[float, Meta(gt=0)] = 3.0
    max_body: Annotated[int, Meta(ge=1)] = 64 * 1024

    @property
    def user_path(self) -> str:
        """Where the user's id stands in the answer."""
        return self.user_id or {"introspect": "sub", "whoami": "id"}[self.mode]

    def __post_init__(self) -> None:
        check_url(
            self.url,
            "auth.introspection: the url",
            example="https://example.org/api/user",
            plain_http=self.plain_http,
        )
        if self.client_secret.reveal() and not self.client_id:
            raise ValueError("auth.introspection: a client_secret needs a client_id")
        if self.client_id and self.mode == "whoami":
            raise ValueError(
                "auth.introspection: whoami asks with the caller's token, not a client_id"
            )


class MembershipSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How memberships are read, and how long an answer counts: ``[auth.memberships]``.

    Attributes:
        query: SQL that reads them in tables of the operator's; empty: they are rows of
            ``fanfare_memberships``.
        topic: A compacted topic of the event log that tells of them; empty: none.
        group: The consumer group that reads it.
        cache: Seconds for which an answer counts, unless a change is heard of.
        cache_entries: Answers that are remembered at most, of yes and of no each.
        timeout: Seconds in which the backend must have answered one call, which may be about many.
        max_wait: Seconds in which a question must have got its answer, however many others wait.
    """

    query: str = ""
    topic: str = ""
    group: Annotated[str, Meta(min_length=1)] = "fanfare-memberships"
    cache: Annotated[float, Meta(ge=0, le=60)] = 60.0
    cache_entries: Annotated[int, Meta(ge=1)] = 100_000
    timeout: Annotated[float, Meta(gt=0)] = 2.0
    max_wait: Annotated[float, Meta(gt=0)] = 10.0

    def __post_init__(self) -> None:
        if self.max_wait < self.timeout:
            raise ValueError("max_wait must not be less than timeout")
        if not self.query:
            return
        used = set(_PARAMETER.findall(self.query))
        if used - set("12345"):
            raise ValueError("query has the parameters $1 to $5, and no others")
        if "2" not in used or not used & {"3", "5"}:  # It would let everybody in, or to everything.
            raise ValueError("query must look at the user, $2, and at the group, $3 or $5")
        if self.topic:
            raise ValueError(
                "query and topic exclude each other: what a query reads is kept elsewhere"
            )


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What auth answers, and whom it believes.

    Attributes:
        prefixes: What may stand before ``/broadcasting/auth`` and the like; each empty or ``/…``.
        max_body: Bytes of a request's body.
        read_timeout: Seconds in which a body must have arrived.
        requests_per_address: A second, of one address and in each process; 0 or -1: no limit.
        requests_per_user: A second, of one user and in each process; 0 or -1: no limit.
        unknown_tokens: Opaque tokens that were not believed before, a second, of one address and in
            each process; 0 or -1: no limit.
        unknown_tokens_burst: How many of them at once: who share an address come back at once to a
            process that knows none of their tokens.
        cookie: The name of the cookie that holds the token where there is no ``Authorization``;
            empty: none does.
        issuers: Who makes tokens that count.
        jwks_ttl: Seconds after which published keys are read again, while those known go on being
            used.
        jwks_max_age: Seconds after which they are no longer, if they could not be.
        introspection: Identity servers that are asked about other tokens, one for each app.
        memberships: Who belongs to what.
    """

    prefixes: Annotated[tuple[str, ...], Meta(min_length=1)] = ("", "/api")
    max_body: Annotated[int, Meta(ge=1)] = 64 * 1024
    read_timeout: Annotated[float, Meta(gt=0)] = 10.0
    requests_per_address: Annotated[float, Meta(ge=-1)] = 1000.0
    requests_per_user: Annotated[float, Meta(ge=-1)] = 100.0
    unknown_tokens: Annotated[float, Meta(ge=-1)] = 50.0
    unknown_tokens_burst: Annotated[int, Meta(ge=1)] = 2000
    cookie: str = ""
    issuers: tuple[Issuer, ...] = ()
    jwks_ttl: Annotated[float, Meta(gt=0)] = 300.0
    jwks_max_age: Annotated[float, Meta(gt=0)] = 86_400.0
    introspection: tuple[Introspection, ...] = ()
    memberships: MembershipSettings = MembershipSettings()

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            if not _PREFIX.fullmatch(prefix):
                raise ValueError(f'the prefix "{prefix}" must be empty, or a path such as /api')
        if len(set(self.prefixes)) < len(self.prefixes):
            raise ValueError("a prefix stands there twice")
        if len({issuer.issuer for issuer in self.issuers}) < len(self.issuers):
            raise ValueError("two issuers have the same name")
        if self.cookie and not _COOKIE.fullmatch(self.cookie):
            raise ValueError(f'the cookie "{self.cookie}" is no name of a cookie')
        if self.jwks_max_age < self.jwks_ttl:
            raise ValueError("jwks_max_age must not be less than jwks_ttl")
        if len({asked.app for asked in self.introspection}) < len(self.introspection):
            raise ValueError("two of introspection are for the same app")


def provider_egress(allow: Sequence[Network], *, is_here: bool) -> Egress:
    """
    Say where a question to an identity server may go.

    The operator names identity servers, and most are where the deployment is: so they may be on
    private networks.  This machine itself they may be where the URL says so, as for a sidecar; a
    name that merely leads here is refused.  So is what is link-local, where clouds tell a machine's
    credentials.

    Args:
        allow: Networks that may be asked in any case.
        is_here: Whether the URL says that it leads to this machine.
    """
    egress = Egress(allow, private=True)
    return egress.with_loopback() if is_here else egress


def refused_providers(settings: AuthSettings, allow: Sequence[Network]) -> Iterator[str]:
    """Name the URLs of identity servers whose address may not be asked."""
    called = [(each.jwks, f'the jwks of issuer "{each.issuer}"') for each in settings.issuers]
    called += [(each.url, "auth.introspection: the url") for each in settings.introspection]
    for url, what in called:
        try:
            provider_egress(allow, is_here=names_loopback(url)).check(url, what)
        except ValueError as error:
            yield str(error)
