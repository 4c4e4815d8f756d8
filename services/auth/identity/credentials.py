"""
What a request brings to show who is calling: a bearer token, or a cookie that stands for one.

Pure.  A cookie comes by itself, on whichever page somebody has their browser post; so it counts
only together with the ``Origin`` of a page that the app names, and only where both are told once:
of several nobody knows which are the browser's.  Source: RFC 6750, 2.1; RFC 6265, 4.1 and 5.4;
OWASP, "Cross-Site Request Forgery Prevention", "Verifying origin".
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from multidict import MultiMapping

from libs.common.apps.app import App
from libs.common.apps.origins import names
from libs.common.errors import Forbidden
from services.auth.identity.bearer_tokens import MAX_TOKEN, BadToken, MissingToken, bearer

# What may be passed on as it is: in a header all that is seen, in a cookie what RFC 6265 calls
# cookie-octet.
_SEEN = re.compile(r"[\x21-\x7e]+")
_COOKIE_OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


class ForeignOrigin(Forbidden):
    """A cookie came from a page that is not known to belong to the app."""

    def __init__(self) -> None:
        super().__init__("a cookie counts only from pages that allowed_origins names")


@dataclass(frozen=True, slots=True)
class Credential:
    """
    A token, and how it came.

    Attributes:
        token: A JWT, or one that means something to an identity server alone.
        cookie: The name of the cookie that held it; empty: it came as a bearer token.
        origin: Of the page, where it came in a cookie.
    """

    token: str = field(repr=False)
    cookie: str = ""
    origin: str = ""

    @property
    def digest(self) -> bytes:
        """What tells it from all others, and does not give it away."""
        text = f"{self.cookie}\n{self.origin}\n{self.token}"
        return hashlib.sha256(text.encode()).digest()

    def check_origin(self, app: App) -> None:
        """
        Let a cookie count only from pages that the app names: those of everybody are nobody's.

        Raises:
            ForeignOrigin: It comes from elsewhere, or from nowhere.
        """
        if self.cookie and not names(app.allowed_origins, self.origin):
            raise ForeignOrigin


def credential(headers: MultiMapping[str], *, cookie: str) -> Credential:
    """
    Take what a request brings.

    Args:
        headers: The headers of the request.
        cookie: The name of the cookie that counts where there is no ``Authorization``; empty: none
            does.

    Raises:
        MissingToken: The request brings nothing.
        BadToken: No token is like that, or the cookie came with several values.
    """
    if cookie and "Authorization" not in headers:
        values = set(_cookies(headers.getall("Cookie", ()), cookie))
        if values:
            return _from_cookie(values, cookie, origin_of(headers))
    return Credential(_checked(bearer(headers.get("Authorization")), _SEEN))


def origin_of(headers: MultiMapping[str]) -> str:
    """Tell the origin of the page that a request is from; empty: none is told, or several are."""
    told = headers.getall("Origin", ())
    return told[0] if len(told) == 1 else ""


def _cookies(headers: Iterable[str], wanted: str) -> Iterator[str]:
    for header in headers:
        for pair in header.split(";"):
            name, equals, value = pair.strip(" \t").partition("=")
            if equals and name == wanted:
                yield value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _from_cookie(values: set[str], name: str, origin: str) -> Credential:
    if len(values) > 1:  # Somebody else, of a domain next to it, may have set one of them.
        raise BadToken("the cookie comes with several values")
    (value,) = values
    if not value:
        raise MissingToken
    return Credential(_checked(value, _COOKIE_OCTETS), name, origin)


def _checked(token: str, form: re.Pattern[str]) -> str:
    if len(token) > MAX_TOKEN:
        raise BadToken(f"the token is longer than {MAX_TOKEN} characters")
    if not form.fullmatch(token):
        raise BadToken("the token is malformed")
    return token
