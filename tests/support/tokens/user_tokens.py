"""Users' tokens, signed with any key and as wrong as a test wants them; and who they say is calling."""

from collections.abc import Iterable
from typing import Any

import jwt

from services.auth.identity.bearer_tokens import Identity, Issuers, taken_apart, verify
from services.auth.identity.verifying_keys import prepared_key
from services.auth.settings import Issuer

SECRET = "fanfare-development-secret-0123456789"
ISSUER = "fanfare-dev"
AUDIENCE = "fanfare"
FAR = 4_102_444_800  # UTC epoch seconds of the year 2100.


def claims(**others: Any) -> dict[str, Any]:
    """Make the claims of a good token; None leaves one out."""
    known = {"iss": ISSUER, "aud": AUDIENCE, "exp": FAR, "sub": "7"}
    return {name: value for name, value in (known | others).items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", **others: Any) -> str:
    """Make a token with the development secret, or another key; see `claims`."""
    return jwt.encode(claims(**others), key, algorithm=algorithm)


def user_of(text: str, issuers: Iterable[Issuer], *, now: float) -> Identity:
    """Do what the service does with a token of an issuer whose key the settings hold."""
    unverified = taken_apart(text)
    issuer = Issuers(issuers).of(unverified)
    return verify(unverified, issuer, key=prepared_key(issuer), now=now)
