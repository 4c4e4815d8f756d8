"""
Pusher's signatures: HMAC-SHA256 over a string, keyed with an app's secret, in lower-case hex.

A grant is a token of our own auth, which also carries whose it is; a key that is derived from the
secret signs it.

Pure.  Comparisons take constant time.  Source: Pusher, "Authentication signatures" and "HTTP API",
docs/protocol.md, "Signatures".
"""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from urllib.parse import unquote_plus

from libs.common.apps.app import App
from libs.common.channels import check_socket_id
from libs.common.config.secret import Secret
from libs.common.errors import Denied

MAX_AGE = 600.0  # Seconds that auth_timestamp may be off (Pusher, "HTTP API", "Authentication").

_GRANTS = "fanfare grant"
_SIGNATURE = "auth_signature"
_PROOFS = ("auth_key", "auth_timestamp", "auth_version", _SIGNATURE)
_NEEDED = frozenset(_PROOFS)
_SAID_ONCE = _NEEDED | {"body_md5"}
_NO_MATCH = "the signature does not match"


class BadSignature(Denied):
    """A signature is missing, malformed, made with another key or over something else."""


class StaleTimestamp(Denied):
    """A request was signed too long ago, or in the future."""

    def __init__(self, seconds: float) -> None:
        side = "behind" if seconds > 0 else "ahead of"
        super().__init__(
            f"auth_timestamp is {abs(seconds):.0f} s {side} the clock here, "
            f"more than {MAX_AGE:.0f} s"
        )
        self.seconds = seconds


class NotSigned(BadSignature):
    """A request of the HTTP API lacks what proves whose it is."""

    def __init__(self, missing: Sequence[str]) -> None:
        verb = "is" if len(missing) == 1 else "are"
        super().__init__(f"the request is not signed: {', '.join(missing)} {verb} missing")
        self.missing = tuple(missing)


class BadBodyDigest(Denied):
    """The body is not the one that was signed."""

    def __init__(self) -> None:
        super().__init__("body_md5 does not match the body")


def sign(secret: str, text: str) -> str:
    """Sign a text."""
    mac = _keyed(secret).copy()
    mac.update(_bytes(text))
    return mac.hexdigest()


def channel_text(socket_id: str, channel: str, channel_data: str | None = None) -> str:
    """
    Compose what a channel's token signs.

    Raises:
        BadSocketId: The socket id could smuggle a separator.
    """
    check_socket_id(socket_id)
    text = f"{socket_id}:{channel}"
    return text if channel_data is None else f"{text}:{channel_data}"


def user_text(socket_id: str, user_data: str) -> str:
    """
    Compose what a user's token signs.

    Raises:
        BadSocketId: The socket id could smuggle a separator.
    """
    check_socket_id(socket_id)
    return f"{socket_id}::user::{user_data}"


def token(app: App, text: str) -> str:
    """Make a token, ``key:signature``, with the app's first secret."""
    return f"{app.key}:{sign(app.secrets[0].reveal(), text)}"


def check_token(app: App, received: str, text: str) -> None:
    """
    Check a token that a client presents.

    Raises:
        BadSignature: There is none, or it is not one that any of the app's secrets makes over this
            text.
    """
    check_signature(app, _after_key(app, received), text)


def grant_token(app: App, socket_id: str, *, channel: str, holder: str) -> str:
    """
    Make a token that says whose it is, ``key:holder.signature``, with the app's first secret.

    To clients it is as opaque as `token`, and as long as that and 4/3 of the text's bytes.

    Args:
        app: Whose client it is for.
        socket_id: Of its connection.
        channel: A name that has been checked.
        holder: Any text.  It is signed and can be read by everybody.

    Raises:
        BadSocketId: The socket id could smuggle a separator.
    """
    carried = base64.urlsafe_b64encode(holder.encode()).rstrip(b"=").decode()
    text = channel_text(socket_id, channel, carried)
    return f"{app.key}:{carried}.{sign(_grant_key(app.secrets[0]), text)}"


def is_grant(received: str) -> bool:
    """Tell what `grant_token` makes from what `token` makes, cheaply."""
    return "." in received.rpartition(":")[2]


