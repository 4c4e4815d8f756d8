"""
What an identity server is asked about an opaque token, and what its answer says.

Pure.  Only a clear yes is one: an answer of another status, of another form, or without the user's
id never is.  Source: RFC 7662 (OAuth 2.0 Token Introspection), 2; RFC 6749, 2.3.1, for the client's
name and password.
"""

import base64
import math
from typing import Any
from urllib.parse import quote_plus

import msgspec

from libs.common.json_text import JsonReader
from services.auth.identity.bearer_tokens import LEEWAY, BadToken, Identity, user_id
from services.auth.identity.credentials import Credential
from services.auth.identity.provider import ProviderQuery, ProviderReply, ProviderUnavailable
from services.auth.settings import Introspection

_MISSING = object()
_NO = frozenset({401, 403})


def question(spec: Introspection, credential: Credential) -> ProviderQuery:
    """Ask about a token in the way that an app's identity server wants to be asked."""
    if spec.mode == "introspect":
        headers, form = _client(spec), {"token": credential.token}
        return ProviderQuery("POST", spec.url, spec.max_body, spec.timeout, headers, form)
    return ProviderQuery(spec.method, spec.url, spec.max_body, spec.timeout, _passed_on(credential))


def read(spec: Introspection, reply: ProviderReply, *, now: float) -> Identity:
    """
    Read the answer.

    Args:
        spec: The identity server that was asked.
        reply: As received.
        now: UTC epoch seconds.

    Raises:
        BadToken: The token is not believed, or has expired, or names no user.
        ProviderUnavailable: It is not clear.
    """
    if spec.mode == "whoami" and reply.status in _NO:
        raise BadToken("the token is not believed where it comes from")
    if reply.status != 200:
        raise ProviderUnavailable(f"an answer of status {reply.status}")
    claims = _document(reply.body)
    if spec.mode == "introspect":
        _check_active(claims)
    elif not claims:  # Some answer null for nobody.
        raise BadToken("the token does not name its user")
    expires_at = _expiry(claims, now) if spec.mode == "introspect" else math.inf
    found = {name: at(claims, path) for name, path in spec.user_info.items()}
    info = {name: value for name, value in found.items() if value is not _MISSING}
    return Identity(user_id(at(claims, spec.user_path)), info, claims, spec, expires_at)


def at(document: Any, path: str) -> Any:
    """Return what stands at a path such as ``data.id``, or a mark that equals nothing."""
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _MISSING
        document = document[name]
    return document


def _client(spec: Introspection) -> dict[str, str]:
    if not spec.client_id:
        return {}
    pair = f"{quote_plus(spec.client_id)}:{quote_plus(spec.client_secret.reveal())}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _passed_on(credential: Credential) -> dict[str, str]:
    if not credential.cookie:
        return {"Authorization": f"Bearer {credential.token}"}
    # Laravel Sanctum reads a session only for pages that it knows, by their Origin.
    return {"Cookie": f"{credential.cookie}={credential.token}", "Origin": credential.origin}


_any = JsonReader(object)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = _any.read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderUnavailable("an answer that is no JSON") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ProviderUnavailable("an answer that is no JSON object")
    return document


def _check_active(claims: dict[str, Any]) -> None:
    active = claims.get("active")
    if active is False:
        raise BadToken("the token is not active")
    if active is not True:
        raise ProviderUnavailable("an answer without active")


def _expiry(claims: dict[str, Any], now: float) -> float:
    expiry = claims.get("exp")
    if expiry is None:
        return math.inf
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or abs(expiry) >= 2**63:
        raise ProviderUnavailable("an answer whose exp is no time")
    if now >= expiry + LEEWAY:
        raise BadToken("the token has expired")
    return float(expiry)
