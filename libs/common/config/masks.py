"""
Values of settings as they may be shown: whatever may be a secret is ``…``.

Pure.  A `Secret` is one; so may be the login of a URL, of whatever type the URL is, and what its
query gives, and the path of one that is a permission; and a private key, wherever it stands.
"""

from typing import Any

import msgspec

from libs.common.config.address import Url
from libs.common.config.secret import Secret

MASK = "…"
PLAIN_WORDS = frozenset({"none"})  # Of `Url`, which are no URL and no secret.
# Options of the URLs of our backends that are no secret.
SHOWN_OPTIONS = frozenset({"ca", "sslmode", "sslrootcert", "sslcert", "target_session_attrs"})


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
    scheme, slashes, rest = _url(url).partition("://")
    host, slash, _ = rest.partition("/")
    return f"{scheme}{slashes}{host.partition('?')[0]}" + f"/{MASK}" * bool(slash or "?" in host)


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
    if "PRIVATE KEY" in text:
        return MASK
    is_url = "://" in text and text.isprintable() and " " not in text
    return _url(text) if is_url else text


def _url(text: str) -> str:
    """Mask a URL; of what reads as none, and of one with an ``@`` in a wrong place, all of it."""
    scheme, found, rest = text.partition("://")
    if not found:
        return text if text in PLAIN_WORDS else MASK * bool(text)
    head, has_query, query = rest.partition("?")
    authority, slash, path = head.partition("/")
    if text.count("@") != authority.count("@") or "#" in text:
        return f"{scheme}://{MASK}"
    login, at, hosts = authority.rpartition("@")
    options = "&".join(map(_option, query.split("&")))
    return f"{scheme}://{_login(login)}{at}{hosts}{slash}{path}{has_query}{options}"


def _login(login: str) -> str:
    """Show a user who has a password, and nothing where it may be the password alone."""
    user, colon, _ = login.partition(":")
    return f"{user}:{MASK}" if colon else MASK * bool(login)


def _option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if name in SHOWN_OPTIONS or not option:
        return option
    return f"{name}={MASK}" if equals else MASK
