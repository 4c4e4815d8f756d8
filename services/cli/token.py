"""
Make a token (JWT) for trying out, signed with the secret of an issuer in the settings.

With --channels it is a channel token, which a gateway takes as it is, signed with a key of
tokens.keys.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import msgspec

from libs.common.errors import Invalid, Misconfigured
from libs.common.tokens.channel_tokens import TokenRequest, issue, new_jti
from libs.common.tokens.key_ring import KeyRing
from services.auth.settings import Issuer
from services.cli.arguments import seconds
from services.cli.client import app_of
from services.settings import Settings

_BEGINNINGS = ("[", "{", '"')  # Of what is meant as JSON.


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--user", default="1", help="the user's id (default: 1)")
    parser.add_argument(
        "--ttl", type=seconds, default=3600.0, help="seconds until it expires (default: 3600)"
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further claim; the value is JSON, or else text",
    )
    parser.add_argument(
        "--channels",
        nargs="+",
        metavar="PATTERN",
        help="make a channel token for these channels, in whose names * stands for any characters",
    )
    parser.add_argument(
        "--app",
        metavar="ID",
        help="the app that a channel token is good for; may be left out where only one exists",
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the token."""
    claims = claims_of(arguments.claim)
    if arguments.channels:
        grant = {
            "user": arguments.user,
            "claims": claims,
            "channels": arguments.channels,
            "ttl": arguments.ttl,
        }
        print(make_for_channels(settings, grant, app_id=app_of(settings, arguments.app).id))
    else:
        print(make(settings, arguments.user, ttl=arguments.ttl, claims=claims))
    return 0


def claims_of(texts: Sequence[str]) -> dict[str, Any]:
    """
    Read claims, each ``NAME=VALUE``; a value is JSON, or else text, with a warning if that is odd.

    Raises:
        Misconfigured: One is something else.
    """
    return dict(_claim(text) for text in texts)


def make(settings: Settings, user: str, *, ttl: float, claims: dict[str, Any]) -> str:
    """
    Make a token of the first issuer that has a shared secret.

    Raises:
        Misconfigured: No issuer has one.
    """
    issuer = _issuer(settings)
    now = int(time.time())
    standard = {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "iat": now,
        "exp": now + int(ttl),
        issuer.user_id: user,
    }
    return jwt.encode(
        {**claims, **standard}, issuer.secret.reveal(), algorithm=issuer.algorithms[0]
    )


def make_for_channels(settings: Settings, grant: Mapping[str, Any], *, app_id: str) -> str:
    """
    Make a channel token.

    Args:
        settings: With a key that signs.
        grant: The fields of `libs.common.tokens.channel_tokens.TokenRequest`.
        app_id: The app that it is good for.

    Raises:
        Misconfigured: No key signs, or the grant cannot be had.
    """
    ring = KeyRing(settings.tokens)
    try:
        asked = msgspec.convert(grant, TokenRequest)
        text, _ = issue(asked, ring, app_id=app_id, now=time.time(), jti=new_jti())
    except (msgspec.ValidationError, Invalid) as error:
        raise Misconfigured(f"that token cannot be made: {error}") from error
    return text


def _issuer(settings: Settings) -> Issuer:
    for issuer in settings.auth.issuers:
        if issuer.secret.reveal():
            return issuer
    raise Misconfigured("auth.issuers: none has a shared secret, so no token can be made here")


def _claim(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise Misconfigured(f"--claim {text!r}: expected NAME=VALUE")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        if value.startswith(_BEGINNINGS):
            doubt = f"--claim {name}: {value!r} is no JSON, and is taken as a text"
            print(f"fanfare: warning: {doubt}", file=sys.stderr)
        return name, value
