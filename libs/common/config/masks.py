"""
Values of settings as they may be shown: whatever may be a secret is ``…``.

Pure.  A `Secret` is one; so may be the login of a URL, of whatever type the URL is, and what its
query gives, and the path of one that is a permission; and a private key, wherever it stands.
"""

import re
from typing import Any

import msgspec

from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.config.url_parts import UrlParts, parts_of, scheme_of

MASK = "…"
PLAIN_WORDS = frozenset({"none"})  # Of `Url`, which are no URL and no secret.
# Options of the URLs of our backends that are no secret.
SHOWN_OPTIONS = frozenset({"ca", "sslmode", "sslrootcert", "sslcert", "target_session_attrs"})
# Of a URL in a sentence, such as SQL or an expression, or of one that is mistyped.
_MAY_HOLD_LOGIN = re.compile(r"(?::|//)[^'\"]*@|(?i:passw|pwd)\w*=[^=]")
_OF_URLS = re.compile(r"[:?&=]")  # What hardly any file has in its name.


def masked(value: Any) -> Any:
    """Return a value of a setting as JSON has it, without what may be a secret."""
    match value:
        case Secret():
            return MASK if value.reveal() else ""
        case Url():
            return _url(value.reveal())
        case str():
            return _text(value)
        case bool() | int() | float() | None:
            return value
    return _masked_members(value)


def place_of(url: str) -> str:
    """Return of a URL whose path is secret what may be shown: the server."""
    parts = parts_of(url)
    if parts is None:
        return _url(url)
    is_more = bool(parts.path or parts.query)
    return f"{parts.scheme}://{_login(parts)}{parts.hosts}" + f"/{MASK}" * is_more


def shown_path(path: str) -> str:
    """Return the name of a file; in its place somebody may have written the secret itself."""
    is_path = path.startswith("/") and not path.startswith("//") and path.isprintable()
    return path if is_path and not _OF_URLS.search(path) else MASK


def _masked_members(value: Any) -> Any:
    match value:
        case tuple() | list():
            return [masked(each) for each in value]
        case dict():
            return {str(name): masked(each) for name, each in value.items()}
        case msgspec.Struct():
            names = [field.name for field in msgspec.structs.fields(type(value))]
            return {name: masked(getattr(value, name)) for name in names}
    return str(value)


def _text(text: str) -> str:
    """Mask a text that is a URL; one with a URL in it, or what may be a mistyped one, whole."""
    if "PRIVATE KEY" in text:
        return MASK
    if scheme_of(text.lstrip()) or ("://" in text and " " not in text and text.isprintable()):
        return _url(text)
    return MASK if _MAY_HOLD_LOGIN.search(text) else text


def _url(text: str) -> str:
    """Mask a URL; of what reads as none all but its scheme."""
    parts = parts_of(text)
    if text in PLAIN_WORDS or not text:
        return text
    if parts is None:
        scheme = scheme_of(text)
        return f"{scheme}://{MASK}" if scheme else MASK
    query = "?" + "&".join(map(_option, parts.query[1:].split("&"))) if parts.query else ""
    return f"{parts.scheme}://{_login(parts)}{parts.hosts}{parts.path}{query}"


def _login(parts: UrlParts) -> str:
    """Show a user who has a password, and nothing where it may be the password alone."""
    if not parts.login:
        return "" if parts.login is None else "@"
    return f"{parts.user}:{MASK}@" if ":" in parts.login else f"{MASK}@"


def _option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if name in SHOWN_OPTIONS or not option:
        return option
    return f"{name}={MASK}" if equals else MASK
