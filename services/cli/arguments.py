"""What the arguments of `fanfare apps` stand for: limits, origins, a secret that exists already."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from libs.common.apps import origins
from libs.common.apps.limits import Limits
from libs.common.config.environment import did_you_mean, reason
from libs.common.config.types import expected, show
from libs.common.errors import Misconfigured

_KINDS = {field.name: field.type for field in msgspec.structs.fields(Limits)}


def limits_of(texts: Sequence[str]) -> Limits:
    """
    Read the limits of a new app, each ``NAME=NUMBER``.

    Raises:
        Misconfigured: One is something else, unknown, or out of bounds.
    """
    return msgspec.convert(dict(_limit(text) for text in texts), Limits)


def changes_of(texts: Sequence[str]) -> dict[str, float | None]:
    """
    Read changes of limits, each ``NAME=NUMBER``, or ``NAME=`` for the default.

    Raises:
        Misconfigured: As in `limits_of`, but that any name may return to its default.
    """
    return dict(_change(text) for text in texts)


def _change(text: str) -> tuple[str, float | None]:
    name, separator, value = text.partition("=")
    if name and separator and not value:
        return name, None
    return _limit(text)


def _limit(text: str) -> tuple[str, float]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Misconfigured(f"--limit {text!r}: expected NAME=NUMBER, such as connections=1000")
    if name not in _KINDS:
        raise Misconfigured(f"--limit {name!r} is unknown{did_you_mean(name, _KINDS)}")
    kind: Any = _KINDS[name]
    try:
        number: float = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        number = math.nan
    if not math.isfinite(number):
        raise Misconfigured(f"--limit {name}: expected {expected(kind)}, found {show(value)}")
    return name, number


def origins_of(texts: Sequence[str]) -> list[str]:
    """
    Read origins.

    Raises:
        Misconfigured: One can match no page.
    """
    try:
        origins.check(texts)
    except ValueError as error:
        raise Misconfigured(f"--origin: {error}") from error
    return list(texts)


def id_of(text: str) -> str:
    """
    Read an app's id.

    Raises:
        Misconfigured: The text is empty.
    """
    if not text:
        raise Misconfigured("--id: expected a text that is not empty, digits by custom")
    return text


def is_customary(app_id: str) -> bool:
    """Tell whether the Python SDK takes an app's id."""
    return app_id.isascii() and app_id.isdigit()


def secret_in(file: str) -> str:
    """
    Read a secret from a file; ``-`` is the standard input.  One line break may end it.

    Raises:
        Misconfigured: The file cannot be read, or does not hold one line of text.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        place = json.dumps(file, ensure_ascii=False)
        raise Misconfigured(f"--secret-file {place}: cannot be read: {reason(error)}") from error
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.isprintable() or not secret.strip():
        raise Misconfigured("--secret-file: expected one line with the secret, and nothing else")
    return secret