def check_grant(app: App, received: str, socket_id: str, *, channel: str) -> str:
    """
    Check a token that `grant_token` made, and return its holder.

    Raises:
        BadSignature: It is not one that any of the app's secrets makes for this connection and
            channel; or what is signed is no base64url of a UTF-8 text.
    """
    carried, _, signature = _after_key(app, received).partition(".")
    text = channel_text(socket_id, channel, carried)
    if not _is_among(_bytes(signature), [sign(_grant_key(secret), text) for secret in app.secrets]):
        raise BadSignature(_NO_MATCH)
    try:
        padded = carried.encode("ascii") + b"=" * (-len(carried) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise BadSignature("whose the token is cannot be read") from error


def check_signature(app: App, signature: str, text: str) -> None:
    """
    Check a signature against all of an app's secrets.

    Raises:
        BadSignature: None of them makes it.
    """
    if not _is_signed(app, _bytes(signature), text):
        raise BadSignature(_NO_MATCH)


def request_text(method: str, path: str, query: Sequence[tuple[str, str]]) -> str:
    """
    Compose what a request of the HTTP API signs.

    Args:
        method: Upper case.
        path: As the client used it.
        query: Decoded names and values; ``auth_signature`` is left out, names are lower-cased and
            sorted.
    """
    return _request_text(method, path, _signed([(name.lower(), value) for name, value in query]))


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Decode a query string into names and values, in order, dropping nothing."""
    pairs = [part.partition("=") for part in raw.split("&") if part]
    if "%" not in raw and "+" not in raw:  # Of what SDKs send, nearly all.
        return [(name, value) for name, _, value in pairs]
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def check_is_signed(names: Iterable[str]) -> None:
    """
    Check that a request of the HTTP API says whose it is, whether that is true or not.

    Args:
        names: Of its query's parameters.

    Raises:
        NotSigned: The request lacks one of them.
    """
    _check_proofs({name.lower() for name in names})


def check_head(
    app: App, method: str, paths: Sequence[str], *, raw_query: str, has_body: bool, now: float
) -> str | None:
    """
    Check a signed request of the HTTP API as far as its head goes: all but `check_digest`.

    Args:
        app: The app that the path names.
        method: Upper case.
        paths: What the client may have signed: the path as received, and without a proxy's prefix;
            the likeliest first, for each one that is wrong costs a digest.
        raw_query: The query string as received.
        has_body: Whether a body comes.
        now: UTC epoch seconds.

    Returns:
        The ``body_md5`` that was signed; None: there is none.

    Raises:
        BadSignature: A parameter is missing, the key is another, or no signature matches.
        StaleTimestamp: ``auth_timestamp`` is more than `MAX_AGE` away.
        BadBodyDigest: ``body_md5`` is missing for a body.
    """
    query = [(name.lower(), value) for name, value in parse_query(raw_query)]
    params = dict(query)
    _check_proofs(params.keys())
    if len(params) < len(query):
        _check_once(name for name, _ in query)
    if params["auth_version"] != "1.0":
        raise BadSignature("auth_version must be 1.0")
    if not hmac.compare_digest(_bytes(params["auth_key"]), app.key.encode()):
        raise BadSignature("auth_key is not the app's key")
    _check_timestamp(params["auth_timestamp"], now)
    digest = params.get("body_md5")
    if digest is None and has_body:
        raise BadBodyDigest
    received, signed = _bytes(params[_SIGNATURE]), _signed(query)
    if not any(_is_signed(app, received, _request_text(method, path, signed)) for path in paths):
        raise BadSignature(_NO_MATCH)
    return digest


def check_digest(digest: str | None, body: bytes) -> None:
    """
    Check a body against the digest that was signed for it.

    Raises:
        BadBodyDigest: It is another's, or there is none for a body.
    """
    # The Python SDK sends and signs the digest of an empty body, other SDKs leave it out.
    if digest is None and not body:
        return
    found = hashlib.md5(body, usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(_bytes(digest or ""), found.encode()):
        raise BadBodyDigest


def _after_key(app: App, received: str) -> str:
    """Check whose app's a token is, and return the rest of it."""
    if not received:
        raise BadSignature("a token is missing")
    key, _, rest = received.partition(":")
    if not hmac.compare_digest(_bytes(key), app.key.encode()):
        raise BadSignature("the token is made for another app key")
    return rest


@lru_cache(maxsize=1024)
def _keyed(secret: str) -> hmac.HMAC:
    """Take in the key, which is a third of the work and the same for all that it signs."""
    return hmac.new(secret.encode(), digestmod=hashlib.sha256)


@lru_cache(maxsize=1024)  # Secrets: who grants often does so with few.
def _grant_key(secret: Secret) -> str:
    """Derive a key, so that nothing that anybody gets signed with the secret is a grant."""
    return sign(secret.reveal(), _GRANTS)


def _is_signed(app: App, received: bytes, text: str) -> bool:
    return _is_among(received, [sign(secret.reveal(), text) for secret in app.secrets])


def _is_among(received: bytes, expected: Sequence[str]) -> bool:
    # All are compared, so that the time does not tell which secret matched.
    return sum([hmac.compare_digest(received, known.encode()) for known in expected]) > 0


def _signed(query: Iterable[tuple[str, str]]) -> str:
    """Compose what is signed of a query whose names are in lower case."""
    return "&".join([f"{name}={value}" for name, value in sorted(query) if name != _SIGNATURE])


def _request_text(method: str, path: str, signed: str) -> str:
    return f"{method}\n{path}\n{signed}"


def _check_proofs(names: AbstractSet[str]) -> None:
    if not names >= _NEEDED:
        raise NotSigned([name for name in _PROOFS if name not in names])


def _check_once(names: Iterable[str]) -> None:
    """Refuse a proof that stands twice: not everybody would believe the same of the two."""
    for name, number in Counter(names).items():
        if number > 1 and name in _SAID_ONCE:
            raise BadSignature(f"{name} stands there {number} times")


def _check_timestamp(text: str, now: float) -> None:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadSignature("auth_timestamp must be a number of seconds")
    if abs(now - int(text)) > MAX_AGE:
        raise StaleTimestamp(now - int(text))


def _bytes(text: str) -> bytes:
    """Encode any text, also lone surrogates, which HTTP parsers make of what is not UTF-8."""
    return text.encode(errors="surrogatepass")
